import dagster as dg

from er_pipeline.orchestration.run_tags import is_of_dataset, retry_policy, run_tags
from er_pipeline_tests.small_spec import small_spec


def test_a_run_says_of_which_dataset_and_kind_it_is() -> None:
    assert run_tags(small_spec(runs={"tags": {"team": "data"}}), "nightly") == {
        "team": "data",
        "er_pipeline/dataset": "people",
        "er_pipeline/kind": "nightly",
    }


def test_retries_and_the_time_limit_are_tags_as_dagster_reads_them() -> None:
    spec = small_spec(runs={"retries": 2, "retry_seconds": 5, "timeout_minutes": 1.5})
    tags = run_tags(spec, "nightly")
    assert tags["dagster/max_runtime"] == "90"
    assert tags["dagster/max_retries"] == "2"
    assert tags["dagster/retry_strategy"] == "FROM_FAILURE"
    assert tags["dagster/retry_on_asset_or_op_failure"] == "false"
    policy = retry_policy(spec)
    assert policy is not None
    assert (policy.max_retries, policy.delay, policy.backoff) == (2, 5, dg.Backoff.EXPONENTIAL)
    assert retry_policy(small_spec()) is None


def test_a_run_is_of_a_dataset_by_its_tag_or_its_tables() -> None:
    def run(tags: dict[str, str], *keys: str) -> dg.DagsterRun:
        selected = frozenset(dg.AssetKey([key, "catalog"]) for key in keys)
        return dg.DagsterRun(job_name="job", tags=tags, asset_selection=selected or None)

    assert is_of_dataset(run({"er_pipeline/dataset": "people"}), "people")
    assert not is_of_dataset(run({"er_pipeline/dataset": "people"}, "others"), "others")
    assert is_of_dataset(run({}, "people"), "people")
    assert not is_of_dataset(run({}, "others"), "people")
    assert not is_of_dataset(run({}), "people")
