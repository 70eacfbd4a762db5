from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from er_pipeline.blocking.blocks.blocks import size_blocks, sum_blocks
from er_pipeline.blocking.learning import conjunctions
from er_pipeline.blocking.learning.conjunctions import (
    Evidence,
    Index,
    Keys,
    Limits,
    Rule,
    Sample,
    Search,
    candidates,
    folds,
    interval,
    lexicographic,
    loosest_affordable,
)
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.values.key_choices import key_choices, listed_choices
from er_pipeline.blocking.values.keys import Conjunction

# Keys 0 to 4 have one value per record, key 5 several. Keys 0 and 1 pass for keys of one field, as
# keys 4 and 5 are.
FIELDS = {"a": "text", "b": "text", "c": "text", "d": "text", "words": "text"}
CHOICES = [
    *(choice for choice in key_choices(FIELDS) if choice.level == 0),
    *listed_choices(FIELDS, {"words"}),
]
CHOICES[1] = replace(CHOICES[1], field="a")
LISTED = 5
FIELD_OF = [choice.field for choice in CHOICES]
Row = tuple[frozenset[int], ...]  # per key the codes that a record has
Pair = tuple[int, int]


@dataclass
class Table:
    """Records in memory, each with its source and the codes of its keys, and their index."""

    rows: list[Row]
    sources: list[int]
    index: Index

    def blocks(self, keys: Keys) -> dict[tuple[int, ...], list[int]]:
        """Give the members of every block: code of each key -> records."""
        found: dict[tuple[int, ...], list[int]] = {}
        for no, row in enumerate(self.rows):
            blocks: list[tuple[int, ...]] = [()]
            for key in keys:
                blocks = [(*block, code) for block in blocks for code in row[key]]
            for block in blocks:
                found.setdefault(block, []).append(no)
        return found

    def pairs(self, members: Sequence[int]) -> list[Pair]:
        """List the pairs of a block that may be compared."""
        across = self.index.mode == "link"
        return [
            (a, b)
            for a, b in combinations(members, 2)
            if not across or self.sources[a] != self.sources[b]
        ]

    def oversized(self, members: Sequence[int]) -> bool:
        cap = self.index.blocks.max_size
        return cap is not None and len(members) > cap and bool(self.pairs(members))

    def compared(self, keys: Keys) -> set[Pair]:
        """Make the pairs of a conjunction."""
        small = [m for m in self.blocks(keys).values() if not self.oversized(m)]
        small = [m for m in small if len(m) >= self.index.blocks.min_size]
        return {pair for members in small for pair in self.pairs(members)}

    def all_pairs(self) -> list[Pair]:
        return self.pairs(range(len(self.rows)))

    def evidence(self, pairs: Sequence[Pair], worth: Sequence[float] = ()) -> Evidence:
        """Make evidence of pairs, every pair an entity of its own."""
        put_pairs(self.index.engine, "evidence_pairs", pairs)
        shared = self.index.agreement("evidence_pairs", len(pairs))
        number = np.arange(len(pairs), dtype=np.int64)
        return Evidence(shared, np.array(worth or [1.0] * len(pairs)), number, "evidence_pairs")

    def sample(self) -> Sample:
        """Take every record."""
        codes = [[max(row[key], default=-1) for key in range(LISTED)] + [-1] for row in self.rows]
        return Sample(np.array(codes, np.int64), np.array(self.sources, np.int64), self.index)

    def search(self, pairs: Sequence[Pair], limits: Limits, banned: Any = None) -> Search:
        evidence, sample = self.evidence(pairs), self.sample()
        options = candidates(self.index, sample, evidence, limits, banned or (lambda keys: False))
        put_pairs(self.index.engine, "seen_pairs", self.all_pairs())
        seen = self.index.agreement("seen_pairs", len(self.all_pairs()))
        return Search(self.index, sample, evidence, seen, options, limits)


def put_rows(
    engine: DuckDBEngine, table: str, columns: str, rows: Sequence[tuple[int, ...]]
) -> None:
    """Make a table of numbers."""
    nothing = (0,) * (columns.count(",") + 1)
    values = ", ".join(map(str, rows or [nothing]))
    engine.make_table(
        table, f"from (values {values}) as t({columns})" + " where 1 = 0" * (not rows)
    )


