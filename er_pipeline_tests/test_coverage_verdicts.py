from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.blocking.blocks.coverage_verdicts import CHECKS, judge_strategies
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline_tests.conftest import Dataset, Rows

STRATEGIES = {"last": "last", "city": "city"}


# By last name: {1, 2, 3}, {4}; by city: {1, 2}, {3, 4}; 5 has neither, but a phone number.
FIVE: Rows = [
    {"id": "1", "last": "lee", "city": "york", "phone": None},
    {"id": "2", "last": "lee", "city": "york", "phone": None},
    {"id": "3", "last": "lee", "city": "bath", "phone": None},
    {"id": "4", "last": "may", "city": "bath", "phone": None},
    {"id": "5", "last": None, "city": None, "phone": "5"},
]


def verdicts_of(people: Dataset) -> dict[str, Verdict]:
    facts = people.filter()
    return {verdict.check: verdict for verdict in judge_strategies(facts, people.spec)}


@pytest.mark.parametrize(
    ("checks", "broken", "text"),
    [
        ({}, "key_coverage_is_enough", "80.00% of 5 records have a blocking key"),
        ({"min_key_coverage": 0.8}, None, ""),
        ({"max_pairs": 4}, "pairs_within_budget", "The most expensive is last with 3"),
        (
            {"max_pairs_per_strategy": {"city": 1}},
            "every_strategy_within_budget",
            "Over budget: city 2 (at most 1)",
        ),
        (
            {"max_pairs_per_strategy": 2},
            "every_strategy_within_budget",
            "Over budget: last 3 (at most 2)",
        ),
        (
            {"min_block_pairs_for_share": 0, "max_largest_block_share": 0.5},
            "no_block_holds_too_much",
            "The largest block (last) holds 3 pairs, 60.0% of all",
        ),
    ],
)
def test_a_broken_limit_is_shown_with_its_numbers(
    dataset: Callable[..., Dataset], checks: dict[str, Any], broken: str | None, text: str
) -> None:
    limits = {"min_key_coverage": 0.5, **checks} if checks else {}
    verdicts = verdicts_of(dataset(FIVE, strategies=STRATEGIES, checks=limits))
    assert [name for name, verdict in verdicts.items() if not verdict.passed] == (
        [broken] if broken else []
    )
    if broken:
        assert text in verdicts[broken].text
        assert verdicts[broken].numbers


def test_coverage_lost_to_the_cap_stops_the_run(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        FIVE,
        strategies=STRATEGIES,
        blocks={"max_size": 2},
        checks={"min_key_coverage": 0, "max_coverage_lost": 0},
    )
    assert verdicts_of(people)["filtering_keeps_coverage"].passed  # 3 still has 4, by city
    alone = dataset(
        FIVE,
        strategies={"last": "last"},
        blocks={"max_size": 2},
        checks={"min_key_coverage": 0, "max_coverage_lost": 0.5},
    )
    lost = verdicts_of(alone)["filtering_keeps_coverage"]
    assert not lost.passed
    assert lost.severity == "error"
    assert lost.numbers == {
        "coverage_lost": pytest.approx(0.6),
        "max_coverage_lost": 0.5,
        "records_lost": 3,
    }


@pytest.mark.parametrize(
    ("copies", "checks", "severity"),
    [(1, {}, "warn"), (1, {"min_key_coverage": 0.95}, "error"), (20, {}, "error")],
    ids=["five records do not show it", "written down", "a hundred records show it"],
)
def test_too_low_a_coverage_stops_a_run_where_it_is_shown_or_the_limit_is_written(
    dataset: Callable[..., Dataset], copies: int, checks: dict[str, Any], severity: str
) -> None:
    rows = [{**row, "id": f"{row['id']}-{i}"} for row in FIVE for i in range(copies)]
    found = verdicts_of(dataset(rows, strategies=STRATEGIES, checks=checks))
    assert not found["key_coverage_is_enough"].passed
    assert found["key_coverage_is_enough"].severity == severity


def test_neighbours_alone_need_no_key(dataset: Callable[..., Dataset]) -> None:
    verdicts = verdicts_of(dataset(FIVE, strategies={}, embedding=True))
    assert list(verdicts) == [check.name for check in CHECKS]
    assert all(verdict.passed for verdict in verdicts.values())
    assert verdicts["key_coverage_is_enough"].numbers["key_coverage"] == 1
    assert verdicts["key_coverage_is_enough"].text.startswith(
        "There is no strategy; neighbours alone propose pairs."
    )


def test_where_nothing_proposes_pairs_coverage_is_not_enough(
    dataset: Callable[..., Dataset],
) -> None:
    rows = [{"id": str(i), "last": f"{i}x"} for i in range(4)]  # no rule makes a pair
    verdict = verdicts_of(dataset(rows, strategies="auto"))["key_coverage_is_enough"]
    assert not verdict.passed
    assert verdict.severity == "warn"
    assert verdict.text.startswith("No rule was found, so nothing proposes pairs: write a strategy")
    assert verdict.numbers["key_coverage"] == 0
