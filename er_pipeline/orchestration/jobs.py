"""Jobs and schedules: when a dataset runs, and in how many processes."""

from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.schedule_section import Schedule

# Loaded once before workers are forked; torch and faiss must never be here.
PRELOADED_MODULES = ["dagster", "duckdb", "er_pipeline.orchestration.component"]


def executor_of(name: str) -> dg.ExecutorDefinition:
    """Choose the executor: in_process is fastest on small machines."""
    if name == "in_process":
        return dg.in_process_executor
    return dg.multiprocess_executor.configured(
        {"start_method": {"forkserver": {"preload_modules": PRELOADED_MODULES}}}
    )


def nightly_job(spec: PipelineSpec, executor: str) -> Any:
    """Make the job that materializes every asset of a dataset and runs its checks."""
    return dg.define_asset_job(
        name=f"{spec.dataset}_nightly",
        selection=dg.AssetSelection.key_prefixes(spec.dataset),
        description=f"Materialize dataset {spec.dataset!r} from its sources to the catalog.",
        executor_def=executor_of(executor),
    )


def nightly_schedule(dataset: str, schedule: Schedule, job: Any) -> dg.ScheduleDefinition:
    """Run the job at the dataset's hour; on as soon as the project loads, unless disabled."""
    return dg.ScheduleDefinition(
        name=f"{dataset}_nightly_schedule",
        job=job,
        cron_schedule=schedule.cron,
        execution_timezone=schedule.timezone,
        default_status=(
            dg.DefaultScheduleStatus.RUNNING
            if schedule.enabled
            else dg.DefaultScheduleStatus.STOPPED
        ),
    )
