"""A run from the terminal: the very assets that the UI shows, materialized by Dagster."""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.terminal.exit_codes import QUERY_INTERRUPTED

INTERRUPTS = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    tables: those that were made, in order. failed_checks: table, check, severity (error or warn)
    and text of each. errors: why it failed, for people. seconds: of wall; cpu_seconds: of this
    process.
    """

    succeeded: bool
    tables: Sequence[str]
    failed_checks: Sequence[Mapping[str, str]]
    errors: Sequence[str]
    seconds: float
    cpu_seconds: float


def run_dataset(
    path: Path,
    spec: PipelineSpec,
    overrides: Mapping[str, Any],
    *,
    lake: Path,
    executor: str = "",
    selection: str | None = None,
) -> RunResult:
    """Materialize a dataset, or the selected part of it, showing progress on stderr.

    path: of its defs.yaml. spec: what `read_spec` read there with the same overrides. lake: its
    absolute path. executor: in_process, multiprocess or "" for the dataset's own.
    Raises UsageError if the selection is empty, KeyboardInterrupt if Ctrl-C stops it.
    """
    import dagster as dg

    from er_pipeline.orchestration.declared_job import load_job
    from er_pipeline.orchestration.progress import show_steps_of_assets
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
    keys = selected_assets(job.get_definition(), spec.dataset, selection)
    is_alone = (executor or spec.executor) == "in_process"
    has_bar = is_alone and takes_a_moving_line()
    if not has_bar:
        show_steps_of_assets()
    with _instance(is_alone) as instance, run_bar(len(keys)) if has_bar else nullcontext():
        try:
            result = dg.execute_job(
                job,
                instance=instance,
                run_config={"loggers": {"progress": {}}},
                asset_selection=None if selection is None else sorted(keys),
                raise_on_error=False,
            )
        except dg.DagsterExecutionInterruptedError as error:
            raise KeyboardInterrupt from error
        failures = list(result.filter_events(lambda event: event.is_step_failure))
        if any(_was_interrupted(event.step_failure_data.error) for event in failures):
            raise KeyboardInterrupt
        results = [result]
        catalog = dg.AssetKey([spec.dataset, "catalog"])
        if not result.success and catalog in keys and len(keys) > 1:
            # What comes after a failed check is not run; what does not hang on it is published.
            results.append(
                dg.execute_job(
                    job,
                    instance=instance,
                    run_config={"loggers": {"progress": {}}},
                    asset_selection=[catalog],
                    raise_on_error=False,
                )
            )
            failures += results[1].filter_events(lambda event: event.is_step_failure)
        errors = [_failure_text(event) for event in failures]
        if not result.success and not failures:
            errors = [_run_failure_text(result)]
    checks = [
        check
        for some in results
        for check in some.get_asset_check_evaluations()
        if not check.passed and check.asset_key.path[-1] != "catalog"
    ]
    made = [
        event.asset_key.path[-1]
        for some in results
        for event in some.get_asset_materialization_events()
        if event.asset_key
    ]
    return RunResult(
        # A check may fail without keeping Dagster from the rest: what hangs on it refuses itself.
        succeeded=result.success
        and not any(check.severity == dg.AssetCheckSeverity.ERROR for check in checks),
        tables=list(dict.fromkeys(made)),
        failed_checks=[
            {
                "table": check.asset_key.path[-1],
                "check": check.check_name,
                "severity": "error" if check.severity == dg.AssetCheckSeverity.ERROR else "warn",
                "text": check.description or "",
            }
            for check in checks
        ],
        errors=errors,
        seconds=time.perf_counter() - began_wall,
        cpu_seconds=time.process_time() - began_cpu,
    )


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
    from er_pipeline.orchestration.progress import table_of_step

    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return f"{table_of_step(event.step_key)[0]}: {data.user_failure_data.description}"
    if data.error and data.error.cls_name == "DagsterAssetCheckFailedError":
        return f"{table_of_step(event.step_key)[0]}: a check failed, see above"
    return data.error.to_string() if data.error else str(event.message)


@contextmanager
def _instance(is_alone: bool) -> Iterator[Any]:
    """Open the Dagster instance of this project, so that the UI shows the run; else a passing one.

    That is DAGSTER_HOME, or the working directory if it holds a dagster.yaml. is_alone: whether one
    process does all, so that a passing instance may stand in its memory.
    """
    import dagster as dg

    if not os.environ.get("DAGSTER_HOME") and Path("dagster.yaml").is_file():
        os.environ["DAGSTER_HOME"] = str(Path.cwd())
    if os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as instance:
            yield instance
        return
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
