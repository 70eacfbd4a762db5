import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from er_pipeline.orchestration.jobs import (
    PRELOADED_MODULES,
    executor_of,
    nightly_job,
    nightly_schedule,
    publish_request,
    publishing_sensor,
)
from er_pipeline_tests.small_spec import small_spec


@pytest.mark.parametrize("name", ["in_process", "multiprocess"])
def test_the_executor_is_the_one_that_is_named(name: str, tmp_path: Path) -> None:
    assert executor_of(name, tmp_path).name == name


@pytest.mark.parametrize(
    ("enabled", "status"),
    [
        (True, dg.DefaultScheduleStatus.RUNNING),
        (False, dg.DefaultScheduleStatus.STOPPED),
    ],
)
def test_a_schedule_is_as_its_section_says(enabled: bool, status: dg.DefaultScheduleStatus) -> None:
    when = {"cron": "30 4 * * 1", "timezone": "Europe/Berlin", "enabled": enabled}
    spec = small_spec(schedule=when)
    job = nightly_job(spec, "in_process", Path("lake"))
    schedule = nightly_schedule("people", spec.schedule, job)
    assert (schedule.name, schedule.job_name) == ("people_nightly_schedule", "people_nightly")
    assert schedule.cron_schedule == "30 4 * * 1"
    assert schedule.execution_timezone == "Europe/Berlin"
    assert schedule.default_status == status


def test_the_job_makes_its_own_dataset_alone() -> None:
    @dg.asset(key=["people", "a"])
    def ours() -> None: ...

    @dg.asset(key=["customers", "a"])
    def others() -> None: ...

    job = nightly_job(small_spec(), "in_process", Path("lake"))
    resolved = dg.Definitions(assets=[ours, others], jobs=[job]).resolve_job_def("people_nightly")
    assert resolved.asset_layer.selected_asset_keys == {dg.AssetKey(["people", "a"])}


def test_what_is_loaded_before_the_workers_holds_no_library_with_threads() -> None:
    imports = "; ".join(f"import {module}" for module in PRELOADED_MODULES)
    code = f"import sys; {imports}; sys.exit(bool({{'torch', 'faiss'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def tick(selected: set[str] | None, job_name: str = "people_nightly") -> Any:
    """Give the sensor a run that failed, of some tables of people or of all."""
    keys = None if selected is None else frozenset(dg.AssetKey(["people", t]) for t in selected)
    run = dg.DagsterRun(job_name=job_name, run_id="run-1", asset_selection=keys)
    return publish_request(small_spec(dataset="people"), run)


@pytest.mark.parametrize(
    ("selected", "job_name"),
    [(None, "people_nightly"), ({"unified_pairs", "catalog"}, "__ASSET_JOB")],
    ids=["nightly", "by hand"],
)
def test_after_a_failed_run_the_catalog_is_made_alone(
    selected: set[str] | None, job_name: str
) -> None:
    request = tick(selected, job_name)
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection == [dg.AssetKey(["people", "catalog"])]
    assert request.run_key == "run-1"


@pytest.mark.parametrize(
    ("selected", "job_name"),
    [({"catalog"}, "people_nightly"), ({"unified_pairs"}, "__ASSET_JOB"), (None, "firms_nightly")],
    ids=["itself", "a part", "another dataset"],
)
def test_other_failures_start_nothing(selected: set[str] | None, job_name: str) -> None:
    assert isinstance(tick(selected, job_name), dg.SkipReason)


def test_the_sensor_is_on_as_soon_as_the_project_loads() -> None:
    spec = small_spec(dataset="people")
    sensor = publishing_sensor(spec, nightly_job(spec, "in_process", Path("lake")))
    assert sensor.name == "people_publish_what_is_good"
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
