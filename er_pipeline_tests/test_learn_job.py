from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from er_pipeline import candidates
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.orchestration.learn_job import learn_job, learn_schedules, learns_something
from er_pipeline_tests.small_spec import small_spec

SIDE = {"pairs": 10.0, "cpu_seconds": 1.0}
COMPARED = {"records": 4, "share": 1.0, "in_force": SIDE, "candidate": SIDE, "moves": None}


def run(monkeypatch: pytest.MonkeyPatch, learned: Any, tmp_path: Path) -> Any:
    monkeypatch.setattr(candidates, "learn", learned)
    promoted: list[str] = []
    monkeypatch.setattr(candidates, "promote_version", lambda *given: promoted.append("!"))
    result = learn_job(small_spec(), tmp_path).execute_in_process(raise_on_error=False)
    assert promoted == []
    return result


def test_the_job_shows_the_candidate_and_promotes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer = {"version": "20261127T0400", "comparison": COMPARED}
    result = run(monkeypatch, lambda spec, lake: answer, tmp_path)
    assert result.success
    (output,) = result.filter_events(lambda event: event.is_successful_output)
    shown = output.step_output_data.metadata
    assert shown["version"].value == "20261127T0400"
    assert "20261127T0400" in shown["to_put_it_in_force"].value


def test_a_failure_is_said_in_our_own_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*given: Any) -> Any:
        raise LakeError("nothing is in force; a run learns")

    result = run(monkeypatch, refuse, tmp_path)
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert failure.step_failure_data.user_failure_data.description == (
        "nothing is in force; a run learns"
    )


def test_the_schedule_is_there_when_it_is_declared(tmp_path: Path) -> None:
    spec = small_spec(schedule={"learn": "0 4 * * 0", "timezone": "Europe/Berlin"})
    job = learn_job(spec, tmp_path)
    (schedule,) = learn_schedules(spec, job)
    assert (schedule.name, schedule.job_name) == ("people_learn_schedule", "people_learn")
    assert schedule.cron_schedule == "0 4 * * 0"
    assert schedule.execution_timezone == "Europe/Berlin"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert learn_schedules(small_spec(), job) == []


def test_a_dataset_that_learns_in_every_run_has_nothing_to_learn_beside() -> None:
    assert learns_something(small_spec())
    assert not learns_something(small_spec(weights=False))
    assert not learns_something(small_spec(learning={"promote": "always", "rules": False}))
