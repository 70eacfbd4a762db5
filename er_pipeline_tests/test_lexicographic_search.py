from collections.abc import Callable, Sequence

import numpy as np

from er_pipeline.blocking.learning.conjunction_costs import Keys, Sample
from er_pipeline.blocking.learning.lexicographic_search import search_lexicographically
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline_tests.coded_records import LISTED, Pair, Row, Table, limits, make_table, row

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
    rules = search_lexicographically(
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


def test_lexicographic_applies_conjunctions_by_reduction_ratio(engine: Engine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    found = ranked(table, [(0, 1), (2, 3)], k=1)
    assert found == [((PHONE,), 2), ((NAME,), 3), ((CITY,), 7)]


def test_lexicographic_stops_at_enough_pairs_or_before_too_many(engine: Engine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    matches = [(0, 1), (2, 3)]
    assert ranked(table, matches, n_covered=2, k=1) == [((PHONE,), 2)]
    assert ranked(table, matches, n_covered=3, k=1) == [((PHONE,), 2), ((NAME,), 3)]
    assert ranked(table, matches, of_rule=6, k=1) == [((PHONE,), 2), ((NAME,), 3)]
    assert ranked(table, matches, pairs=11, k=1) == [((PHONE,), 2), ((NAME,), 3)]
    assert ranked(table, matches, rules=1, k=1) == [((PHONE,), 2)]


def test_lexicographic_counts_too_many_on_the_full_data(engine: Engine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    evidence = table.evidence([(0, 1), (2, 3)])
    # The sample holds nobody who shares a city but the two: the city looks as good as the phone.
    codes = table.sample().codes[[0, 1]]
    sample = Sample(codes, np.zeros(2, np.int64), table.index)
    known, none = np.ones(2, bool), evidence.shared[:0]
    rules = search_lexicographically(
        table.index, sample, evidence, known, none, limits(of_rule=6, k=1), 100, lambda keys: False
    )
    assert [(rule.keys, rule.pairs) for rule in rules] == []
    rules = search_lexicographically(
        table.index, sample, evidence, known, none, limits(of_rule=7, k=1), 100, lambda keys: False
    )
    # City and name find two matches, the phone one; all pairs of a name share a city.
    assert [(rule.keys, rule.pairs) for rule in rules] == [((2,), 7), ((0,), 2)]


def test_lexicographic_leaves_out_what_finds_no_match(engine: Engine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    assert ranked(table, [(2, 3)], k=1) == [((NAME,), 3), ((CITY,), 7)]
    assert ranked(table, [(3, 5)], k=1) == []


def test_lexicographic_extends_every_key_greedily(engine: Engine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    # Reduction comes first: one pair of two keys beats two pairs of one, though a match is lost.
    found = ranked(table, [(0, 1), (2, 3)], k=2)
    # The phone and the name would make the same pair again.
    assert found == [((PHONE, CITY), 1)]


def test_lexicographic_counts_the_pairs_of_several_rules_once(engine: Engine) -> None:
    # Phone: (0, 1), (2, 4); name: (0, 1), (2, 3), (4, 5): four pairs, and five with repeats.
    table = make_table(engine, SIX_PEOPLE)
    matches = [(0, 1), (2, 3)]
    assert [keys for keys, _ in ranked(table, matches, n_covered=4, k=1)] == [(PHONE,), (NAME,)]
    more = ranked(table, matches, n_covered=5, k=1)
    assert [keys for keys, _ in more] == [(PHONE,), (NAME,), (CITY,)]


def test_lexicographic_prefers_more_matches_then_fewer_non_matches(engine: Engine) -> None:
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


def test_lexicographic_keeps_bans(engine: Engine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    found = ranked(table, [(0, 1), (2, 3)], banned=lambda keys: PHONE in keys, k=1)
    assert found == [((NAME,), 3), ((CITY,), 7)]


def test_lexicographic_applies_pinned_conjunctions_first(engine: Engine) -> None:
    table = make_table(engine, SIX_PEOPLE)
    matches = [(0, 1), (2, 3)]
    found = ranked(table, matches, pinned=[(CITY,)], n_covered=8, k=1)
    assert found == [((CITY,), 7), ((PHONE,), 2)]
    assert ranked(table, matches, pinned=[(CITY,)], pairs=2, k=1) == [((CITY,), 7)]
