from collections.abc import Sequence

import numpy as np
import pytest

from er_pipeline.blocking.learning import rule_search
from er_pipeline.blocking.learning.conjunction_costs import Keys
from er_pipeline.blocking.learning.rule_search import Rule, RuleSearch
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.coded_records import (
    FIELD_OF,
    LISTED,
    every_seed,
    limits,
    make_table,
    matches_of,
    random_rows,
    row,
)


def choose(search: RuleSearch, n_judged: int, pinned: Sequence[Keys] = ()) -> list[Rule]:
    """Choose rules; the first pairs of the evidence are judged."""
    worth = search.evidence.worth
    judged = (np.arange(len(worth)) < n_judged).astype(float)
    return search.choose(judged, worth, pinned)


@every_seed
def test_a_search_keeps_its_limits(engine: DuckDBEngine, seed: int) -> None:
    table = make_table(engine, random_rows(60, seed), blocks=Blocks(max_size=12))
    for n_judged in (0, 15):
        tight = limits(pairs=120, of_rule=50, rules=4, k=2)
        # Of matches drawn at random every key may be noise, and then no rule is right.
        rules = choose(table.search(matches_of(table, 90, seed), tight), n_judged)
        assert len(rules) <= 4
        assert sum(rule.pairs for rule in rules) <= 120
        for rule in rules:
            assert rule.pairs == table.index.cost(rule.keys).pairs <= 50
            assert len(rule.keys) <= 2


@every_seed
def test_every_judged_match_is_found_where_the_budget_allows(
    engine: DuckDBEngine, seed: int
) -> None:
    table = make_table(engine, random_rows(50, seed), blocks=Blocks(max_size=9))
    matches = matches_of(table, 30, seed)
    search = table.search(matches, limits())
    found = {pair for rule in choose(search, 20) for pair in table.compared(rule.keys)}
    within_cap = {pair for keys in search.options for pair in table.compared(keys)}
    assert set(matches[:20]) & within_cap <= found