def put_pairs(engine: DuckDBEngine, table: str, pairs: Sequence[Pair]) -> None:
    numbered = [(n, a, b) for n, (a, b) in enumerate(pairs)]
    put_rows(engine, table, "pair_no, left_no, right_no", numbered)


def make_table(
    engine: DuckDBEngine,
    rows: Sequence[Row],
    mode: str = "dedupe",
    blocks: Blocks | None = None,
    sources: Sequence[int] | None = None,
) -> Table:
    """Index records given by their codes."""
    sources = list(sources) if sources else [0] * len(rows)
    columns = ", ".join(f"code_{key}" for key in range(LISTED))
    numbered = list(enumerate(zip(rows, sources, strict=True)))
    codes = [
        (no, source, *(max(row[key], default=-no - 1) for key in range(LISTED)))
        for no, (row, source) in numbered
    ]
    words = [(no, source, w) for no, (row, source) in numbered for w in sorted(row[LISTED])]
    put_rows(engine, "key_codes", f"record_no, source_no, {columns}", codes)
    put_rows(engine, f"key_list_{LISTED}", f"record_no, source_no, code_{LISTED}", words)
    listed = frozenset([LISTED])
    index = Index(engine, CHOICES, listed, mode, blocks or Blocks(max_size=None), len(rows))
    return Table(list(rows), sources, index)


def row(a: int | None, *more: int | None, words: Sequence[int] = ()) -> Row:
    """Write a record: one code per key, None for none; the keys not given are none."""
    codes = [a, *more, *[None] * (LISTED - 1 - len(more))]
    return (*(frozenset() if c is None else frozenset([c]) for c in codes), frozenset(words))


def random_rows(n: int, seed: int, values: int = 4) -> list[Row]:
    draw = Random(seed)

    def code(most: int) -> int | None:
        return None if draw.random() < 0.15 else draw.randrange(most)

    return [
        row(
            *(code(values * (i + 1)) for i in range(LISTED)),
            words=draw.sample(range(6), draw.randrange(4)),
        )
        for _ in range(n)
    ]


SOME_KEYS: list[Keys] = [(0,), (3,), (0, 1), (1, 2, 4), (LISTED,), (0, LISTED), (1, 3, LISTED)]
every_mode = pytest.mark.parametrize("mode", ["dedupe", "link", "link_and_dedupe"])
every_cap = pytest.mark.parametrize("cap", [None, 2, 5])


# What conjunctions cost and find


@every_mode
@every_cap
def test_a_conjunction_costs_the_pairs_of_its_blocks_within_the_cap(
    engine: DuckDBEngine, mode: str, cap: int | None
) -> None:
    sources = [0] * 20 + [1] * 15 + [2] * 5 if mode != "dedupe" else [0] * 40
    table = make_table(engine, random_rows(40, 1), mode, Blocks(max_size=cap), sources)
    for keys in SOME_KEYS:
        cost = table.index.cost(keys)
        blocks = table.blocks(keys).values()
        large = [members for members in blocks if table.oversized(members)]
        small = [m for m in blocks if not table.oversized(m) and table.pairs(m)]
        assert cost.pairs == sum(len(table.pairs(members)) for members in small)
        assert cost.largest == max(map(len, small), default=0)
        assert cost.oversized_pairs == sum(len(table.pairs(members)) for members in large)
        assert cost.oversized_share == pytest.approx(sum(map(len, large)) / sum(map(len, blocks)))


@every_mode
@every_cap
@pytest.mark.parametrize("min_size", [2, 4])
def test_beyond_the_cap_are_the_pairs_that_share_oversized_blocks_only(
    engine: DuckDBEngine, mode: str, cap: int | None, min_size: int
) -> None:
    sources = [0] * 18 + [1] * 12 if mode != "dedupe" else [0] * 30
    blocks = Blocks(max_size=cap, min_size=min_size)
    table = make_table(engine, random_rows(30, 2), mode, blocks, sources)
    pairs = table.all_pairs()
    put_pairs(engine, "evidence_pairs", pairs)
    for keys in SOME_KEYS:
        sharing = {pair for members in table.blocks(keys).values() for pair in table.pairs(members)}
        lost = {pairs[n] for n in table.index.beyond_cap(keys, "evidence_pairs")}
        assert lost == sharing - table.compared(keys)


