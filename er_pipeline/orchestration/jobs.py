"""Jobs and schedules: when a dataset runs, in how many processes, and one run at a time."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import dagster as dg

from er_pipeline.blocking.records.snapshots import is_by_date
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.schedule_section import Schedule
from er_pipeline.blocking.tables.failures import explained_failures
from er_pipeline.blocking.tables.files import clear_left, clear_scratch
from er_pipeline.blocking.tables.lake import SPILL
from er_pipeline.blocking.tables.locks import run_lock
from er_pipeline.blocking.tables.publications import clear_leftovers
from er_pipeline.orchestration.asset_keys import asset_key, path_of_dataset
from er_pipeline.orchestration.automation import status_of
from er_pipeline.orchestration.catalog_last import catalog_last
from er_pipeline.orchestration.publish_assets import last_assets
from er_pipeline.orchestration.run_tags import (
    FROM_TERMINAL,
    KIND_TAG,
    PUBLISHES,
    retry_policy,
    run_tags,
)
from er_pipeline.orchestration.snapshot_partitions import (
    PARTITION_TAG,
    snapshot_schedule,
    wait_for_earlier_dates,
)

# Loaded once before workers are forked; torch and faiss must never be here.
PRELOADED_MODULES = ["dagster", "duckdb", "er_pipeline.orchestration.component"]


def executor_of(name: str, lake: Path) -> dg.ExecutorDefinition:
    """Choose the executor: in_process is fastest on small machines.

    Either lets one run of a dataset at a time write in the lake.
    """
    is_alone = name == "in_process"
    inner = dg.in_process_executor if is_alone else dg.multiprocess_executor

    def make(context: dg.InitExecutorContext) -> dg.Executor:
        assert inner.executor_creation_fn
        return OneRunAtATime(inner.executor_creation_fn(context), lake)

    outer = dg.ExecutorDefinition(
        name=name,
        config_schema=cast(Any, inner.config_schema),
        requirements=inner.get_requirements,
        executor_creation_fn=make,
    )
    if is_alone:
        return outer
    return outer.configured(
        {"start_method": {"forkserver": {"preload_modules": PRELOADED_MODULES}}}
    )


class OneRunAtATime(dg.Executor):
    """An executor that waits until no other run of the same datasets is at work, then clears up."""

    def __init__(self, inner: dg.Executor, lake: Path) -> None:
        """Hold the executor that does the work, and the lake's folder."""
        self.inner, self.lake = inner, lake

    @property
    def retries(self) -> Any:
        """As those of the executor that does the work."""
        return self.inner.retries

    @property
    def step_dependency_config(self) -> Any:
        """As that of the executor that does the work."""
        return self.inner.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Run the steps, the catalog last; what killed runs of these datasets left goes before."""
        every = plan_context.job.get_definition().asset_layer.executable_asset_keys
        selected = plan_context.dagster_run.asset_selection or every
        datasets = {key.path[-2:][0] for key in selected}  # whatever prefix comes before it
        log = plan_context.log
        wait_for_earlier_dates(plan_context.instance, plan_context.dagster_run, log.warning)
        with run_alone(self.lake, datasets, plan_context.log.warning):
            yield from self.inner.execute(plan_context, catalog_last(execution_plan))


@contextmanager
def run_alone(lake: Path, datasets: Collection[str], say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other run of some datasets is at work, and clear up what killed ones left.

    say: called with who is waited for. Others wait until the block ends.
    """
    with ExitStack() as held:
        with explained_failures("the run cannot begin"):
            for dataset in sorted(datasets):
                held.enter_context(run_lock(lake / dataset, say))
                clear_leftovers(lake / dataset)
            clear_left((lake / SPILL).glob("*"))
            clear_scratch()
        yield


def nightly_job(spec: PipelineSpec, executor: str, lake: Path) -> Any:
    """Make the job that materializes every asset of a dataset and runs its checks.

    lake: the folder that it writes to.
    """
    return dg.define_asset_job(
        name=f"{spec.dataset}_nightly",
        selection=dg.AssetSelection.key_prefixes(path_of_dataset(spec)),
        description=f"Materialize dataset {spec.dataset!r} from its sources to the catalog.",
        executor_def=executor_of(executor, lake),
        tags=run_tags(spec, "nightly"),
        op_retry_policy=retry_policy(spec),
    )


def publishing_sensor(spec: PipelineSpec, job: Any) -> dg.SensorDefinition:
    """After a run that failed, publish what is good of it.

    Dagster runs nothing that comes after a failed check, the catalog included; a run of the catalog
    alone then publishes the tables that do not hang on what failed, and keeps the report.
    """

    @dg.run_failure_sensor(
        name=f"{spec.dataset}_publish_what_is_good",
        request_job=job,
        description=f"Publish what is good of a failed run of dataset {spec.dataset!r}.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def publish(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
        return publish_request(spec, context.dagster_run)

    return publish


def publish_request(spec: PipelineSpec, run: dg.DagsterRun) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run of the catalog and the places after it, if the failed run meant to publish."""
    if FROM_TERMINAL in run.tags:
        return dg.SkipReason("the run was started from the terminal, which publishes what is good")
    if run.tags.get(KIND_TAG) == PUBLISHES:
        return dg.SkipReason("the run was itself to publish what is good")
    last = [dg.AssetKey(asset_key(spec, name)) for name in last_assets(spec)]
    catalog = last[0]
    selected = run.asset_selection
    if selected is None:
        was_meant = run.job_name in (f"{spec.dataset}_nightly", f"{spec.dataset}_evaluation")
    else:
        was_meant = catalog in selected and not selected <= set(last)
    if not was_meant:
        return dg.SkipReason("the run did not mean to publish this dataset")
    tags = {KIND_TAG: PUBLISHES}
    return dg.RunRequest(
        run_key=run.run_id,
        asset_selection=last,
        tags=tags,
        partition_key=run.tags.get(PARTITION_TAG),
    )


def dataset_schedule(spec: PipelineSpec, job: Any) -> dg.ScheduleDefinition:
    """Run the job of a dataset at its hour, on the newest snapshot where sources have one."""
    if is_by_date(spec):
        return snapshot_schedule(spec, schedule_name(spec.dataset), spec.schedule, job)
    return nightly_schedule(spec.dataset, spec.schedule, job)


def schedule_name(dataset: str) -> str:
    """Name the schedule of a dataset."""
    return f"{dataset}_nightly_schedule"


def nightly_schedule(dataset: str, schedule: Schedule, job: Any) -> dg.ScheduleDefinition:
    """Run the job at the dataset's hour; on as soon as the project loads, unless disabled."""
    return dg.ScheduleDefinition(
        name=schedule_name(dataset),
        job=job,
        cron_schedule=schedule.cron,
        execution_timezone=schedule.timezone,
        default_status=status_of(schedule),
    )
