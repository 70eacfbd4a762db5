"""A run from the terminal: the very assets that the UI shows, materialized by Dagster."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from er_pipeline.blocking.records.snapshots import (
    check_order,
    chosen_snapshot,
    is_by_date,
    snapshot_in,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.current import unchanged_since
from er_pipeline.blocking.tables.standing import standing_of
from er_pipeline.flow import flow, open_lake
from er_pipeline.terminal.exit_codes import QUERY_INTERRUPTED

INTERRUPTS = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    tables: those that were made, in order. unchanged: the steps that were skipped, of n_steps.
    unchanged_since: when the last of their tables was made, for people. shows_catalog: whether the
    catalog shows what came of it. failed_checks: table, check, severity (error or warn) and text of
    each. errors: why it failed, for people. seconds: of wall; cpu_seconds: of this process.
    snapshot: the date that it was of, where sources have one.
    """

    succeeded: bool
    tables: Sequence[str]
    unchanged: Sequence[str]
    unchanged_since: str
    n_steps: int
    shows_catalog: bool
    failed_checks: Sequence[Mapping[str, str]]
    errors: Sequence[str]
    seconds: float
    cpu_seconds: float
    snapshot: str | None = None


def run_dataset(
    path: Path,
    spec: PipelineSpec,
    overrides: Mapping[str, Any],
    *,
    lake: Path,
    executor: str = "",
    selection: str | None = None,
    full: bool = False,
    snapshot: str | None = None,
) -> RunResult:
    """Materialize a dataset, or the selected part of it, showing progress on stderr.

    Steps of which nothing has changed are skipped, unless full.

    path: of its defs.yaml. spec: what `read_spec` read there with the same overrides. lake: its
    absolute path. executor: in_process, multiprocess or "" for the dataset's own. snapshot: the
    date that the sources are to be of, where they have one; the newest if omitted.
    Raises UsageError if the selection is empty, KeyboardInterrupt if Ctrl-C stops it, InputError if
    there is no such snapshot, LakeError if it is older than the one that the catalog shows.
    """
    import dagster as dg

    from er_pipeline.orchestration.asset_keys import asset_key, name_of_dataset
    from er_pipeline.orchestration.catalog_last import CATALOG_ASSET
    from er_pipeline.orchestration.declared_job import load_job
    from er_pipeline.orchestration.progress import show_steps_of_assets
    from er_pipeline.orchestration.snapshot_partitions import PARTITION_TAG, note_snapshots
    from er_pipeline.orchestration.unchanged import FULL_TAG
    from er_pipeline.terminal.left_out import LeftOut, leave_out, left_out_lines
    from er_pipeline.terminal.progress_bar import run_bar, takes_a_moving_line
    from er_pipeline.terminal.selection import selected_assets

    began_wall, began_cpu = time.perf_counter(), time.process_time()
    job = dg.build_reconstructable_job(
        load_job.__module__,
        load_job.__name__,
        cast(Any, (str(path.absolute()), str(lake), executor, json.dumps(overrides))),
        # Within one process the job of equal arguments is kept; a changed file is another.
        {"digest": hashlib.sha256(path.read_bytes()).hexdigest()},
    )
    definition = job.get_definition()
    keys = selected_assets(definition, name_of_dataset(spec), selection)
    steps, tables = flow(spec), open_lake(lake, spec)
    if is_by_date(spec):
        reads_sources = dg.AssetKey(asset_key(spec, "cleaned_records")) in keys
        if snapshot is None and not reads_sources:  # the tables are taken as they are
            snapshot = snapshot_in(tables)
        snapshot = chosen_snapshot(spec, snapshot) if reads_sources else snapshot
        check_order(tables, snapshot)
        tables = tables.at_snapshot(snapshot)
        if snapshot is not None:
            print(f"the snapshot of {snapshot}", file=sys.stderr)
    n_steps = sum(dg.AssetKey(asset_key(spec, step.name)) in keys for step in steps)
    is_alone = (executor or spec.executor) == "in_process"
    has_bar = is_alone and takes_a_moving_line()
    if not has_bar:
        show_steps_of_assets()
    left_out = LeftOut()
    results: list[Any] = []
    errors: list[str] = []
    with ExitStack() as held:
        instance = held.enter_context(_kept_instance())
        if not full:
            left_out = leave_out(spec, steps, tables, keys, _declared(definition), instance)
            for line in left_out_lines(left_out, n_steps):
                print(line, file=sys.stderr)
        if keys:
            instance = instance or held.enter_context(_passing_instance(is_alone))
            held.enter_context(run_bar(len(keys)) if has_bar else nullcontext())
            tags = {FULL_TAG: "true"} if full else {}
            if snapshot is not None:
                note_snapshots(instance, spec, [snapshot])
                tags[PARTITION_TAG] = snapshot
            results, errors = _execute(job, path, spec, instance, keys, tags)
    still_failed = [
        _failed_check(found.table, found.verdict.check, found.verdict.text, is_error=False)
        for found in standing_of(steps, tables).warnings
        if found.table in left_out.tables
    ]
    checks = [
        check
        for some in results
        for check in some.get_asset_check_evaluations()
        if not check.passed and check.asset_key.path[-1] != "catalog"
    ]
    made, seen = _made_and_unchanged(results)
    unchanged = [step for step in steps if step.name in {*left_out.steps, *seen}]
    return RunResult(
        # A check may fail without keeping Dagster from the rest: what hangs on it refuses itself.
        succeeded=all(result.success for result in results[:1])
        and not any(check.severity == dg.AssetCheckSeverity.ERROR for check in checks),
        tables=made,
        unchanged=[step.name for step in unchanged],
        unchanged_since=unchanged_since(unchanged, tables) if unchanged else "",
        n_steps=n_steps,
        shows_catalog=left_out.with_catalog or CATALOG_ASSET in {*made, *seen},
        failed_checks=[
            *still_failed,
            *(
                _failed_check(
                    check.asset_key.path[-1],
                    check.check_name,
                    check.description or "",
                    is_error=check.severity == dg.AssetCheckSeverity.ERROR,
                )
                for check in checks
            ),
        ],
        errors=errors,
        seconds=time.perf_counter() - began_wall,
        cpu_seconds=time.process_time() - began_cpu,
        snapshot=snapshot,
    )