@every_seed
def test_swaps_lose_no_judged_match(
    engine: DuckDBEngine, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_table(engine, random_rows(50, seed), blocks=Blocks(max_size=9))
    matches = matches_of(table, 25, seed)
    # A place for every match and no more: what is chosen for none has no room.
    found = {}
    for rounds in (0, 2):
        monkeypatch.setattr(rule_search, "SWAP_ROUNDS", rounds)
        rules = choose(table.search(matches, limits(pairs=400)), len(matches))
        found[rounds] = {pair for rule in rules for pair in table.compared(rule.keys)}
    assert found[0] & set(matches) <= found[2]


@every_seed
def test_no_rule_is_contained_in_another_whole_one(engine: DuckDBEngine, seed: int) -> None:
    table = make_table(engine, random_rows(50, seed, values=6), blocks=Blocks(max_size=20))
    for n_judged in (0, 20):
        rules = choose(table.search(matches_of(table, 30, seed), limits()), n_judged)
        for wide in rules:
            if table.index.cost(wide.keys).is_whole:
                assert not [r.keys for r in rules if set(r.keys) > set(wide.keys)]


def test_a_key_with_pairs_of_its_own_is_chosen_whatever_stands_before_it(
    engine: DuckDBEngine,
) -> None:
    # All pairs of key 0 are of key 2, too; key 1, of the same field, finds less, and others.
    rows = [row(i // 2 if i < 30 else None, None, i // 2) for i in range(40)]
    rows += [row(None, 100 + i // 2) for i in range(10)]
    table = make_table(engine, rows)
    matches = [(i, i + 1) for i in range(0, 50, 2)]
    assert FIELD_OF[0] == FIELD_OF[1]
    rules = choose(table.search(matches, limits(of_rule=100)), 0)
    assert [rule.keys for rule in rules] == [(2,), (1,)]


@every_seed
def test_the_same_search_twice_chooses_the_same_rules(engine: DuckDBEngine, seed: int) -> None:
    def chosen(threads: int) -> list[Rule]:
        with DuckDBEngine(threads=threads) as own:
            table = make_table(own, random_rows(50, seed), blocks=Blocks(max_size=9))
            return choose(table.search(matches_of(table, 30, seed), limits(rules=8)), 15)

    assert chosen(1) == chosen(2)


def test_of_two_rules_with_the_same_pairs_one_is_chosen(engine: DuckDBEngine) -> None:
    same = [row(i // 2, None, i // 2, i // 2) for i in range(20)]
    table = make_table(engine, same)
    matches = [(i, i + 1) for i in range(0, 20, 2)]
    for n_judged in (0, 5):
        rules = choose(table.search(matches, limits()), n_judged)
        assert [rule.pairs for rule in rules] == [10]
        assert (rules[0].worth, rules[0].new_worth, len(rules[0].keys)) == (1, 1, 1)


def test_new_pairs_and_new_worth_are_those_beyond_the_rules_before(engine: DuckDBEngine) -> None:
    # Key 0 makes (0, 1), (2, 3), (4, 5); key 2 makes (0, 1), (2, 3), (6, 7).
    table = make_table(
        engine,
        [
            row(i // 2 if i < 6 else None, None, i // 2 if i < 4 or i > 5 else None)
            for i in range(8)
        ],
    )
    matches = [(0, 1), (2, 3), (4, 5), (6, 7)]
    first, second = choose(table.search(matches, limits()), 4)
    assert {first.keys, second.keys} == {(0,), (2,)}
    assert (first.pairs, first.new_pairs, first.worth, first.new_worth) == (3, 3, 0.75, 0.75)
    assert (second.pairs, second.worth, second.new_worth) == (3, 0.75, 0.25)
    assert second.new_pairs < second.pairs


def test_a_rule_gives_way_to_a_wider_one_chosen_later(engine: DuckDBEngine) -> None:
    # Keys 0 and 2 find the first matches for one pair each; the last one needs key 0 alone.
    rows = [row(i // 4, None, i // 2 % 2) for i in range(40)] + [row(50), row(50)]
    table = make_table(engine, rows)
    matches = [(i, i + 1) for i in range(0, 42, 2)]
    first = choose(table.search(matches[:20], limits(pairs=61, of_rule=100)), 20)
    assert [rule.keys for rule in first] == [(0, 2)]
    then = choose(table.search(matches, limits(pairs=81, of_rule=100)), 21)
    assert [rule.keys for rule in then] == [(0,)]


def test_a_narrow_rule_stays_where_the_wide_one_loses_its_match_to_the_cap(
    engine: DuckDBEngine,
) -> None:
    # Of key 0 one block of four is over the cap of 3: there, key 2 is needed too.
    rows = [row(i // 2, None, 100 + i) for i in range(400)]
    rows += [row(999, None, 7), row(999, None, 7), row(999, None, 8), row(999, None, 9)]
    table = make_table(engine, rows, blocks=Blocks(max_size=3))
    matches = [(i, i + 1) for i in range(0, 400, 2)] + [(400, 401)]
    evidence = table.evidence(matches)
    assert table.index.cost((0,)).is_whole
    search = RuleSearch(
        table.index, table.sample(), evidence, evidence.shared, [(0,), (0, 2)], limits()
    )
    assert {rule.keys for rule in choose(search, len(matches))} == {(0,), (0, 2)}


@every_seed
def test_pinned_rules_are_chosen_whatever_they_cost(engine: DuckDBEngine, seed: int) -> None:
    table = make_table(engine, random_rows(40, seed), blocks=Blocks(max_size=30))
    pinned: list[Keys] = [(3,), (0, LISTED), (0, 2, 3)]
    tight = limits(pairs=5, of_rule=2, rules=2, k=1)
    search = table.search(matches_of(table, 20, seed), tight)
    search.options += [keys for keys in pinned if keys not in search.options]
    evidence, seen = search.evidence, table.evidence(table.all_pairs()).shared
    search = RuleSearch(table.index, table.sample(), evidence, seen, search.options, tight)
    rules = choose(search, 10, pinned)
    assert [rule.keys for rule in rules if rule.origin == "pinned"] == pinned
    assert len(rules) == 3  # there is no place left for another one
