"""Assets: one per step of the flow, thin; the catalog comes after them (`catalog_asset.py`).

An asset opens the engine, runs its step and reports its figures.
"""

import inspect
import resource
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import dagster as dg

from er_pipeline.blocking.records.snapshots import check_is_of
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.current import unchanged_since, why_to_run
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.engine_of_step import engine_of
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
from er_pipeline.blocking.tables.table import Column, Table
from er_pipeline.blocking.tables.verdict_notes import forget_failure, note_failure
from er_pipeline.evaluation.first_screen import first_screen
from er_pipeline.orchestration.asset_keys import asset_key
from er_pipeline.orchestration.asset_metadata import metadata_values
from er_pipeline.orchestration.groups import group_of
from er_pipeline.orchestration.launched_steps import is_launched, launch
from er_pipeline.orchestration.looks import Look, looks_of
from er_pipeline.orchestration.resources import LakeFolder
from er_pipeline.orchestration.snapshot_partitions import snapshot_of
from er_pipeline.orchestration.source_assets import source_assets, source_observations
from er_pipeline.orchestration.source_keys import source_key
from er_pipeline.orchestration.unchanged import (
    UNCHANGED_SINCE,
    Again,
    is_full,
    is_shown,
    known_tags,
    observation,
    unlogged,
)

# Not under Dagster's own name for it: the UI would put it above all else.
COLUMNS = "columns"


