"""Snapshots as Dagster's partitions: one per date, of every table of a dataset, in their order.

A partition of a table is the table as the run of that date made it. The lake holds the newest one
alone, with what nights remember; so a date that is older than what the catalog shows is refused,
and a backfill is as many runs as dates, which Dagster asks for in the order of the dates.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from er_pipeline.blocking.records.snapshots import chosen_snapshot, is_by_date, snapshots
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.schedule_section import Schedule
from er_pipeline.blocking.tables.errors import BlockingError, LakeError
from er_pipeline.blocking.tables.printable import printable
from er_pipeline.orchestration.asset_keys import path_of_dataset
from er_pipeline.orchestration.automation import Asset, status_of, with_attribute
from er_pipeline.orchestration.run_tags import DATASET_TAG

# How often a run looks whether earlier dates of its backfill are done.
SECONDS_OF_WAITING = 2.0
BACKFILL_TAG = "dagster/backfill"
AT_WORK = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)
TO_COME = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED)
PARTITION_TAG = "dagster/partition"
SECONDS_BETWEEN_LOOKS = 60


def partitions_of(spec: PipelineSpec) -> dg.DynamicPartitionsDefinition | None:
    """Return the partitions of a dataset; None if its sources are of no date.

    They are dynamic: there is one for each snapshot that was found, on whatever days those come.
    """
    return dg.DynamicPartitionsDefinition(name=partitions_name(spec)) if is_by_date(spec) else None


def partitions_name(spec: PipelineSpec) -> str:
    """Name the partitions of a dataset in Dagster's instance."""
    return "_".join([*path_of_dataset(spec), "snapshots"])


def partitioned(spec: PipelineSpec, assets: Sequence[Asset]) -> list[Asset]:
    """Divide all that a run of a dataset makes by its dates; sources are as they are."""
    partitions = partitions_of(spec)
    if partitions is None:
        return list(assets)
    return with_attribute(assets, partitions_def=partitions)


def snapshot_of(context: Any) -> str | None:
    """Return the date that a step of a run is to read; None if the run is of none: the newest.

    Raises LakeError if it is of several.
    """
    if context.has_partition_key:
        return str(context.partition_key)
    if context.has_partition_key_range:
        raise LakeError("a run is of one snapshot: launch a run per partition, in their order")
    return None


def note_snapshots(instance: dg.DagsterInstance, spec: PipelineSpec, days: Sequence[str]) -> None:
    """Let an instance know of dates; it keeps those that it knows."""
    instance.add_dynamic_partitions(partitions_name(spec), list(days))


def unknown_snapshots(instance: dg.DagsterInstance, spec: PipelineSpec) -> list[str]:
    """List the dates that have a snapshot and that an instance does not know of, in order."""
    known = set(instance.get_dynamic_partitions(partitions_name(spec)))
    return [day for day in snapshots(spec) if day not in known]


def wait_for_earlier_dates(
    instance: dg.DagsterInstance, run: dg.DagsterRun, say: Callable[[str], None]
) -> None:
    """Wait until the earlier dates of a run's backfill are done, well or not.

    say: called once, with who is waited for. Of a backfill of assets, Dagster asks for the dates in
    their order, but lets several begin at once: its runs have no tag of ours, by which they would
    wait in the queue. A run that has one is alone, so nothing that is still in the queue can be
    waited for.
    """
    day, backfill = run.tags.get(PARTITION_TAG), run.tags.get(BACKFILL_TAG)
    if day is None or backfill is None:
        return
    statuses = [*AT_WORK, *(() if DATASET_TAG in run.tags else TO_COME)]
    of_backfill = dg.RunsFilter(tags={BACKFILL_TAG: backfill}, statuses=statuses)
    has_said = False
    while True:
        others = [other for other in instance.get_runs(of_backfill) if other.run_id != run.run_id]
        earlier = sorted(
            other.tags[PARTITION_TAG]
            for other in others
            if other.tags.get(PARTITION_TAG, day) < day and _datasets(other) & _datasets(run)
        )
        if not earlier:
            return
        if not has_said:
            say(f"waiting for {', '.join(earlier)}: the dates of a backfill run in their order")
            has_said = True
        time.sleep(SECONDS_OF_WAITING)


def _datasets(run: dg.DagsterRun) -> set[tuple[str, ...]]:
    """Name what the keys of a run's tables begin with; of a whole job its name stands for it."""
    keys = run.asset_selection
    return {tuple(key.path[:-1]) for key in keys} if keys else {(run.job_name,)}


def snapshot_sensors(spec: PipelineSpec, job: Any) -> list[dg.SensorDefinition]:
    """Make the sensor that finds new snapshots, so that the UI lists them; it starts no run.

    job: the one that the snapshots are for.
    """
    partitions = partitions_of(spec)
    if partitions is None:
        return []

    @dg.sensor(
        name=f"{spec.dataset}_snapshots_found",
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"List the snapshots of dataset {spec.dataset!r} as its partitions.",
        job=job,
    )
    def found(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            new = unknown_snapshots(context.instance, spec)
        except BlockingError as error:
            return dg.SkipReason(printable(str(error)))
        if not new:
            return dg.SkipReason("there is no new snapshot")
        return dg.SensorResult(
            skip_reason=dg.SkipReason(f"new snapshots: {', '.join(new)}"),
            dynamic_partitions_requests=[partitions.build_add_request(new)],
        )

    return [found]


def newest_run(instance: dg.DagsterInstance, spec: PipelineSpec, **more: Any) -> dg.RunRequest:
    """Ask for a run of the newest snapshot, or of the sources as they are; more: of the request.

    Raises InputError if there is no snapshot.
    """
    day = chosen_snapshot(spec)
    if day is not None:
        note_snapshots(instance, spec, [day])
    return dg.RunRequest(partition_key=day, **more)


def snapshot_schedule(
    spec: PipelineSpec, name: str, schedule: Schedule, job: Any
) -> dg.ScheduleDefinition:
    """Run a job of a dataset with dates at its hour, on the newest snapshot that exists."""

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=schedule.cron,
        execution_timezone=schedule.timezone,
        default_status=status_of(schedule),
        description=f"Run dataset {spec.dataset!r} on its newest snapshot.",
    )
    def at_its_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return newest_run(context.instance, spec)

    return at_its_hour
