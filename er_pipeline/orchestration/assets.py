"""Assets: one per step of the flow, thin; and the catalog after them.

An asset opens the engine, runs its step and reports its figures.
"""

import inspect
import os
import resource
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BlockingError, LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import numbers
from er_pipeline.blocking.tables.runs import run_step
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.stamps import code_version, digest, planned_stamps
from er_pipeline.blocking.tables.standing import Standing, judge_table, standing_of
from er_pipeline.blocking.tables.step import Step, plans_of
from er_pipeline.blocking.tables.table import Check, Table
from er_pipeline.blocking.tables.verdict_notes import forget_failure, note_failure, note_verdicts
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.catalog import (
    catalog_lock,
    collect_run_metrics,
    has_news,
    note_run_metrics,
    publish_dataset,
    write_catalog,
)
from er_pipeline.evaluation.kept_report import figures_of, keep_report, run_report
from er_pipeline.orchestration.asset_metadata import metadata_values
from er_pipeline.orchestration.resources import LakeFolder

EVERY_TABLE_IS_PUBLISHED = Check(
    "every_table_is_published",
    "A table is withheld where a check on it, or on what it is made of, failed.",
)


def dataset_assets(
    spec: PipelineSpec, steps: Sequence[Step]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Make the assets of a dataset: its sources as external ones, its steps, and the catalog."""
    planned = planned_stamps(plans_of(steps))
    return [
        *source_assets(spec),
        *(step_asset(spec, step, steps, planned) for step in steps),
        catalog_asset(spec, steps, planned),
    ]


def source_assets(spec: PipelineSpec) -> list[dg.AssetSpec]:
    """Show where the records come from; these assets are not made here."""
    return [
        dg.AssetSpec(
            key=[spec.dataset, f"source_{source.label}"],
            group_name=spec.dataset,
            tags={"er_pipeline/stage": "sources"},
            description=f"Source {source.label!r} of dataset {spec.dataset!r}, made elsewhere.",
            kinds={"table" if source.database or source.url else "file"},
            owners=spec.owners,
        )
        for source in spec.sources
    ]


def step_asset(
    spec: PipelineSpec, step: Step, steps: Sequence[Step], planned: Mapping[str, str]
) -> dg.AssetsDefinition:
    """Turn a step into an asset of one or several tables.

    planned: table -> stamp, see `planned_stamps`. As its code version it marks, in the UI, all that
    a change of settings makes stale; a new source does so by the data version, the stamp itself.
    """
    deps = _upstream_assets(spec, step, steps)

    @dg.multi_asset(
        name=f"{spec.dataset}__{step.name}",
        specs=[
            dg.AssetSpec(
                key=[spec.dataset, table.name],
                deps=deps,
                description=" ".join(part for part in (table.about, spec.description) if part),
                group_name=spec.dataset,  # the UI opens a lone group on its whole graph
                tags={"er_pipeline/stage": step.stage},
                kinds={"duckdb", "parquet"},
                owners=spec.owners,
                code_version=planned[table.name],
                metadata={
                    "dagster/column_schema": _column_schema(table),
                    **_code_references(step.code),
                },
            )
            for table in step.assets
        ],
    )
    def asset(
        context: dg.AssetExecutionContext, lake: LakeFolder
    ) -> Iterator[dg.MaterializeResult[Any]]:
        tables = lake.of(spec)
        clock = Clock()
        with as_dagster_failures(), noting_failure(tables, step.name):
            with DuckDBEngine(spec.threads, spec.memory_limit, tables.root / ".spill") as engine:
                facts = run_step(step, engine, tables)
                n_rows = {table.name: _count_rows(engine, tables, table) for table in step.assets}
            shown_of_main = {**step.show(facts), **clock.figures()}
            figures = {"rows": n_rows[step.name], **numbers(shown_of_main)}
            note_run_metrics(tables, context.run.run_id, step.name, figures)
        for table in step.assets:
            shown = shown_of_main if table.name == step.name else {}
            yield dg.MaterializeResult(
                asset_key=dg.AssetKey([spec.dataset, table.name]),
                data_version=dg.DataVersion(tables.stamp(table.name)),
                metadata={
                    "dagster/row_count": n_rows[table.name],
                    "dagster/uri": tables.path(table.name).as_uri(),
                    "dagster/column_schema": _column_schema(table),
                    **_lineage(spec, table, step),
                    **metadata_values(shown),
                },
            )

    return asset


def catalog_asset(
    spec: PipelineSpec, steps: Sequence[Step], planned: Mapping[str, str]
) -> dg.AssetsDefinition:
    """Publish every table of the dataset as a view for people, in one step."""
    tables = [table for step in steps for table in step.writes]

    @dg.asset(
        key=[spec.dataset, "catalog"],
        # All, not only the ends of the graph: when a part of it is selected, the catalog still
        # comes after every table that is made, and not at all after a check that failed.
        deps=[[spec.dataset, table.name] for table in tables if not table.is_internal],
        description=(
            f"Schema {spec.dataset!r} of catalog.duckdb: one view per table, ids as they were"
            " given. Open it with any DuckDB client, also while a run goes on."
        ),
        group_name=spec.dataset,
        tags={"er_pipeline/stage": "catalog"},
        kinds={"duckdb"},
        owners=spec.owners,
        code_version=digest([code_version(write_catalog.__module__), *planned.values()]),
        metadata=_code_references(write_catalog),
        check_specs=[
            dg.AssetCheckSpec(
                EVERY_TABLE_IS_PUBLISHED.name,
                asset=[spec.dataset, "catalog"],
                description=EVERY_TABLE_IS_PUBLISHED.why,
            )
        ],
    )
    def catalog_views(
        context: dg.AssetExecutionContext, lake: LakeFolder, catalog: DuckDBResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        place = lake.of(spec)
        with as_dagster_failures(), catalog_lock(place.root):
            found = publish_what_is_good(spec, place, steps)
            views = {}
            if found.published:
                views = replace_catalog(catalog, place.root)
            figures = figures_of(spec, place, found.standing)
            keep_report(place, run_report(found.standing, place, figures))
        shown = views.get(spec.dataset, [])
        text = "Every table is published."
        if found.standing.withheld:
            text = "; ".join(
                f"{table} is withheld: {why}" for table, why in found.standing.withheld.items()
            )
        context.log.info(f"published {len(shown)} views in {catalog.database}")
        yield dg.MaterializeResult(
            metadata={
                "dagster/uri": Path(catalog.database).as_uri(),
                "views": dg.MetadataValue.int(len(shown)),
                "how_to_open": dg.MetadataValue.md(
                    f"```sql\nattach {literal(catalog.database)} as er (read_only);\n"
                    f"from er.{spec.dataset}.unified_pairs limit 10;\n```"
                ),
                "names": dg.MetadataValue.json(shown),
                "withheld": dg.MetadataValue.json(found.standing.withheld),
                "of_an_earlier_run": dg.MetadataValue.json(found.kept),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name=EVERY_TABLE_IS_PUBLISHED.name,
                    passed=not found.standing.withheld,
                    description=text,
                )
            ],
            data_version=dg.DataVersion(
                digest({table: place.stamp(table) for table in found.standing.good})
            ),
        )

    return catalog_views


@dataclass(frozen=True)
class Publication:
    """What came of publishing. kept: tables shown of an earlier run. published: whether at all."""

    standing: Standing
    kept: Sequence[str] = ()
    published: bool = False


def publish_what_is_good(spec: PipelineSpec, lake: Lake, steps: Sequence[Step]) -> Publication:
    """Publish every table that may be shown; withhold those of which a check failed.

    Where a table is withheld and no other is new, nothing is changed.
    Raises LakeError if a table is missing or stale though nothing failed: somebody ran a part of
    the graph, and the rest no longer belongs to it.
    """
    with DuckDBEngine(spec.threads, spec.memory_limit) as engine:

        def judge(step: Step, table: Table) -> Sequence[Verdict]:
            verdicts = list(judge_table(engine, lake, step, table))
            note_verdicts(lake, table.name, verdicts)
            return verdicts

        standing = standing_of(steps, lake, judge)
        for table in standing.stale:
            lake.check(table)
        good = set(standing.good)
        tables = [table for step in steps for table in step.writes if table.name in good]
        if standing.withheld and not has_news(lake, tables):
            return Publication(standing)
        collect_run_metrics(engine, lake)
    kept = publish_dataset(lake, tables, standing.withheld)
    return Publication(standing, kept, published=True)


def replace_catalog(catalog: DuckDBResource, root: Path) -> dict[str, list[str]]:
    """Write the catalog anew beside the old one and put it in its place.

    Whoever has the old one open goes on reading it; nobody ever waits for a lock.
    """
    final = Path(catalog.database)
    draft = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    try:
        with DuckDBResource(database=str(draft)).get_connection() as con:
            views = write_catalog(con, root)
        os.replace(draft, final)
    finally:
        draft.unlink(missing_ok=True)
    return views


class as_dagster_failures:  # noqa: N801, it reads as a word: with as_dagster_failures()
    """Show an error that is meant for the user as the step's failure, without a traceback."""

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Turn a BlockingError into a dg.Failure that says the same."""
        if isinstance(error, BlockingError):
            raise dg.Failure(description=str(error), allow_retries=False) from error


@contextmanager
def noting_failure(lake: Lake, step: str) -> Iterator[None]:
    """Note in the lake why a step made nothing, so that the catalog and the report can say so.

    That a table is stale is no failure of a step: the catalog finds that out itself.
    """
    try:
        yield
    except LakeError:
        raise
    except Exception as error:
        is_ours = isinstance(error, BlockingError)
        note_failure(lake, step, str(error) if is_ours else f"{type(error).__name__}: {error}")
        raise
    forget_failure(lake, step)


class Clock:
    """Wall and CPU time since it was made, and the process's memory peak."""

    def __init__(self) -> None:
        """Start."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def figures(self) -> dict[str, float]:
        """Return seconds, and mebibytes of memory at the process's peak so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "wall_seconds": round(time.perf_counter() - self._wall, 3),
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
            "process_peak_mib": round(peak, 1),
        }


