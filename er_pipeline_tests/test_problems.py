from typing import Any

import pytest

from er_pipeline.blocking.spec.blocking_section import MAX_STRATEGIES
from er_pipeline.blocking.spec.problems import KINDS_WITHOUT_FREQUENCY
from er_pipeline.blocking.values.cleaning import KINDS
from er_pipeline.matching.comparisons import comparison_of
from er_pipeline_tests.small_spec import small_spec


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"sources": [{}]}, "exactly one of path, database"),
        ({"sources": [{"path": "a.csv", "url": "x", "query": "y"}]}, "found path, url"),
        ({"sources": [{"database": "a.duckdb"}]}, "database and table belong together"),
        ({"sources": [{"path": "a/p.csv"}, {"path": "b/p.csv"}]}, "two sources are called 'p'"),
        ({"mode": "dedupe", "sources": [{"path": "a.csv"}, {"path": "b.csv"}]}, "takes one source"),
        ({"fields": {}}, "no field is declared"),
        ({"fields": {"name": "text", "Name": "text"}}, "differ in case only"),
        ({"fields": {"name": "text", "record_id": "text"}}, "has the name of a column of our own"),
        ({"fields": {"name": "colour"}}, "'colour' is unknown; there are 'person_name'"),
        (
            {"sources": [{"path": "a.csv", "columns": {"a b": "x"}}]},
            "must be letters, digits and _",
        ),
        ({"threads": 0}, "greater than or equal to 1"),
        ({"dataset": "main"}, "'main' is a name that DuckDB keeps for itself"),
        ({"dataset": "Information_Schema"}, "choose another, such as my_information_schema"),
        ({"dataset": "temp"}, "keeps for itself"),
        ({"dataset": "system"}, "keeps for itself"),
        ({"dataset": "PG_CATALOG"}, "keeps for itself"),
        ({"dataset": "catalog"}, "keeps for itself"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(
    settings: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        small_spec(**settings)
    assert text in str(caught.value)


def test_no_more_strategies_are_taken_than_fit_into_a_mask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MAX_STRATEGIES < 63  # bits of a signed 64-bit integer
    monkeypatch.setattr("er_pipeline.blocking.spec.problems.MOST_DECLARED", 2)
    keys = dict.fromkeys(("a", "b", "c"), "name")
    with pytest.raises(ValueError, match=r"3 strategies are declared, .* and 2 are the most"):
        small_spec(strategies=keys)


@pytest.mark.parametrize("field", ["case", "select", "full"])
def test_a_word_of_sql_whose_values_splink_would_count_is_refused(field: str) -> None:
    fields = {field: "text", "name": "text"}
    small_spec(fields=fields)
    small_spec(fields=fields, matching=True, comparisons=["name"])
    small_spec(
        fields=fields, matching=True, comparisons={"name": True, field: {"term_frequency": False}}
    )
    small_spec(fields={**fields, field: "date"}, matching=True)
    with pytest.raises(ValueError, match=f"cannot count the values of a field called '{field}'"):
        small_spec(fields=fields, matching=True)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_counted_of_the_kinds_that_are_compared_so(kind: str) -> None:
    compared = comparison_of(small_spec(fields={"name": kind}), "name")
    assert bool(compared.term_frequency) == (kind not in KINDS_WITHOUT_FREQUENCY)
