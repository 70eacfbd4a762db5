"""Jobs and schedules: when a dataset runs, and in how many processes."""

from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec

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


def publishing_sensor(spec: PipelineSpec, job: Any) -> dg.SensorDefinition:
    """After a run that failed, publish what is good of it.

    Dagster runs nothing that comes after a failed check, the catalog included; a run of the catalog
    alone then publishes the tables that do not hang on what failed, and keeps the report.
    """
    catalog = dg.AssetKey([spec.dataset, "catalog"])

    @dg.run_failure_sensor(
        name=f"{spec.dataset}_publish_what_is_good",
        request_job=job,
        description=f"Publish what is good of a failed run of dataset {spec.dataset!r}.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def publish(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        selected = run.asset_selection
        if selected is None:
            was_meant = run.job_name == f"{spec.dataset}_nightly"
        else:
            was_meant = catalog in selected and len(selected) > 1
        if not was_meant:
            return dg.SkipReason("the run did not mean to publish this dataset")
        return dg.RunRequest(run_key=run.run_id, asset_selection=[catalog])

    return publish


def nightly_schedule(spec: PipelineSpec, job: Any) -> dg.ScheduleDefinition:
    """Run the job at the dataset's hour; on as soon as the project loads, unless disabled."""
    return dg.ScheduleDefinition(
        name=f"{spec.dataset}_nightly_schedule",
        job=job,
        cron_schedule=spec.schedule.cron,
        execution_timezone=spec.schedule.timezone,
        default_status=(
            dg.DefaultScheduleStatus.RUNNING
            if spec.schedule.enabled
            else dg.DefaultScheduleStatus.STOPPED
        ),
    )
