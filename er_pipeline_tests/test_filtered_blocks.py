from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.blocking.blocks.coverage_verdicts import judge_strategies
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline_tests.conftest import Dataset, Rows, write_csv

# Last names: lee 3 times, may twice, kim once; cities: one of 5, one of 1; pat has neither.
PEOPLE: Rows = [
    {"id": "1", "last": "lee", "city": "york"},
    {"id": "2", "last": "lee", "city": "york"},
    {"id": "3", "last": "lee", "city": "york"},
    {"id": "4", "last": "may", "city": "york"},
    {"id": "5", "last": "may", "city": "york"},
    {"id": "6", "last": "kim", "city": "bath"},
    {"id": "7", "last": None, "city": None},
]
STRATEGIES = {"last": "last", "city": "city"}


def test_only_blocks_between_min_size_and_cap_are_kept(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES, blocks={"min_size": 3, "max_size": 4})
    people.filter()
    assert people.by_id("filtered_blocks", "strategy, block_key, block_size, record_id") == [
        ("last", "lee", 3, "1"),
        ("last", "lee", 3, "2"),
        ("last", "lee", 3, "3"),
    ]


def test_the_ledger_tells_every_drop_most_pairs_first(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES, blocks={"max_size": 4})
    people.filter()
    with DuckDBEngine(threads=2) as engine:
        people.lake.open(engine, "dropped_blocks")
        assert engine.rows("select * from dropped_blocks") == [
            ("city", "york", 5, 10, "oversized", None),
            ("city", "bath", 1, 0, "below_min_size", None),
            ("last", "kim", 1, 0, "below_min_size", None),
        ]


def test_a_block_of_one_source_is_dropped_when_linking(dataset: Callable[..., Dataset]) -> None:
    left: Rows = [{"id": "1", "last": "lee"}, {"id": "2", "last": "lee"}]
    right: Rows = [{"id": "1", "last": "may"}, {"id": "2", "last": "may"}]
    both = dataset(left, [*right, {"id": "3", "last": "may"}], strategies={"last": "last"})
    facts = both.filter()
    assert both.rows("dropped_blocks", "block_key, pairs, reason") == [
        ("lee", 0, "one_source"),
        ("may", 0, "one_source"),
    ]
    assert (facts["pairs"], facts["possible_pairs"]) == (0, 6)
    assert facts["records_sharing_a_key"] == facts["records_in_a_block"] == 0


@pytest.mark.parametrize("mode", ["link", "link_and_dedupe"])
@pytest.mark.parametrize("cap", [2, 3, None])
def test_kept_and_dropped_are_all_blocks_and_all_potential_pairs(
    dataset: Callable[..., Dataset], mode: str, cap: int | None
) -> None:
    both = dataset(
        PEOPLE,
        PEOPLE[1:5],
        strategies={**STRATEGIES, "letters": "qgrams(last, 1)"},
        mode=mode,
        blocks={"max_size": cap},
    )
    facts = both.filter()
    ledger: dict[str, list[int]] = {name: [0, 0] for name in facts["strategies"]}
    for strategy, pairs in both.rows("dropped_blocks", "strategy, pairs"):
        ledger[strategy][0] += 1
        ledger[strategy][1] += pairs
    blocks_kept = {
        name: len(
            {
                key
                for strategy, key in both.rows("filtered_blocks", "strategy, block_key")
                if strategy == name
            }
        )
        for name in facts["strategies"]
    }
    for name, counts in facts["strategies"].items():
        keys = {key for (key,) in both.rows(f"blocks_{name}", "block_key")}
        assert blocks_kept[name] + ledger[name][0] == counts["blocks"] == len(keys)
        assert counts["pairs"] + ledger[name][1] == counts["potential_pairs"]
    assert facts["pairs"] == sum(counts["pairs"] for counts in facts["strategies"].values())


def test_coverage_tells_no_key_from_a_key_that_nobody_shares(
    dataset: Callable[..., Dataset],
) -> None:
    facts = dataset(PEOPLE, strategies=STRATEGIES, blocks={"max_size": 2}).filter()
    assert facts["records"] == 7
    assert facts["records_with_key"] == 6  # all but 7
    assert facts["records_sharing_a_key"] == 5  # 6 shares neither name nor city
    assert facts["records_in_a_block"] == 2  # york and lee are over the cap
    assert facts["possible_pairs"] == 21


def test_a_record_without_a_kept_block_has_a_code_nobody_else_has(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        PEOPLE, strategies={"letters": "tokens(last)", **STRATEGIES}, blocks={"max_size": 4}
    )
    people.filter()
    assert people.rows("record_codes") == [
        (0, 0, 0, -1),
        (1, 0, 0, -2),
        (2, 0, 0, -3),
        (3, 0, 1, -4),
        (4, 0, 1, -5),
        (5, 0, -6, -6),
        (6, 0, -7, -7),
    ]


def test_blocks_of_other_records_are_refused(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES)
    people.filter()
    write_csv(people.folder / "people.csv", PEOPLE[:5])
    people.clean()
    before = people.lake.version("filtered_blocks")
    with pytest.raises(LakeError, match="blocks_last was made from an older cleaned_records"):
        people.make_again("filtered_blocks")
    assert people.lake.version("filtered_blocks") == before


# By last name: {1, 2, 3}, {4}; by city: {1, 2}, {3, 4}; 5 has neither.
FIVE: Rows = [
    {"id": "1", "last": "lee", "city": "york"},
    {"id": "2", "last": "lee", "city": "york"},
    {"id": "3", "last": "lee", "city": "bath"},
    {"id": "4", "last": "may", "city": "bath"},
    {"id": "5", "last": None, "city": None},
]


def verdicts_of(people: Dataset) -> dict[str, Verdict]:
    facts = people.filter()
    return {verdict.check: verdict for verdict in judge_strategies(facts, people.spec)}


@pytest.mark.parametrize(
    ("checks", "broken", "told"),
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
def test_a_broken_limit_is_told_with_its_numbers(
    dataset: Callable[..., Dataset], checks: dict[str, Any], broken: str | None, told: str
) -> None:
    limits = {"min_key_coverage": 0.5, **checks} if checks else {}
    verdicts = verdicts_of(dataset(FIVE, strategies=STRATEGIES, checks=limits))
    assert [name for name, verdict in verdicts.items() if not verdict.passed] == (
        [broken] if broken else []
    )
    if broken:
        assert told in verdicts[broken].text
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