@every_mode
def test_agreement_tells_the_keys_that_each_pair_shares(engine: DuckDBEngine, mode: str) -> None:
    table = make_table(engine, random_rows(25, 3), mode, sources=[0] * 15 + [1] * 10)
    pairs = table.all_pairs()
    put_pairs(engine, "evidence_pairs", pairs)
    shared = table.index.agreement("evidence_pairs", len(pairs))
    assert shared.tolist() == [
        [bool(table.rows[a][key] & table.rows[b][key]) for key in range(LISTED + 1)]
        for a, b in pairs
    ]


def test_no_pair_agrees_in_nothing(engine: DuckDBEngine) -> None:
    table = make_table(engine, random_rows(5, 3))
    put_pairs(engine, "evidence_pairs", [])
    assert table.index.agreement("evidence_pairs", 0).shape == (0, LISTED + 1)


@every_mode
@every_cap
def test_a_conjunction_costs_what_it_costs_as_a_strategy(
    engine: DuckDBEngine, mode: str, cap: int | None
) -> None:
    blocks = Blocks(max_size=cap)
    sources = [0] * 30 + [1] * 20 if mode != "dedupe" else [0] * 50
    rows = random_rows(50, 4)
    table = make_table(engine, rows, mode, blocks, sources)
    fields = ", ".join(f"{name} varchar" for name in FIELDS)
    engine.execute(
        "create table cleaned_records (record_no integer, record_id varchar, source varchar,"
        f" source_no smallint, {fields})"
    )
    for no, codes in enumerate(rows):
        texts = [" ".join(map(str, sorted(codes[key]))) or None for key in [0, 1, 2, 3, LISTED]]
        engine.execute(
            f"insert into cleaned_records values ({', '.join('?' * 9)})",
            [no, str(no), "", sources[no], *texts],
        )
    for keys in [(0,), (1, 3), (0, 2, 3), (LISTED,), (2, LISTED)]:
        members = tuple(CHOICES[key].key for key in keys)
        keyed = Conjunction("strategy", members).keyed_records(engine, "cleaned_records")
        engine.make_table("keyed", keyed)
        size_blocks(engine, "keyed", "sizes", mode, blocks)
        counted = sum_blocks(engine, "sizes", blocks)
        cost = table.index.cost(keys)
        assert (cost.pairs, cost.largest) == (counted["pairs"], counted["largest_block"])
        assert cost.oversized_pairs == counted["dropped_pairs"]["oversized"]


@every_mode
@every_cap
def test_a_sample_of_all_records_tells_the_exact_cost(
    engine: DuckDBEngine, mode: str, cap: int | None
) -> None:
    sources = [0] * 25 + [1] * 15 if mode != "dedupe" else [0] * 40
    table = make_table(engine, random_rows(40, 5), mode, Blocks(max_size=cap), sources)
    sample = table.sample()
    for keys in SOME_KEYS:
        assert sample.pairs(keys) == table.index.cost(keys).pairs


# The search


def limits(pairs: int = 10**6, of_rule: int = 10**6, rules: int = 40, k: int = 3) -> Limits:
    return Limits(pairs, of_rule, rules, k, recall_floor=1.0)


def choose(search: Search, n_judged: int, pinned: Sequence[Keys] = ()) -> list[Rule]:
    """Choose rules; the first pairs of the evidence are judged."""
    worth = search.evidence.worth
    judged = (np.arange(len(worth)) < n_judged).astype(float)
    return search.choose(judged, worth, pinned)


def matches_of(table: Table, n: int, seed: int) -> list[Pair]:
    """Draw pairs that share some key."""
    sharing = [
        (a, b)
        for a, b in table.all_pairs()
        if any(x & y for x, y in zip(table.rows[a], table.rows[b], strict=True))
    ]
    return Random(seed).sample(sharing, min(n, len(sharing)))


