from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.matching.letter_bits import LetterBits
from er_pipeline.matching.level_conditions import Part, read_parts

CONDITIONS = [
    "levenshtein(x_l, x_r) <= 1",
    "damerau_levenshtein(x_l, x_r) <= 2",
    "jaro_similarity(x_l, x_r) >= 0.7",
    "jaro_winkler_similarity(x_l, x_r) >= 0.8",
    "jaro_winkler_similarity(x_l, x_r) >= 0.92",
]
WORDS = ["smith", "smyth", "smithe", "martha", "marhta", "dixon", "dickson", "élan", "elan", ""]


def judged(values: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
    """Give, of every condition and any two values, whether it may hold and whether it does."""
    n = len(values)
    left, right = (side.ravel().astype(np.int32) for side in np.divmod(np.arange(n * n), n))
    with DuckDBEngine(threads=1) as engine:
        engine.execute("create table v (_code integer, x varchar)")
        for code, value in enumerate(values):
            engine.execute("insert into v values (?, ?)", [code, value])
        letters = LetterBits(engine, "v", '"x"')
        differing = letters.differing(left, right)
        parts = [part for condition in CONDITIONS for part in read_parts(condition)]
        may = [letters.may_hold(part, left, right, differing) for part in parts]
        holds = engine.rows(
            f"select {', '.join(f'coalesce({condition}, false)' for condition in CONDITIONS)}"
            " from (select l._code as l, r._code as r, l.x as x_l, r.x as x_r"
            " from v as l cross join v as r) order by l, r"
        )
    return np.array(may), np.array(holds, bool).T


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.sampled_from(WORDS), st.text("abAé 1", max_size=9)),
        min_size=1,
        max_size=9,
    )
)
def test_what_holds_may_hold(values: list[str | None]) -> None:
    may, holds = judged(values)
    assert not (holds & ~may).any()


def test_letters_rule_out_what_is_far_apart() -> None:
    may, _ = judged(["martha", "marhta", "dickson", "dixon"])
    assert may[:, 1].all(), "a transposition changes no letter"
    assert not may[:, 2].any(), "martha and dickson share nothing"
    assert may[1, 11] == may[3, 11] == True  # noqa: E712, dickson and dixon
    assert not may[0, 11], "they are more than one edit apart"


def test_a_value_beyond_the_first_batch_has_its_own_letters() -> None:
    with DuckDBEngine(threads=1) as engine:
        engine.execute(
            "create table v as select cast(i as integer) as _code,"
            " case when i < 60_000 then 'aaaa' else 'bbbb' end as x from range(60_001) as t(i)"
        )
        letters = LetterBits(engine, "v", "x")
    first, last = np.array([0], np.int32), np.array([60_000], np.int32)
    differing = letters.differing(first, last)
    assert not letters.may_hold(Part("edits", "x", 3), first, last, differing)
    assert letters.may_hold(Part("edits", "x", 0), first, first, letters.differing(first, first))
