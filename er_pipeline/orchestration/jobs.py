"""Jobs and schedules: when a dataset runs, and in how many processes."""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec

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


def load_job(
    defs_yaml: str, lake: str, executor: str, overrides: str, digest: str = ""
) -> dg.JobDefinition:
    """Load the job of a declared dataset; called anew in every process of a run.

    overrides: JSON of `read_spec`'s. executor: in_process, multiprocess or "" for the spec's.
    digest: of the YAML's text, by which Dagster tells jobs apart; not needed to load one.
    """
    from er_pipeline.orchestration.component import BlockingPipeline
    from er_pipeline.orchestration.progress import progress_logger

    path = Path(defs_yaml)
    spec = read_spec(path, json.loads(overrides))
    component = BlockingPipeline(spec, path.parent.absolute())
    defs = dg.Definitions.merge(
        component.definitions(Path(lake), executor or None),
        dg.Definitions(loggers={"progress": progress_logger}),
    )
    return defs.resolve_job_def(f"{spec.dataset}_nightly")
