"""The job that learns a candidate beside what is in force; it promotes nothing."""

from pathlib import Path
from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.files import files_of_mode
from er_pipeline.flow import open_lake
from er_pipeline.orchestration.assets import as_dagster_failures
from er_pipeline.orchestration.run_tags import retry_policy, run_tags


def learns_something(spec: PipelineSpec) -> bool:
    """Say whether a dataset has anything that could be learned beside what is in force."""
    return spec.keeps_learned and bool(spec.learns or spec.matching or spec.weights)


def learn_job(spec: PipelineSpec, lake: Path) -> dg.JobDefinition:
    """Make the job: one op, which compares what would be learned now with what is in force.

    lake: the folder of the tables. It waits by itself for a run that is at work.
    """

    @dg.op(
        name=f"{spec.dataset}__learn",
        description="Learn rules, weights and the model anew, and compare with those in force.",
        retry_policy=retry_policy(spec),
        out=dg.Out(dg.Nothing),
    )
    def learn(context: dg.OpExecutionContext) -> None:
        from er_pipeline.candidates import learn as learn_candidate
        from er_pipeline.evaluation.learned_comparison import comparison_lines

        with as_dagster_failures(), files_of_mode(spec.lake.file_mode):
            candidate = learn_candidate(spec, open_lake(lake, spec))
        compared = "\n".join(comparison_lines(candidate["comparison"]))
        context.log.info(f"candidate {candidate['version']}:\n{compared}")
        context.add_output_metadata(
            {
                "version": candidate["version"],
                "comparison": dg.MetadataValue.md(f"```text\n{compared}\n```"),
                "to_put_it_in_force": f"er-pipeline promote defs.yaml {candidate['version']}",
            }
        )

    @dg.job(
        name=f"{spec.dataset}_learn",
        description=(
            f"Learn a candidate for dataset {spec.dataset!r} beside what is in force; nothing is"
            " promoted."
        ),
        tags=run_tags(spec, "learn"),
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        learn()

    return job


def learn_schedules(spec: PipelineSpec, job: Any) -> list[dg.ScheduleDefinition]:
    """Make the schedule of the job, if the declaration has one."""
    if spec.schedule.learn is None:
        return []
    return [
        dg.ScheduleDefinition(
            name=f"{spec.dataset}_learn_schedule",
            job=job,
            cron_schedule=spec.schedule.learn,
            execution_timezone=spec.schedule.timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
    ]