def _upstream_assets(spec: PipelineSpec, step: Step, steps: Sequence[Step]) -> list[list[str]]:
    """List the assets a step reads; an internal table stands for the asset it is made with."""
    asset_of = {
        table.name: made_by.name if table.is_internal else table.name
        for made_by in steps
        for table in made_by.writes
    }
    reads = dict.fromkeys(asset_of[read] for read in step.reads)
    if not reads:  # what reads no table reads the sources
        reads = dict.fromkeys(f"source_{label}" for label in spec.source_labels)
    return [[spec.dataset, name] for name in reads]


def _count_rows(engine: Engine, lake: Lake, table: Table) -> int:
    engine.read_folder(lake.path(table.name), "counted_table")
    return int(engine.row("select count(*) from counted_table")[0])


def _column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
            )
            for column in table.columns
        ]
    )


def _lineage(spec: PipelineSpec, table: Table, step: Step) -> dict[str, Any]:
    """Say which columns a table's columns come from, as far as a step knows."""
    deps: dict[str, list[dg.TableColumnDep]] = {}
    if not step.reads:  # the records themselves
        if table.name == step.name:
            for name in spec.field_kinds:
                deps[name] = [
                    dg.TableColumnDep(
                        dg.AssetKey([spec.dataset, f"source_{source.label}"]),
                        source.columns.get(name, name) or name,
                    )
                    for source in spec.sources
                    if source.columns.get(name, name) is not None
                ]
    else:
        for name in sorted(column.name for column in table.columns):
            columns = step.lineage.get(name)
            if columns is None and name in ("record_id", "source", "record_no", "source_no"):
                columns = [name]
            if columns:
                deps[name] = [
                    dg.TableColumnDep(dg.AssetKey([spec.dataset, "cleaned_records"]), column)
                    for column in columns
                ]
    if not deps:
        return {}
    return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps)}


def _code_references(code: Callable[..., Any]) -> dict[str, Any]:
    """Point to the function that makes the table; Dagster adds the dataset's YAML itself."""
    file, line = inspect.getsourcefile(code), inspect.getsourcelines(code)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return {
            "dagster/code_references": dg.CodeReferencesMetadataValue(
                code_references=[
                    dg.LocalFileCodeReference(
                        file_path=str(file), line_number=line, label=code.__name__
                    )
                ]
            )
        }
