"""Assets: one per step of the flow, thin; the catalog comes after them (`catalog_asset.py`).

An asset opens the engine, runs its step and reports its figures.
"""

import inspect
import resource
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.current import unchanged_since, why_to_run
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.failures import may_pass, sentence_of
from er_pipeline.blocking.tables.files import files_of_mode
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.locks import step_lock
from er_pipeline.blocking.tables.pictures import Shown, numbers
from er_pipeline.blocking.tables.printable import printable
from er_pipeline.blocking.tables.run_metrics import note_run_metrics
from er_pipeline.blocking.tables.runs import run_step
from er_pipeline.blocking.tables.stamps import planned_stamps
from er_pipeline.blocking.tables.step import Step, plans_of
from er_pipeline.blocking.tables.table import Table
from er_pipeline.blocking.tables.verdict_notes import forget_failure, note_failure
from er_pipeline.orchestration.asset_metadata import metadata_values
from er_pipeline.orchestration.resources import LakeFolder
from er_pipeline.orchestration.source_keys import own_sources, source_key
from er_pipeline.orchestration.unchanged import (
    UNCHANGED_SINCE,
    Again,
    is_full,
    is_shown,
    known_tags,
    observation,
    unlogged,
)


def dataset_assets(
    spec: PipelineSpec, steps: Sequence[Step]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Make the assets of a dataset: its sources as external ones, and its steps."""
    planned = planned_stamps(plans_of(steps))
    return [
        *source_assets(spec),
        *(step_asset(spec, step, steps, planned) for step in steps),
    ]


def source_assets(spec: PipelineSpec) -> list[dg.AssetSpec]:
    """Show where the records come from; these assets are not made here."""
    return [
        dg.AssetSpec(
            key=source_key(spec, source),
            group_name=spec.dataset,
            tags={"er_pipeline/stage": "sources"},
            description=f"Source {source.label!r} of dataset {spec.dataset!r}, made elsewhere.",
            kinds={"table" if source.database or source.url else "file"},
            owners=spec.owners,
        )
        for source in own_sources(spec)
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
                    **code_references(step.code),
                },
            )
            for table in step.assets
        ],
    )
    def asset(
        context: dg.AssetExecutionContext, config: Again, lake: LakeFolder
    ) -> Iterator[dg.MaterializeResult[Any]]:
        tables = lake.of(spec)
        if config.full or is_full(context):
            tables = tables.taking_nothing_over()
        elif why_to_run(step, tables) is None:
            yield from _unchanged(context, spec, step, tables)
            return
        clock = Clock()
        with (
            as_dagster_failures(),
            step_lock(tables.folder),
            files_of_mode(spec.lake.file_mode),
            noting_failure(tables, step.name),
        ):
            with DuckDBEngine(spec.threads, spec.memory_limit, tables.spill) as engine:
                facts = run_step(step, engine, tables)
                n_rows = _count_rows(engine, tables, step)
            shown_of_main = {**step.show(facts), **clock.figures()}
            figures = {"rows": n_rows[step.name], **numbers(shown_of_main)}
            note_run_metrics(tables, context.run.run_id, step.name, figures)
        for table in step.assets:
            shown = shown_of_main if table.name == step.name else {}
            yield _materialized(spec, step, table, tables, n_rows[table.name], shown)

    return asset


def _unchanged(
    context: dg.AssetExecutionContext, spec: PipelineSpec, step: Step, lake: Lake
) -> Iterator[dg.MaterializeResult[Any]]:
    """Show the tables of a step that need not run; as made if the instance does not know them."""
    since = unchanged_since([step], lake)
    declared = context.assets_def.specs_by_key
    known = known_tags(context.instance, list(declared))
    for table in step.assets:
        key = dg.AssetKey([spec.dataset, table.name])
        version = lake.stamp(table.name)
        if is_shown(known, declared[key], lake, version):
            context.log_event(observation(key, since, version))
            yield unlogged(key)
            continue
        with as_dagster_failures(), DuckDBEngine(1, spec.memory_limit, lake.spill) as engine:
            n_rows = _count_rows(engine, lake, step)
        shown = step.show(lake.facts(step.name)) if table.name == step.name else {}
        yield _materialized(
            spec, step, table, lake, n_rows[table.name], {**shown, UNCHANGED_SINCE: since}
        )


def _materialized(
    spec: PipelineSpec,
    step: Step,
    table: Table,
    lake: Lake,
    n_rows: int,
    shown: Mapping[str, Shown],
) -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(
        asset_key=dg.AssetKey([spec.dataset, table.name]),
        data_version=dg.DataVersion(lake.stamp(table.name)),
        metadata={
            "dagster/row_count": n_rows,
            "dagster/uri": lake.path(table.name).as_uri(),
            "dagster/column_schema": _column_schema(table),
            **_lineage(spec, table, step),
            **metadata_values(shown),
        },
    )


class as_dagster_failures:  # noqa: N801, it reads as a word: with as_dagster_failures()
    """Show an error that is meant for the user as the step's failure, without a traceback."""

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        """Turn a BlockingError, or a failure of the machine, into a dg.Failure that says it."""
        sentence = sentence_of(error) if isinstance(error, Exception) else None
        if sentence is not None:
            raise dg.Failure(printable(sentence), allow_retries=may_pass(error)) from error


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
        note_failure(
            lake, step, printable(sentence_of(error) or f"{type(error).__name__}: {error}")
        )
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
        keys = (tuple(source_key(spec, source)) for source in spec.sources)
        return [list(key) for key in dict.fromkeys(keys)]
    return [[spec.dataset, name] for name in reads]


def _count_rows(engine: Engine, lake: Lake, step: Step) -> dict[str, int]:
    """Count the rows of every table of a step."""
    counts = {}
    for table in step.assets:
        engine.read_folder(lake.path(table.name), "counted_table")
        (counts[table.name],) = engine.row("select count(*) from counted_table")
    return counts


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
                        dg.AssetKey(source_key(spec, source)),
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


def code_references(code: Callable[..., Any]) -> dict[str, Any]:
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
