import os
from pathlib import Path

import dagster as dg

from er_pipeline.orchestration.jobs import nightly_job
from er_pipeline.orchestration.source_sensor import source_sensors
from er_pipeline_tests.small_spec import small_spec


def test_a_changed_file_asks_for_one_run_of_the_dataset(tmp_path: Path) -> None:
    spec = small_spec(schedule={"watch": {"quiet_seconds": 0}}).located_in(tmp_path)
    (sensor,) = source_sensors(spec, nightly_job(spec, "in_process", tmp_path))
    assert (sensor.name, sensor.job_name) == ("people_source_changed", "people_nightly")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    file = tmp_path / "people.csv"
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance) as context,
    ):

        def tick() -> list[str | None]:
            data = sensor.evaluate_tick(context)
            context.update_cursor(data.cursor)
            return [request.run_key for request in data.run_requests or []]

        assert tick() == []
        file.write_text("id,name\n1,Ann\n")
        os.utime(file, (1, 1))
        assert tick() == []
        (key,) = tick()
        assert key
        assert tick() == []


def test_without_watch_there_is_no_sensor(tmp_path: Path) -> None:
    spec = small_spec()
    assert source_sensors(spec, nightly_job(spec, "in_process", tmp_path)) == []
