from typing import Any

import pytest
from pydantic import ValidationError

from er_pipeline.blocking.tables.stamps import stale_tables
from er_pipeline.blocking.tables.step import plans_of
from er_pipeline.flow import flow
from er_pipeline_tests.small_spec import small_spec

URL = "sc://host:15002"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "spark"}, "write one of spark: {url"),
        ({"engine": "spark", "spark": {}}, "write one of spark: {url"),
        ({"engine": "spark", "spark": {"url": URL, "local": True}}, "write one of spark: {url"),
        ({"engine": "spark", "spark": {"url": "http://host"}}, "url"),
        ({"spark": {"local": True}}, "is for engine: spark"),
        ({"engine": "flink"}, "'flink' is unknown; there are 'duckdb', 'spark'"),
    ],
)
def test_a_cluster_is_named_in_one_way(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small_spec(**settings)


@pytest.mark.parametrize(
    "settings", [{"embedding": True}, {"second_pass": {"embedding": {"k": 3}}}]
)
def test_what_does_not_run_on_a_cluster_yet_is_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"no neighbours yet: leave embedding out, or write"):
        small_spec(engine="spark", spark={"local": True}, **settings)


def test_more_made_up_people_than_the_driver_reads_are_refused() -> None:
    people = [{"generate": {"records": 2_000}}]
    with pytest.raises(ValidationError, match=r"2,000 records are more.*raise spark: driver_rec"):
        small_spec(engine="spark", spark={"local": True, "driver_records": 1_000}, sources=people)


def test_settings_of_a_session_are_texts_however_yaml_reads_them() -> None:
    conf = {"spark.sql.shuffle.partitions": 400, "spark.sql.adaptive.enabled": True}
    spec = small_spec(engine="spark", spark={"url": URL, "conf": conf})
    assert spec.spark
    assert spec.spark.cluster.conf == {
        "spark.sql.shuffle.partitions": "400",
        "spark.sql.adaptive.enabled": "true",
    }


def test_an_address_with_a_token_comes_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = small_spec(engine="spark", spark={"url_env": "TEAM_REMOTE"})
    assert spec.spark
    assert spec.spark.cluster.url is None
    monkeypatch.setenv("TEAM_REMOTE", f"{URL}/;token=secret")
    assert spec.spark.cluster.url == f"{URL}/;token=secret"


def test_no_table_is_stale_because_another_engine_would_make_it() -> None:
    settings: dict[str, Any] = {"matching": True, "training_rules": {"name": "name"}}
    before = small_spec(**settings)
    after = small_spec(engine="spark", spark={"local": True}, **settings)
    assert stale_tables(plans_of(flow(before)), plans_of(flow(after))) == set()
    places = {step.name: step.place for step in flow(after)}
    assert all(step.cluster is not None for step in flow(after))
    assert places["unified_pairs"] == places["blocks_name"] == "cluster"
    assert places["cleaned_records"] == places["em_model"] == "driver"