def dataset_assets(
    spec: PipelineSpec, steps: Sequence[Step]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Make the assets of a dataset: its sources as external ones, and its steps."""
    planned = planned_stamps(plans_of(steps))
    return [
        *source_assets(spec),
        *(step_asset(spec, step, steps, planned) for step in steps),
    ]


def step_asset(
    spec: PipelineSpec, step: Step, steps: Sequence[Step], planned: Mapping[str, str]
) -> dg.AssetsDefinition:
    """Turn a step into an asset of one or several tables.

    planned: table -> stamp, see `planned_stamps`. As its code version it marks, in the UI, all that
    a change of settings makes stale; a new source does so by the data version, the stamp itself.
    """
    deps = upstream_assets(spec, step, steps)

    @dg.multi_asset(
        name=f"{spec.dataset}__{step.name}",
        specs=[
            dg.AssetSpec(
                key=asset_key(spec, table.name),
                deps=deps,
                description=" ".join(part for part in (table.about, spec.description) if part),
                group_name=group_of(spec.dataset, step.stage),
                tags={"er_pipeline/stage": step.stage},
                kinds={kind_of(step), "parquet"},
                owners=spec.owners,
                code_version=planned[table.name],
                metadata={
                    **code_references(step.code),
                    COLUMNS: _column_schema(table.columns),
                },
            )
            for table in step.assets
        ],
    )
    def asset(
        context: dg.AssetExecutionContext, config: Again, lake: LakeFolder
    ) -> Iterator[dg.MaterializeResult[Any]]:
        with as_dagster_failures():
            day = snapshot_of(context)
            tables = lake.of(spec).at_snapshot(day)
            if step.reads:
                check_is_of(tables, day)
        if config.full or is_full(context):
            tables = tables.taking_nothing_over()
        elif why_to_run(step, tables) is None:
            yield from _unchanged(context, spec, step, tables, steps)
            return
        clock = Clock()
        if is_launched(spec, step):
            tables = lake.of(spec)
            with as_dagster_failures():
                launch(context, spec, step, tables, full=config.full or is_full(context))
            yield from _as_it_lies(spec, step, tables, steps)
            return
        with (
            as_dagster_failures(),
            step_lock(tables.folder),
            files_of_mode(spec.lake.file_mode),
            noting_failure(tables, step.name),
        ):
            with engine_of(step, tables, spec.threads, spec.memory_limit) as engine:
                facts = run_step(step, engine, tables)
                if isinstance(engine, DuckDBEngine):
                    looks = looks_of(engine, tables, step, steps)
            if not isinstance(engine, DuckDBEngine):  # what people see is looked at on the driver
                with DuckDBEngine(spec.threads, spec.memory_limit, tables.spill) as driver:
                    looks = looks_of(driver, tables, step, steps)
            costs = clock.figures()
            figures = {"rows": looks[step.name].rows, **numbers(step.show(facts)), **costs}
            note_run_metrics(tables, context.run.run_id, step.name, figures)
        for event in source_observations(spec, facts):
            context.log_event(event)
        for table in step.assets:
            more = costs if table.name == step.name else {}
            yield _materialized(spec, step, table, tables, looks[table.name], more)

    return asset


def _unchanged(
    context: dg.AssetExecutionContext,
    spec: PipelineSpec,
    step: Step,
    lake: Lake,
    steps: Sequence[Step],
) -> Iterator[dg.MaterializeResult[Any]]:
    """Show the tables of a step that need not run; as made if the instance does not know them."""
    since = unchanged_since([step], lake)
    declared = context.assets_def.specs_by_key
    known = known_tags(context.instance, list(declared), lake.snapshot)
    for table in step.assets:
        key = dg.AssetKey(asset_key(spec, table.name))
        version = lake.stamp(table.name)
        if is_shown(known, declared[key], lake, version):
            context.log_event(observation(key, since, version))
            yield unlogged(key)
            continue
        yield from _as_it_lies(spec, step, lake, steps, {UNCHANGED_SINCE: since}, [table])


def _as_it_lies(
    spec: PipelineSpec,
    step: Step,
    lake: Lake,
    steps: Sequence[Step],
    more: Mapping[str, Shown] | None = None,
    of: Sequence[Table] | None = None,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Show tables as they lie in the lake, those of the step or some of them."""
    with as_dagster_failures(), DuckDBEngine(1, spec.memory_limit, lake.spill) as engine:
        looks = looks_of(engine, lake, step, steps)
    for table in of or step.assets:
        yield _materialized(spec, step, table, lake, looks[table.name], more or {})


def _materialized(
    spec: PipelineSpec,
    step: Step,
    table: Table,
    lake: Lake,
    look: Look,
    more: Mapping[str, Shown],
) -> dg.MaterializeResult[Any]:
    """Show a table: what came out and its figures first, what is there to be plotted last."""
    first = first_screen(step, table, lake, look.rows, look.rows_before)
    return dg.MaterializeResult(
        asset_key=dg.AssetKey(asset_key(spec, table.name)),
        data_version=dg.DataVersion(lake.stamp(table.name)),
        metadata={
            **metadata_values({**first, **more}),
            COLUMNS: _column_schema(look.columns),
            "dagster/row_count": look.rows,
            "dagster/uri": lake.path(table.name).as_uri(),
            **_lineage(spec, table, step),
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


def upstream_assets(spec: PipelineSpec, step: Step, steps: Sequence[Step]) -> list[list[str]]:
    """List the keys of what a step reads; an internal table stands for what it is made with."""
    asset_of = {
        table.name: made_by.name if table.is_internal else table.name
        for made_by in steps
        for table in made_by.writes
    }
    reads = dict.fromkeys(asset_of[read] for read in step.reads)
    if not reads:  # what reads no table reads the sources
        keys = (tuple(source_key(spec, source)) for source in spec.sources)
        return [list(key) for key in dict.fromkeys(keys)]
    return [asset_key(spec, name) for name in reads]


def ends_of(spec: PipelineSpec, steps: Sequence[Step]) -> list[str]:
    """List the assets that no step reads: whatever is made leads to one of them."""
    read = [key for step in steps for key in upstream_assets(spec, step, steps)]
    written = [table.name for step in steps for table in step.assets]
    return [name for name in written if asset_key(spec, name) not in read]


def kind_of(step: Step) -> str:
    """Name what makes a step's tables, as Dagster shows it."""
    return "spark" if step.cluster is not None and step.place == "cluster" else "duckdb"


def _column_schema(columns: Sequence[Column]) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
            )
            for column in columns
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
                    dg.TableColumnDep(dg.AssetKey(asset_key(spec, "cleaned_records")), column)
                    for column in columns
                ]
    if not deps:
        return {}
    return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps)}


def code_references(code: Callable[..., Any]) -> dict[str, Any]:
    """Point to the function that makes the table; Dagster adds the dataset's YAML itself."""
    file, line = _place_of(code)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return {
            "dagster/code_references": dg.CodeReferencesMetadataValue(
                code_references=[
                    dg.LocalFileCodeReference(file_path=file, line_number=line, label=code.__name__)
                ]
            )
        }


@cache  # every dataset has the same steps
def _place_of(code: Callable[..., Any]) -> tuple[str, int]:
    return str(inspect.getsourcefile(code)), inspect.getsourcelines(code)[1]
