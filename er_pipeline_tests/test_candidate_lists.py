from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.pairs.candidate_lists import LAST_PLACE, Floats, Pairs


@st.composite
def valued_pairs(draw: st.DrawFn) -> tuple[Pairs, Floats]:
    """Some of the pairs of a few records, of a source or several, with values that may be equal."""
    n_records = draw(st.integers(2, 8))
    all_pairs = st.sampled_from([*combinations(range(n_records), 2)])
    made = draw(st.sets(all_pairs, min_size=1))
    left, right = np.array(sorted(made), np.int32).T
    some = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0])
    values = draw(st.lists(some, min_size=len(made), max_size=len(made)))
    sources = draw(st.none() | st.lists(st.integers(0, 2), min_size=n_records, max_size=n_records))
    source = None if sources is None else np.array(sources)
    return Pairs(left, right, n_records, False, source), np.array(values)


@settings(max_examples=50, deadline=None)
@given(valued=valued_pairs())
def test_the_share_of_mutual_bests_is_that_of_brute_force(valued: tuple[Pairs, Floats]) -> None:
    pairs, values = valued
    sides = [*zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)]
    best = {
        record: min(
            (-value, place, set(side) - {record})
            for place, (side, value) in enumerate(zip(sides, values, strict=True))
            if record in side
        )[2].pop()
        for record in {record for side in sides for record in side}
    }
    mutual = sum(best[best[record]] == record for record in best)
    assert pairs.mutual_best(values) == pytest.approx(mutual / len(best))


@settings(max_examples=50, deadline=None)
@given(valued=valued_pairs())
def test_a_place_counts_the_better_candidates_of_the_others_source(
    valued: tuple[Pairs, Floats],
) -> None:
    pairs, values = valued
    sides = [*zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)]
    source: list[int] = [0] * pairs.n_records
    if pairs.source is not None:
        source = pairs.source.tolist()
    scored: list[tuple[tuple[int, int], float]] = [*zip(sides, values.tolist(), strict=True)]

    def place(record: int, other: int, value: float) -> int:
        return 1 + sum(
            better > value and record in side and source[sum(side) - record] == source[other]
            for side, better in scored
        )

    expected = [
        (np.log2(place(left, right, value)) + np.log2(place(right, left, value))) / 2
        for (left, right), value in scored
    ]
    assert pairs.doublings(values) == pytest.approx(expected)


def test_behind_the_last_place_all_are_equally_far() -> None:
    n_others = 3 * LAST_PLACE
    left, right = np.zeros(n_others, np.int32), np.arange(1, n_others + 1, dtype=np.int32)
    pairs = Pairs(left, right, n_others + 1, across=False)
    doubled = pairs.doublings(-np.arange(n_others, dtype=np.float64))
    # Each of the others has this one candidate alone, at the first place of its list.
    assert doubled[[0, 1, 3]] == pytest.approx([0, 0.5, 1])
    assert doubled[LAST_PLACE - 1 :] == pytest.approx(np.log2(LAST_PLACE) / 2)


def test_no_pairs_have_no_places() -> None:
    none = np.zeros(0, np.int32)
    for source in (None, np.zeros(3, np.int64)):
        assert Pairs(none, none, 3, False, source).doublings(np.zeros(0)).shape == (0,)
