from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from er_pipeline.blocking.blocks.filtered_facts import (
    filtered_facts,
    possible_pairs,
    sum_strategies,
    total_size_classes,
)
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.coded_records import put_rows
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.test_filtered_blocks import PEOPLE, STRATEGIES


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


def test_having_no_key_is_not_having_a_key_that_nobody_shares(
    dataset: Callable[..., Dataset],
) -> None:
    facts = dataset(PEOPLE, strategies=STRATEGIES, blocks={"max_size": 2}).filter()
    assert facts["records"] == 7
    assert facts["records_with_key"] == 6  # all but 7
    assert facts["records_sharing_a_key"] == 5  # 6 shares neither name nor city
    assert facts["records_in_a_block"] == 2  # york and lee are over the cap
    assert facts["possible_pairs"] == 21


@given(sources=st.lists(st.integers(0, 2), max_size=12))
def test_the_possible_pairs_are_those_the_mode_allows(sources: list[int]) -> None:
    pairs = list(combinations(sources, 2))
    with DuckDBEngine(threads=1) as engine:
        put_rows(engine, "cleaned_records", "record_no, source_no", list(enumerate(sources)))
        assert possible_pairs(engine, "dedupe") == len(pairs)
        assert possible_pairs(engine, "link_and_dedupe") == len(pairs)
        assert possible_pairs(engine, "link") == sum(left != right for left, right in pairs)


def test_the_size_classes_of_all_strategies_add_up(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES, blocks={"max_size": 4})
    people.filter()
    facts = filtered_facts(people.lake)
    total = total_size_classes(facts["strategies"])
    assert {name: (sizes["blocks"], sizes["pairs"]) for name, sizes in total.items()} == {
        "1": (2, 0),
        "2-10": (2, 4),
        "11-99": (0, 0),
        "100-cap": (0, 0),
        "over the cap": (1, 10),
    }


def test_without_a_strategy_nothing_has_a_key(engine: Engine) -> None:
    put_rows(engine, "cleaned_records", "record_no, source_no, name", [(0, 0, 5), (1, 0, 6)])
    facts = sum_strategies(engine, small_spec(), {}, {})
    assert (facts["records"], facts["possible_pairs"], facts["pairs"]) == (2, 1, 0)
    assert facts["records_with_key"] == facts["records_in_a_block"] == 0
    assert facts["records_empty"] == 0
