import pytest
from dagster._utils.pydantic_yaml import parse_yaml_file_to_pydantic

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline_tests.small_spec import small_spec


def test_a_declared_kind_wins_over_a_guess_and_mapped_fields_count() -> None:
    source = {"path": "a.csv", "columns": {"email": "mail", "dob": "birth", "nick": None}}
    both = small_spec(sources=[source], fields={"name": "text", "email": "identifier"})
    assert both.field_kinds == {
        "name": "text",
        "email": "identifier",
        "dob": "date",
        "nick": "text",
    }
    assert both.comparison_fields == list(both.field_kinds)


def test_dagster_reports_the_same_with_the_line() -> None:
    wrong = "dataset: people\nsources: [{path: a.csv}]\nshedule: {}\n"
    with pytest.raises(ValueError, match="did you mean 'schedule'") as caught:
        parse_yaml_file_to_pydantic(PipelineSpec, wrong, "defs.yaml")
    assert "shedule at defs.yaml:3" in str(caught.value)


def test_a_budget_is_for_every_strategy_or_for_one() -> None:
    assert small_spec().max_pairs_of("name") is None
    assert small_spec(checks={"max_pairs_per_strategy": 5}).max_pairs_of("name") == 5
    one = small_spec(checks={"max_pairs_per_strategy": {"name": 6}})
    assert one.max_pairs_of("name") == 6
    assert one.max_pairs_of("other") is None


def test_two_sources_link_unless_declared_otherwise() -> None:
    sources = [{"path": "a.csv"}, {"database": "x.duckdb", "table": "main.b"}]
    assert small_spec(sources=sources).link_mode == "link"
    assert small_spec(sources=sources, mode="link_and_dedupe").link_mode == "link_and_dedupe"
    assert small_spec(sources=sources).source_labels == ["a", "b"]
