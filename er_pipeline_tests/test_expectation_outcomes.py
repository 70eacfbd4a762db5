from typing import Any

import pandas as pd
import pytest

from er_pipeline.blocking.records.expectation_outcomes import (
    Outcome,
    columns_of,
    run_expectations,
)
from er_pipeline.blocking.records.expectation_sentences import (
    grid_of,
    numbers_of,
    sentence,
    without_values,
)
from er_pipeline.blocking.records.expected_rows import ExpectedRows
from er_pipeline.blocking.spec.expectations_section import Expectation

FRAME = pd.DataFrame({"last": ["smith", "<b>", "<b>", None], "size": [1, 2, 3, 4]})


def expectation(name: str, severity: Any = "critical", **kwargs: Any) -> Expectation:
    return Expectation(type=name, kwargs=kwargs, severity=severity)


def outcomes(*expectations: Expectation, n_rows: int = 4) -> list[Outcome]:
    rows = ExpectedRows(FRAME, n_rows, ["record_id", "last", "size"])
    return run_expectations(rows, expectations, whole=["size"])


IN_SET = expectation("ExpectColumnValuesToBeInSet", column="last", value_set=["smith"])
MEAN = expectation("expect_column_mean_to_be_between", column="size", max_value=2)
UNIQUE = expectation("expect_column_values_to_be_unique", column="last")


def test_every_expectation_has_its_outcome_in_its_place() -> None:
    found = outcomes(MEAN, IN_SET, expectation("expect_column_to_exist", column="record_id"))
    assert [one.succeeded for one in found] == [False, False, True]
    mean, in_set, _ = found
    assert mean.result == {"observed_value": 2.5}
    assert (in_set.result["unexpected_count"], in_set.result["missing_count"]) == (2, 1)
    assert in_set.result["partial_unexpected_list"] == ["<b>", "<b>"]
    assert in_set.prose == "last values must belong to this set: smith"
    assert all(one.why_not is None for one in found)


def test_what_fails_says_its_sentence() -> None:
    mean, in_set = outcomes(MEAN, IN_SET)
    assert sentence(mean, with_values=True) == (
        "size mean must be less than or equal to 2.0; it is 2.5"
    )
    assert sentence(in_set, with_values=True) == (
        "last values must belong to this set: smith: 2 do not (66.7%), such as '<b>'"
    )
    assert sentence(in_set, with_values=False).endswith("2 do not (66.7%)")
    (pair,) = outcomes(
        expectation("expect_column_pair_values_to_be_equal", column_A="last", column_B="size")
    )
    assert "do not (100.0%), such as" in sentence(pair, with_values=True)


def test_the_length_and_the_columns_of_a_table_are_those_of_all_of_it() -> None:
    found = outcomes(
        expectation("expect_table_row_count_to_equal", value=1_000_000),
        expectation("expect_table_columns_to_match_set", column_set=["record_id", "last", "size"]),
        expectation("expect_table_column_count_to_equal", value=3),
        n_rows=1_000_000,
    )
    assert [one.succeeded for one in found] == [True, True, True]


def test_what_only_every_row_can_show_is_not_judged_by_a_sample() -> None:
    number = expectation("expect_column_values_to_be_unique", column="size")
    unique, in_set, known = outcomes(UNIQUE, IN_SET, number, n_rows=1_000)
    assert unique.needs_all
    assert "could not be judged: only all 1,000 rows can show it, and 4 are looked at" in sentence(
        unique, with_values=True
    )
    assert "expectations: {sample: 1000}" in (unique.why_not or "")
    assert (in_set.why_not, known.succeeded) == (None, True)
    assert outcomes(UNIQUE)[0].why_not is None


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (expectation("expect_column_values_to_be_unique", column="gone"), 'column "gone"'),
        (expectation("expect_column_mean_to_be_between", column="last", max_value=1), ""),
        (expectation("expect_column_values_to_be_in_set", column="last", value_set=5), "value"),
    ],
)
def test_what_the_library_refuses_fails_with_its_reason(wrong: Expectation, text: str) -> None:
    first, second = outcomes(wrong, IN_SET)
    assert not first.succeeded
    assert text in (first.why_not or "no reason")
    assert "could not be judged: " in sentence(first, with_values=True)
    assert second.result["unexpected_count"] == 2


def test_columns_are_those_of_arguments_and_of_conditions() -> None:
    condition = expectation(
        "expect_column_values_to_be_unique", column="last", row_condition="size > 2"
    )
    assert columns_of([MEAN, condition], ["size", "city"]) == ["size", "last"]
    pair = expectation("x", column_A="a", column_B="b")
    assert columns_of([pair, expectation("x", column_list=["c", "a"])]) == ["a", "b", "c"]


def test_a_condition_chooses_the_rows() -> None:
    (found,) = outcomes(
        expectation(
            *("expect_column_values_to_be_in_set", "warning"),
            column="last",
            value_set=["smith"],
            row_condition="size < 2",
            condition_parser="pandas",
        )
    )
    assert found.succeeded


def test_numbers_are_plain_and_keep_their_names() -> None:
    other = expectation("expect_column_values_to_be_in_set", column="last", value_set=["<b>"])
    numbers = numbers_of(outcomes(MEAN, IN_SET, other))
    assert {name: type(value) for name, value in numbers.items()} == {
        "observed_size_mean_to_be_between": float,
        "unexpected_percent_last_be_in_set": float,
        "unexpected_percent_last_be_in_set_2": float,
    }


def test_the_grid_shows_what_fails_first_and_no_values_unless_it_may() -> None:
    held = expectation("expect_column_values_to_not_be_null", column="size")
    common = expectation(
        "expect_column_most_common_value_to_be_in_set", column="last", value_set=["smith"]
    )
    found = outcomes(held, IN_SET, common)
    grid = grid_of(found, with_values=True)
    assert [row[2] for row in grid.rows] == ["failed", "failed", "held"]
    assert grid.rows[0][4:] == ("2", "66.7%", "'<b>'")
    assert grid.rows[1][3] == "['<b>']"
    hidden = grid_of(found, with_values=False)
    assert "<b>" not in str(hidden.rows)
    assert hidden.rows[0][4:] == ("2", "66.7%", "")


def test_a_result_without_values_is_counts_alone() -> None:
    (found,) = outcomes(IN_SET)
    kept = without_values(found.result)
    assert kept["unexpected_count"] == 2
    assert "<b>" not in str(kept)
    assert without_values({"observed_value": "smith", "details": {"x": ["smith"]}}) == {}
