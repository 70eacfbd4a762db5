import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline.orchestration.jobs import nightly_job, publish_request
from er_pipeline.orchestration.snapshot_partitions import (
    partitions_of,
    snapshot_sensors,
    wait_for_earlier_dates,
)
from er_pipeline_tests.declared_dataset import LENIENT_CHECKS
from er_pipeline_tests.small_spec import small_spec

HEADER = "id,name"
DAYS = ["2026-11-01", "2026-11-02", "2026-11-04"]


def write(folder: Path, day: str, *rows: str) -> None:
    (folder / f"people_{day}.csv").write_text("\n".join([HEADER, *rows, ""]), "utf-8")


def dated_spec(folder: Path, **settings: Any) -> PipelineSpec:
    write(folder, DAYS[0], "1,Ann", "2,Ann", "3,Bob")
    write(folder, DAYS[1], "1,Ann", "2,Ann", "3,Bob")
    write(folder, DAYS[2], "1,Ann", "2,Ann", "3,Bob", "4,Bob")
    sources = [{"path": "people_{date}.csv"}]
    given = {"sources": sources, "checks": dict(LENIENT_CHECKS), **settings}
    return small_spec(**given).located_in(folder)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_every_table_has_a_partition_for_every_date_and_sources_have_none(tmp_path: Path) -> None:
    graph = BlockingPipeline(dated_spec(tmp_path)).definitions(tmp_path).resolve_asset_graph()
    made = {graph.get(key).partitions_def for key in graph.materializable_asset_keys}
    assert made == {dg.DynamicPartitionsDefinition(name="people_snapshots")}
    assert graph.get(dg.AssetKey(["people", "source_people"])).partitions_def is None
    assert partitions_of(small_spec()) is None
    assert snapshot_sensors(small_spec(), None) == []


