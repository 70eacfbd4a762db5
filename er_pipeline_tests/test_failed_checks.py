"""A check that stops a run: what the run's page says, and the check executed alone."""

from typing import Any

import dagster as dg
import pytest

from er_pipeline.orchestration.checks import is_of_checks
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_checks import DECLARED, PEOPLE

SENTENCE = "The strategies propose 4 pairs"
BLOCKS = dg.AssetKey(["people", "filtered_blocks"])


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("failed")
    checks = {**DECLARED["checks"], "max_pairs": 3}
    return Dataset(folder, [PEOPLE], **{**DECLARED, "checks": checks})


@pytest.fixture(scope="module")
def failed(people: Dataset) -> Any:
    """The whole graph, which a check has stopped."""
    job = BlockingPipeline(people.spec).definitions(people.root).resolve_job_def("people_nightly")
    return job.execute_in_process(raise_on_error=False)


def test_the_page_of_a_run_that_a_check_stopped_ends_with_its_sentence(failed: Any) -> None:
    (step,) = failed.filter_events(lambda event: event.is_step_failure)
    data = step.step_failure_data
    assert data.user_failure_data.description.startswith(f"pairs_within_budget: {SENTENCE}")
    assert is_of_checks(data)
    assert data.error.message.endswith(f"{data.user_failure_data.description}\n")
    (run,) = failed.filter_events(lambda event: event.is_job_failure)
    assert run.job_failure_data.first_step_failure_event == step


def test_what_hangs_on_a_failed_check_is_not_made(failed: Any) -> None:
    made = {event.asset_key.path[-1] for event in failed.get_asset_materialization_events()}
    assert "filtered_blocks" in made
    assert "unified_pairs" not in made
    by_name = {check.check_name: check for check in failed.get_asset_check_evaluations()}
    assert SENTENCE in str(by_name["pairs_within_budget"].description)


@pytest.mark.parametrize("name", ["pairs_within_budget", "no_block_holds_too_much"])
def test_a_check_can_be_executed_alone(people: Dataset, failed: Any, name: str) -> None:
    definitions = BlockingPipeline(people.spec).definitions(people.root)
    alone = dg.AssetSelection.checks(dg.AssetCheckKey(BLOCKS, name))
    of_one = dg.Definitions(
        assets=definitions.assets,
        asset_checks=definitions.asset_checks,
        resources=definitions.resources,
        jobs=[dg.define_asset_job("alone", selection=alone)],
    )
    result = of_one.resolve_job_def("alone").execute_in_process(raise_on_error=False)
    (found,) = result.get_asset_check_evaluations()
    assert (found.asset_key, found.check_name) == (BLOCKS, name)
    assert found.passed == result.success == (name != "pairs_within_budget")
    assert not result.get_asset_materialization_events()
