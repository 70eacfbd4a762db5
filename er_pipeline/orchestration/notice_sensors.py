"""The sensors that say how a run went, to whom `notify` names; one message per run."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.standing import Standing, standing_of
from er_pipeline.blocking.tables.step import Step
from er_pipeline.flow import open_lake
from er_pipeline.notices.delivery import notify_of
from er_pipeline.notices.notice import (
    Notice,
    declaration_notice,
    notice,
    run_notice,
    spec_to_notify,
)
from er_pipeline.orchestration.asset_keys import asset_key, name_of_dataset
from er_pipeline.orchestration.catalog_last import CATALOG_ASSET
from er_pipeline.orchestration.checks import is_of_checks
from er_pipeline.orchestration.partial_jobs import PUBLISHING_PART
from er_pipeline.orchestration.progress import table_of_step
from er_pipeline.orchestration.run_tags import (
    FROM_TERMINAL,
    KIND_TAG,
    NOTICE_TAG,
    PUBLISHES,
    is_of_dataset,
)

# Dagster starts the run again itself, and this message would only be the first of several.
WILL_RETRY = "dagster/will_retry"
# How people call the runs of a kind; others by their kind: the blocking of people.
JOBS = {"nightly": "run", "learn": "learning", "": "run"}


def notice_sensors(
    spec: PipelineSpec, steps: Sequence[Step], lake: Path
) -> list[dg.SensorDefinition]:
    """Make a sensor for runs that failed and one for those that went well, if `notify` is there.

    lake: the folder of the tables.
    """
    if spec.notify is None:
        return []

    def say(context: Any, *, failed: bool, reasons: Sequence[str] = ()) -> dg.SkipReason | None:
        run = context.instance.get_run_by_id(context.dagster_run.run_id) or context.dagster_run
        why_not = why_silent(run, name_of_dataset(spec))
        if why_not:
            return dg.SkipReason(why_not)
        # First, so that a message that hangs is not sent again and again.
        context.instance.add_run_tags(run.run_id, {NOTICE_TAG: "sent"})
        said = notice_of_run(spec, steps, open_lake(lake, spec), run, failed, reasons)
        sent = notify_of(spec, said, context.log.warning)
        return None if sent else dg.SkipReason(f"no message is wanted of a {said.kind}")

    return [_failure_sensor(spec.dataset, say), _success_sensor(spec.dataset, say)]


def declaration_sensors(name: str, file: Path, reason: str) -> list[dg.SensorDefinition]:
    """Make the sensor that says of a dataset's runs that its declaration is wrong.

    name: of the dataset that stands for it. None if the file does not say whom to notify.
    """
    spec = spec_to_notify(file)
    if spec is None:
        return []

    def say(context: Any, **_: Any) -> dg.SkipReason | None:
        why_not = why_silent(context.dagster_run, name)
        if why_not:
            return dg.SkipReason(why_not)
        context.instance.add_run_tags(context.dagster_run.run_id, {NOTICE_TAG: "sent"})
        notify_of(spec, declaration_notice(name, reason), context.log.warning)
        return None

    return [_failure_sensor(name, say)]


def why_silent(run: dg.DagsterRun, dataset: str) -> str | None:
    """Say why nobody hears of a run; None if somebody does."""
    if not is_of_dataset(run, dataset):
        return "the run is of another dataset"
    if NOTICE_TAG in run.tags or FROM_TERMINAL in run.tags:
        return "who started the run has said how it went, or it was said before"
    if run.tags.get(KIND_TAG) == PUBLISHES:
        return "the run only publishes what is good of one that failed"
    if run.tags.get(WILL_RETRY) == "true":
        return "the run is tried again"
    return None


def notice_of_run(
    spec: PipelineSpec,
    steps: Sequence[Step],
    lake: Lake,
    run: dg.DagsterRun,
    failed: bool,
    reasons: Sequence[str],
) -> Notice:
    """Say how a run of Dagster's went; a check that failed without stopping it counts as failure.

    reasons: why it failed, as far as Dagster knows.
    """
    kind = run.tags.get(KIND_TAG, "")
    job = JOBS.get(kind, kind)
    if kind == "learn":
        if not failed:
            title = f"er_pipeline: the learning of {spec.dataset} went well"
            text = (
                "a candidate was learned, and nothing was promoted; er-pipeline promote lists it,"
                " and the run's page compares it with what is in force."
            )
            return notice(spec.dataset, "success", title, [("Next", [text])])
        return run_notice(
            spec, lake, Standing(), failed=True, reasons=reasons, job=job, has_published=False
        )
    standing = standing_of(steps, lake)
    selected = run.asset_selection
    is_whole = kind in ("nightly", PUBLISHING_PART) if selected is None else None
    return run_notice(
        spec,
        lake,
        standing,
        failed=failed or bool(standing.errors),
        reasons=reasons,
        job=job,
        has_published=(
            dg.AssetKey(asset_key(spec, CATALOG_ASSET)) in (selected or ())
            if is_whole is None
            else is_whole
        ),
    )


Say = Callable[..., dg.SkipReason | None]


def _failure_sensor(dataset: str, say: Say) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name=f"{dataset}_notify_of_failure",
        description=f"Say to whom `notify` names why a run of dataset {dataset!r} failed.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def failed(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        return say(context, failed=True, reasons=list(_reasons(context)))

    return failed


def _success_sensor(dataset: str, say: Say) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name=f"{dataset}_notify_of_success",
        description=(
            f"Say to whom `notify` names what a run of dataset {dataset!r} warns of, or that"
            " it went well."
        ),
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def succeeded(context: dg.RunStatusSensorContext) -> dg.SkipReason | None:
        return say(context, failed=False)

    return succeeded


def _reasons(context: dg.RunFailureSensorContext) -> Iterator[str]:
    """Give why steps failed; of a failed check the lake knows more."""
    events = context.get_step_failure_events()
    for event in events:
        data = event.step_failure_data
        if is_of_checks(data):
            continue
        table = table_of_step(event.step_key or "")[0]
        if data.user_failure_data and data.user_failure_data.description:
            yield f"{table}: {data.user_failure_data.description}"
        elif data.error:
            yield f"{table}: {data.error.cls_name}"
    if not events:
        message = context.failure_event.message or ""
        yield f"the run: {message.splitlines()[0] if message else 'Dagster gives no reason'}"