def _failed_check(table: str, check: str, text: str, *, is_error: bool) -> dict[str, str]:
    """Return a check that did not pass, as `RunResult` has it."""
    severity = "error" if is_error else "warn"
    return {"table": table, "check": check, "severity": severity, "text": text}


def _execute(
    job: Any,
    path: Path,
    spec: PipelineSpec,
    instance: Any,
    keys: Collection[Any],
    tags: Mapping[str, str],
) -> tuple[list[Any], list[str]]:
    """Run the tables of some keys; return the results of one run or two, and why they failed."""
    import dagster as dg

    from er_pipeline.orchestration.asset_keys import asset_key
    from er_pipeline.orchestration.catalog_last import CATALOG_ASSET
    from er_pipeline.orchestration.publish_assets import last_assets
    from er_pipeline.terminal.project_runs import execute_in_project

    def execute(selected: list[dg.AssetKey]) -> Any:
        return execute_in_project(job, path, instance, selected=selected, tags=tags)

    try:
        result = execute(sorted(keys))
    except dg.DagsterExecutionInterruptedError as error:
        raise KeyboardInterrupt from error
    failures = list(result.filter_events(lambda event: event.is_step_failure))
    if any(_was_interrupted(event.step_failure_data.error) for event in failures):
        raise KeyboardInterrupt
    results = [result]
    catalog, *places = (dg.AssetKey(asset_key(spec, name)) for name in last_assets(spec))
    made, seen = _made_and_unchanged(results)
    is_published = CATALOG_ASSET in {*made, *seen}
    if not result.success and catalog in keys and len(keys) > 1 and not is_published:
        # What comes after a failed check is not run; what does not hang on it is published.
        results.append(execute([catalog, *(place for place in places if place in keys)]))
        failures += results[1].filter_events(lambda event: event.is_step_failure)
    errors = [_failure_text(event) for event in failures]
    if not result.success and not failures:
        errors = [_run_failure_text(result)]
    return results, errors