def test_the_sensor_finds_each_date_once(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    spec = dated_spec(tmp_path)
    (sensor,) = snapshot_sensors(spec, nightly_job(spec, "in_process", tmp_path))
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING

    def tick() -> list[str]:
        with dg.build_sensor_context(instance) as context:
            data = sensor.evaluate_tick(context)
        assert not data.run_requests
        for request in data.dynamic_partitions_requests or []:
            instance.add_dynamic_partitions("people_snapshots", list(request.partition_keys))
        return list(instance.get_dynamic_partitions("people_snapshots"))

    assert tick() == DAYS
    write(tmp_path, "2026-11-05", "1,Ann")
    assert tick() == [*DAYS, "2026-11-05"]
    assert tick() == [*DAYS, "2026-11-05"]


def test_the_schedule_runs_the_newest_date_and_fails_without_one(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    instance = dg.DagsterInstance.local_temp(str(tmp_path / "kept"))
    spec = dated_spec(tmp_path)
    defs = BlockingPipeline(spec).definitions(tmp_path / "lake")
    schedule = defs.resolve_schedule_def("people_nightly_schedule")
    assert isinstance(schedule, dg.ScheduleDefinition)

    def tick() -> list[str | None]:
        at = datetime(2026, 11, 6, tzinfo=UTC)
        with dg.build_schedule_context(
            instance, at, repository_def=defs.get_repository_def()
        ) as context:
            requests = schedule.evaluate_tick(context).run_requests or []
        return [request.partition_key for request in requests]

    assert tick() == ["2026-11-04"]
    assert instance.get_dynamic_partitions("people_snapshots") == ["2026-11-04"]
    for file in tmp_path.glob("*.csv"):
        file.unlink()
    with pytest.raises(Exception, match="people_nightly_schedule") as failed:
        tick()
    assert "there is no snapshot yet: people_{date}.csv has none" in str(failed.value.__cause__)


def test_dates_run_in_their_order_each_a_partition_of_every_table(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    job = (
        BlockingPipeline(dated_spec(tmp_path))
        .definitions(tmp_path / "lake")
        .resolve_job_def("people_nightly")
    )
    instance.add_dynamic_partitions("people_snapshots", DAYS)

    def run(day: str, *tables: str) -> dg.ExecuteInProcessResult:
        keys = [dg.AssetKey(["people", table]) for table in tables] or None
        return job.execute_in_process(
            instance=instance, partition_key=day, asset_selection=keys, raise_on_error=False
        )

    def made(table: str) -> set[str]:
        return set(instance.get_materialized_partitions(dg.AssetKey(["people", table])))

    assert run(DAYS[0]).success
    assert run(DAYS[1]).success  # the same records: nothing is made again, the partition is there
    assert made("unified_pairs") == made("catalog") == made("cleaned_records") == set(DAYS[:2])
    failed = run(DAYS[2], "unified_pairs")
    assert "of the snapshot of 2026-11-02, and this run is of 2026-11-04" in reason(failed)
    assert run(DAYS[2]).success
    refused = run(DAYS[1])
    assert "the snapshot of 2026-11-02 is older than that of 2026-11-04" in reason(refused)
    assert made("catalog") == set(DAYS)
    assert run(DAYS[2], "catalog").success


def reason(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return " ".join(
        str(data.user_failure_data and data.user_failure_data.description) for data in failures
    )


def test_a_backfill_asks_for_a_run_of_every_date_in_their_order(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    from dagster._core.definitions.automation_tick_evaluation_context import (
        build_run_requests_with_backfill_policies,
    )
    from dagster._core.definitions.events import AssetKeyPartitionKey

    graph = BlockingPipeline(dated_spec(tmp_path)).definitions(tmp_path).resolve_asset_graph()
    days = [f"2026-{month:02}-{day:02}" for month in (10, 11) for day in range(1, 29)]
    # Known in whatever order they were found in.
    shuffled = random.Random(3).sample(days, len(days))
    instance.add_dynamic_partitions("people_snapshots", shuffled)
    wanted = [
        AssetKeyPartitionKey(key, day)
        for day in shuffled
        for key in graph.materializable_asset_keys
    ]
    requests = build_run_requests_with_backfill_policies(wanted, graph, instance)
    assert [request.partition_key for request in requests] == days
    selected = {frozenset(request.asset_selection or ()) for request in requests}
    assert selected == {frozenset(graph.materializable_asset_keys)}


def test_what_is_good_of_a_failed_date_is_published_for_that_date(tmp_path: Path) -> None:
    tags = {"dagster/partition": "2026-11-02"}
    run = dg.DagsterRun(job_name="people_nightly", run_id="1", tags=tags)
    request = publish_request(dated_spec(tmp_path), run)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == "2026-11-02"


def test_a_run_of_a_backfill_waits_for_the_earlier_dates_that_can_still_come(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(day: str, status: Any, dataset: str = "people", **tags: str) -> dg.DagsterRun:
        given = {"dagster/partition": day, "dagster/backfill": "b", **tags}
        keys = {dg.AssetKey([dataset, "catalog"])}
        found = dg.DagsterRun("j", asset_selection=keys, tags=given, status=status)
        instance.add_run(found)
        return found

    states = dg.DagsterRunStatus
    earlier = [run("2026-11-01", states.STARTED), run("2026-11-02", states.NOT_STARTED)]
    run("2026-11-01", states.SUCCESS)
    run("2026-11-01", states.STARTED, "others")
    run("2026-11-09", states.STARTED)
    said: list[str] = []
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        instance.delete_run(earlier[len(slept) - 1].run_id)

    monkeypatch.setattr(time, "sleep", sleep)
    wait_for_earlier_dates(instance, run("2026-11-04", states.STARTED), said.append)
    assert len(slept) == 2
    assert said == [
        "waiting for 2026-11-01, 2026-11-02: the dates of a backfill run in their order"
    ]

    # One that the queue lets begin alone would wait for what waits for it.
    run("2026-11-02", states.NOT_STARTED)
    tags = {"er_pipeline/dataset": "people"}
    wait_for_earlier_dates(instance, run("2026-11-04", states.STARTED, **tags), said.append)
    assert len(slept) == 2
