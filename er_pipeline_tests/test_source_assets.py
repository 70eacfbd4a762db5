import dagster as dg

from er_pipeline.orchestration.source_assets import source_assets, source_observations
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.test_definitions import people as people


def test_a_source_is_a_file_or_a_table() -> None:
    sources = [{"path": "a.csv"}, {"name": "b", "database": "b.duckdb", "table": "b"}]
    declared = source_assets(small_spec(sources=sources))
    found = {asset.key.path[-1]: asset.kinds for asset in declared}
    assert found == {"source_a": {"file"}, "source_b": {"table"}}


def test_a_source_is_observed_with_its_place_age_and_records(people: Dataset) -> None:
    facts = people.clean()
    (seen,) = source_observations(people.spec, facts)
    assert seen.asset_key == dg.AssetKey(["people", "source_people"])
    shown = {name: value.value for name, value in seen.metadata.items()}
    assert str(shown["place"]).endswith(".csv")
    assert shown["records"] == shown["dagster/row_count"] == 5
    assert str(shown["verdict"]).startswith("5 records of ")
    assert {"last_changed", "files", "dagster/size_bytes"} <= set(shown)
    assert list(source_observations(people.spec, {"pairs": 3})) == []