def _declared(job: Any) -> dict[Any, Any]:
    """Return the declaration of every asset of a job, by its key."""
    graph = job.asset_layer.asset_graph
    return {
        key: graph.get(key).assets_def.specs_by_key[key] for key in graph.materializable_asset_keys
    }


def _made_and_unchanged(results: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Name the tables that some runs have made, and those that they found unchanged."""
    from er_pipeline.orchestration.progress import is_unchanged
    from er_pipeline.orchestration.unchanged import UNCHANGED_SINCE

    made: dict[str, None] = {}
    unchanged: dict[str, None] = {}
    for result in results:
        for event in result.get_asset_materialization_events():
            metadata = event.step_materialization_data.materialization.metadata
            found = unchanged if UNCHANGED_SINCE in metadata else made
            found[event.asset_key.path[-1]] = None
        for event in result.get_asset_observation_events():
            if is_unchanged(event):
                unchanged[event.asset_key.path[-1]] = None
    return list(made), list(unchanged)


def _was_interrupted(error: Any) -> bool:
    """Return whether Ctrl-C is among the causes of a step's failure."""
    while error:
        if error.cls_name in INTERRUPTS or QUERY_INTERRUPTED in error.message:
            return True
        error = error.cause or error.context
    return False


def _run_failure_text(result: Any) -> str:
    """Return why a run failed of which no step did."""
    for event in result.filter_events(lambda event: event.is_job_failure):
        error = event.job_failure_data.error
        if error and error.cls_name == "LakeError":
            return str(error.message).partition(": ")[2].strip()
        return error.to_string() if error else str(event.message)
    return "a check failed, see above"


def _failure_text(event: Any) -> str:
    """Return why a step failed: in our own words where they are ours, else with the traceback."""
    from er_pipeline.orchestration.checks import is_of_checks
    from er_pipeline.orchestration.progress import table_of_step

    data = event.step_failure_data
    if is_of_checks(data):
        return f"{table_of_step(event.step_key)[0]}: a check failed, see above"
    if data.user_failure_data and data.user_failure_data.description:
        return f"{table_of_step(event.step_key)[0]}: {data.user_failure_data.description}"
    return data.error.to_string() if data.error else str(event.message)


@contextmanager
def _kept_instance() -> Iterator[Any]:
    """Open the Dagster instance of this project, so that the UI shows the run; None without one.

    That is DAGSTER_HOME, or the working directory if it holds a dagster.yaml.
    """
    import dagster as dg

    if not os.environ.get("DAGSTER_HOME") and Path("dagster.yaml").is_file():
        os.environ["DAGSTER_HOME"] = str(Path.cwd())
    if os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as instance:
            yield instance
        return
    yield None


@contextmanager
def _passing_instance(is_alone: bool) -> Iterator[Any]:
    """Open an instance for one run. is_alone: whether one process does all, so that it may stand
    in its memory.
    """
    import dagster as dg

    if is_alone:  # half a second less than one of files
        with dg.DagsterInstance.ephemeral() as instance:
            yield instance
        return
    passing = {
        # Workers of other processes log on their own until they have read the job's loggers.
        "python_logs": {"python_log_level": "INFO"},
        # Nobody could read the logs of steps, and keeping them takes two processes for each step.
        "compute_logs": {
            "module": "dagster._core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
    }
    with dg.DagsterInstance.local_temp(overrides=passing) as instance:
        yield instance
