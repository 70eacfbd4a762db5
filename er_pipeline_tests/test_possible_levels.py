from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.possible_levels import PossibleLevels
from er_pipeline.matching.level_conditions import Part, read_parts

CONDITIONS = [
    'levenshtein("x_l", "x_r") <= 2',
    'levenshtein("x_l", "x_r") <= 2 and damerau_levenshtein("x_l", "x_r") <= 1',
    'jaro_winkler_similarity("x_l", "x_r") >= 0.8',
    'jaro_winkler_similarity("x_l", "x_r") >= 0.92',
    'jaro_similarity("x_l", "x_r") >= 0.7',
    "split_part(\"x_l\", '@', 1) = split_part(\"x_r\", '@', 1)",
    'substr("x_l", 1, 2) = substr("x_r", 1, 2)',
    'jaccard("x_l", "x_r") >= 0.9',
]
WORDS = [
    "smith",
    "smyth",
    "smithe",
    "martha",
    "marhta",
    "dixon",
    "dickson",
    "ann@a.org",
    "ann@b.de",
]


def told_and_true(values: Sequence[str | None]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Give, of every condition, what is told possible of any two values, and what holds."""
    with DuckDBEngine(threads=1) as engine:
        engine.execute("create table v (_code integer, x varchar)")
        for code, value in enumerate(values):
            engine.execute("insert into v values (?, ?)", [code, value])
        levels = PossibleLevels(engine, "v", CONDITIONS)
        told = [levels.of(code) for code in range(len(values))]
        n = len(values)
        possible = [
            np.stack([np.ones(n, bool) if (one := row[c]) is None else one for row in told])
            for c in range(len(CONDITIONS))
        ]
        true = []
        for condition in CONDITIONS:
            found = engine.rows(
                f"select coalesce({condition}, false) from (select l._code as l, r._code as r,"
                " l.x as x_l, r.x as x_r from v as l cross join v as r) order by l, r"
            )
            true.append(np.array(found, bool).reshape(n, n))
    return possible, true


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.sampled_from(WORDS),
            st.text("abé ", min_size=2, max_size=6),
            st.text("0123456789", min_size=7, max_size=8),
            st.just("long" * 80),
        ),
        min_size=2,
        max_size=12,
    )
)
def test_what_holds_is_never_told_impossible(values: list[str | None]) -> None:
    for condition, possible, true in zip(CONDITIONS, *told_and_true(values), strict=True):
        assert not (true & ~possible).any(), condition


def test_most_of_what_does_not_hold_is_told_impossible() -> None:
    rng = np.random.default_rng(1)
    phones = ["".join(map(str, rng.integers(0, 10, 10))) for _ in range(60)]
    possible, true = told_and_true(phones)
    for n, condition in enumerate(CONDITIONS[:-1]):
        off = int((possible[n] & ~true[n]).sum())
        assert off < 0.35 * len(phones) ** 2, condition
    exact = (5, 6)  # an expression that both share is looked up
    assert all((possible[n] == true[n]).all() for n in exact)
    assert possible[-1].all()  # of Jaccard nothing is told


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        (CONDITIONS[1], (Part("edits", '"x"', 2.0), Part("edits", '"x"', 1.0))),
        (CONDITIONS[3], (Part("jaro_winkler", '"x"', 0.92),)),
        (CONDITIONS[4], (Part("jaro", '"x"', 0.7),)),
        ('x_l = "x_r"', (Part("equal", '"x"'),)),
        ('"x_l" = "y_r"', ()),  # not one value on either side
        ('levenshtein("x_l", "y_r") <= 1', ()),
        ('levenshtein("x_l", "x_r") >= 1', ()),
        ('levenshtein(lower("x_l"), lower("x_r")) <= 1', ()),
        ('"x_l" = "x_r" or "y_l" = "y_r"', ()),
        ('"x_l" is null or "x_r" is null', ()),
        ("ELSE", ()),
    ],
)
def test_only_what_is_understood_is_tested(condition: str, parts: tuple[Part, ...]) -> None:
    assert read_parts(condition) == parts
