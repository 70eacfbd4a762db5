import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from er_pipeline.orchestration.jobs import (
    PRELOADED_MODULES,
    executor_of,
    nightly_job,
    nightly_schedule,
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