every_seed = pytest.mark.parametrize("seed", range(4))


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
def test_a_rule_takes_one_key_of_a_field_and_so_one_many_valued_key(
    engine: DuckDBEngine, seed: int
) -> None:
    table = make_table(engine, random_rows(40, seed))
    search = table.search(matches_of(table, 30, seed), limits())
    assert any(LISTED in keys for keys in search.options)
    for keys in search.options:
        assert len({FIELD_OF[key] for key in keys}) == len(keys)


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
        monkeypatch.setattr(conjunctions, "SWAP_ROUNDS", rounds)
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
    search = Search(
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
    search = Search(table.index, table.sample(), evidence, seen, search.options, tight)
    rules = choose(search, 10, pinned)
    assert [rule.keys for rule in rules if rule.origin == "pinned"] == pinned
    assert len(rules) == 3  # there is no place left for another one


@every_seed
def test_banned_conjunctions_are_no_candidates(engine: DuckDBEngine, seed: int) -> None:
    table = make_table(engine, random_rows(40, seed))

    def banned(keys: Keys) -> bool:
        return 3 in keys or {0, 2} <= set(keys)

    search = table.search(matches_of(table, 30, seed), limits(), banned)
    assert search.options
    assert not [keys for keys in search.options if banned(keys)]
    first = list(loosest_affordable(table.index, table.sample(), 100, 3, banned))
    assert first
    assert not [keys for keys in first if banned(keys)]


@every_seed
def test_the_loosest_affordable_conjunction_of_every_set_of_fields(
    engine: DuckDBEngine, seed: int
) -> None:
    blocks = Blocks(max_size=(None, 8)[seed % 2])
    table = make_table(engine, random_rows(60, seed, values=8), blocks=blocks)
    sample, limit = table.sample(), 60
    found = list(loosest_affordable(table.index, sample, limit, 3, lambda keys: False))
    fields = [tuple(FIELD_OF[key] for key in keys) for keys in found]
    assert len(set(fields)) == len(fields)
    for keys, of in zip(found, fields, strict=True):
        assert len(set(of)) == len(of) <= 3
        assert 0 < table.index.cost(keys).pairs <= limit
        # Nothing wider of the same fields is affordable, but for what a part of it says already.
        for other in [(a, b, c) for a in range(6) for b in range(6) for c in range(6)]:
            rival = tuple(sorted(set(other)))
            if tuple(FIELD_OF[key] for key in rival) == of and len(rival) == len(keys):
                parts = [p for n in range(1, len(rival)) for p in combinations(rival, n)]
                whole = [p for p in parts if table.index.cost(p).is_whole]
                if not [p for p in whole if table.index.cost(p).pairs <= limit]:
                    assert not table.index.cost(keys).pairs < table.index.cost(rival).pairs <= limit


# The lexicographic ranking


PHONE, CITY, NAME = 0, 2, 3


def person(phone: int | None, city: int, name: int) -> Row:
    return row(phone, None, city, name)


SIX_PEOPLE = [
    person(1, 1, 1),
    person(1, 1, 1),  # is 0
    person(2, 1, 2),
    person(None, 1, 2),  # is 2
    person(2, 2, 3),  # is not 2, though they share a phone
    person(3, 2, 3),
]


def ranked(
    table: Table,
    matches: Sequence[Pair],
    non_matches: Sequence[Pair] = (),
    n_covered: int = 10**6,
    banned: Callable[[Keys], bool] = lambda keys: False,
    pinned: Sequence[Keys] = (),
    **limited: int,
) -> list[tuple[Keys, int]]:
    negatives = table.evidence(non_matches).shared
    evidence = table.evidence(matches)
    known = np.ones(len(matches), bool)
    rules = lexicographic(
        table.index,
        table.sample(),
        evidence,
        known,
        negatives,
        limits(**limited),
        n_covered,
        banned,
        pinned,
    )
    return [(rule.keys, rule.pairs) for rule in rules]


def test_lexicographic_applies_conjunctions_by_reduction_ratio(engine: DuckDBEngine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    found = ranked(table, [(0, 1), (2, 3)], k=1)
    assert found == [((PHONE,), 2), ((NAME,), 3), ((CITY,), 7)]


def test_lexicographic_stops_at_enough_pairs_or_before_too_many(engine: DuckDBEngine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    matches = [(0, 1), (2, 3)]
    assert ranked(table, matches, n_covered=2, k=1) == [((PHONE,), 2)]
    assert ranked(table, matches, n_covered=3, k=1) == [((PHONE,), 2), ((NAME,), 3)]
    assert ranked(table, matches, of_rule=6, k=1) == [((PHONE,), 2), ((NAME,), 3)]
    assert ranked(table, matches, pairs=11, k=1) == [((PHONE,), 2), ((NAME,), 3)]
    assert ranked(table, matches, rules=1, k=1) == [((PHONE,), 2)]


def test_lexicographic_counts_too_many_on_the_full_data(engine: DuckDBEngine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    evidence = table.evidence([(0, 1), (2, 3)])
    # The sample holds nobody who shares a city but the two: the city looks as good as the phone.
    codes = table.sample().codes[[0, 1]]
    sample = Sample(codes, np.zeros(2, np.int64), table.index)
    known, none = np.ones(2, bool), evidence.shared[:0]
    rules = lexicographic(
        table.index, sample, evidence, known, none, limits(of_rule=6, k=1), 100, lambda keys: False
    )
    assert [(rule.keys, rule.pairs) for rule in rules] == []
    rules = lexicographic(
        table.index, sample, evidence, known, none, limits(of_rule=7, k=1), 100, lambda keys: False
    )
    # City and name find two matches, the phone one.
    assert [(rule.keys, rule.pairs) for rule in rules] == [((2,), 7), ((3,), 3), ((0,), 2)]


def test_lexicographic_leaves_out_what_finds_no_match(engine: DuckDBEngine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    assert ranked(table, [(2, 3)], k=1) == [((NAME,), 3), ((CITY,), 7)]
    assert ranked(table, [(3, 5)], k=1) == []


def test_lexicographic_extends_every_key_greedily(engine: DuckDBEngine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    # Reduction comes first: one pair of two keys beats two pairs of one, though a match is lost.
    found = ranked(table, [(0, 1), (2, 3)], k=2)
    assert found == [((PHONE, CITY), 1), ((PHONE, NAME), 1)]


def test_lexicographic_prefers_more_matches_then_fewer_non_matches(engine: DuckDBEngine) -> None:
    # Each key makes two pairs: PHONE (0, 1), (2, 3); CITY (0, 1), (4, 5); NAME (0, 1), (6, 7).
    held = {PHONE: (0, 1, 2, 3), CITY: (0, 1, 4, 5), NAME: (0, 1, 6, 7)}
    table = make_table(
        engine,
        [
            row(*(no // 2 if key in held and no in held[key] else None for key in range(LISTED)))
            for no in range(8)
        ],
    )
    found = ranked(table, [(0, 1), (6, 7)], [(2, 3)], k=1)
    assert [keys for keys, _ in found] == [(NAME,), (CITY,), (PHONE,)]
    found = ranked(table, [(0, 1), (6, 7)], [(4, 5)], k=1)
    assert [keys for keys, _ in found] == [(NAME,), (PHONE,), (CITY,)]


def test_lexicographic_keeps_bans(engine: DuckDBEngine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    found = ranked(table, [(0, 1), (2, 3)], banned=lambda keys: PHONE in keys, k=1)
    assert found == [((NAME,), 3), ((CITY,), 7)]


def test_lexicographic_applies_pinned_conjunctions_first(engine: DuckDBEngine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    matches = [(0, 1), (2, 3)]
    found = ranked(table, matches, pinned=[(CITY,)], n_covered=8, k=1)
    assert found == [((CITY,), 7), ((PHONE,), 2)]
    assert ranked(table, matches, pinned=[(CITY,)], pairs=2, k=1) == [((CITY,), 7)]


# Held-out recall


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (50, 100, 0.4038, 0.5962),
        (1, 1, 0.2065, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_wilsons(successes: int, trials: int, low: float, high: float) -> None:
    assert interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_holds_the_share_to_the_last_digit() -> None:
    for trials in range(1, 120):
        for successes in (0, trials / 3, trials):
            low, high = interval(successes, trials)
            assert 0 <= low <= successes / trials <= high <= 1


@pytest.mark.parametrize("seed", range(3))
def test_folds_tear_no_entity_and_are_of_about_one_size(seed: int) -> None:
    entity: NDArray[np.int64] = np.random.default_rng(seed).integers(0, 33, 100)
    fold = folds(entity, 5, seed)
    of_entity = {name: set(fold[entity == name].tolist()) for name in set(entity.tolist())}
    assert all(len(found) == 1 for found in of_entity.values())
    sizes = [sum(found == {n} for found in of_entity.values()) for n in range(5)]
    assert max(sizes) - min(sizes) <= 1
    assert folds(entity, 5, seed).tolist() == fold.tolist()
    assert folds(entity, 5, seed + 1).tolist() != fold.tolist()
