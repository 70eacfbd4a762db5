from typing import Any

import pytest
from pydantic import ValidationError

from er_pipeline.blocking.spec.expectations_section import Expectation, Expectations

UNIQUE = "expect_column_values_to_be_unique"
ON_EMAIL = {"column": "email"}


@pytest.mark.parametrize(
    "written",
    [
        {UNIQUE: {**ON_EMAIL, "severity": "warning"}, "table": "entities"},
        {UNIQUE: ON_EMAIL, "table": "entities", "severity": "warning"},
        {"type": UNIQUE, "kwargs": ON_EMAIL, "table": "entities", "severity": "warning"},
    ],
)
def test_an_expectation_is_written_short_or_as_suites_have_it(written: dict[str, Any]) -> None:
    read = Expectation.model_validate(written)
    assert (read.name, read.kwargs) == (UNIQUE, ON_EMAIL)
    assert (read.severity, read.table) == ("warning", "entities")
    assert Expectation.model_validate(read.model_dump(exclude_unset=True)) == read


def test_left_out_it_is_critical_and_of_the_records() -> None:
    read = Expectation.model_validate({"ExpectColumnValuesToBeUnique": ON_EMAIL})
    assert (read.name, read.severity, read.table) == (UNIQUE, "critical", "cleaned_records")
    assert Expectation.model_validate({"expect_table_row_count_to_equal": None}).kwargs == {}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ({UNIQUE: ON_EMAIL, "mostly": 0.5}, "is written as NAME: {ARGUMENT: value}"),
        ({"table": "entities"}, "is written as NAME: {ARGUMENT: value}"),
        ({UNIQUE: "email"}, "is written as NAME: {ARGUMENT: value}"),
        ({UNIQUE: {**ON_EMAIL, "severity": "fatal"}}, "'fatal' is unknown; there are 'critical'"),
        ({"type": UNIQUE, "args": {}}, "unknown setting 'args'"),
    ],
)
def test_what_is_no_expectation_says_how_one_is_written(written: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Expectations.model_validate({"expect": [written]})
    assert text in str(caught.value)


def test_a_suite_is_a_path_or_a_path_and_its_table() -> None:
    read = Expectations.model_validate(
        {"suites": ["suite.json", {"path": "pairs.yaml", "table": "unified_pairs"}]}
    )
    assert [(suite.path, suite.table) for suite in read.suites] == [
        ("suite.json", "cleaned_records"),
        ("pairs.yaml", "unified_pairs"),
    ]
    assert read.tables == {"cleaned_records", "unified_pairs"}
    assert Expectations().tables == set()
    assert Expectations(max_null_rate={"email": 0.5}).tables == {"cleaned_records"}
