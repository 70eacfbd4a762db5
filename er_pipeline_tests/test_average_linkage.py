from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, linkage

from er_pipeline.blocking.pairs.average_linkage import Floats, average_linkage

Scored = dict[tuple[int, int], float]


def merged_at(scored: Scored, n_records: int) -> dict[tuple[int, int], float]:
    left, right = np.array([*scored], np.int32).reshape(-1, 2).T
    values = average_linkage(left, right, n_records, np.array([*scored.values()]))
    return dict(zip(scored, values.tolist(), strict=True))


@st.composite
def scored_pairs(draw: st.DrawFn) -> tuple[Scored, int]:
    """Some of the pairs of a few records, no two of them with the same score."""
    n_records = draw(st.integers(2, 9))
    made = draw(st.sets(st.sampled_from([*combinations(range(n_records), 2)]), min_size=1))
    scores = draw(st.permutations([*range(1, 37)]))
    # Powers: no average of some of them equals that of others.
    return {pair: 0.9 ** scores[place] for place, pair in enumerate(sorted(made))}, n_records


@settings(max_examples=100, deadline=None)
@given(table=scored_pairs())
def test_a_pair_merges_where_scipy_merges_it(table: tuple[Scored, int]) -> None:
    scored, n_records = table
    distances = [1 - scored.get(pair, 0.0) for pair in combinations(range(n_records), 2)]
    tree: Floats = cophenet(linkage(np.array(distances), "average"))
    expected = dict(zip(combinations(range(n_records), 2), 1 - tree, strict=True))
    for pair, value in merged_at(scored, n_records).items():
        assert value == pytest.approx(expected[pair], abs=1e-4)


@settings(max_examples=50, deadline=None)
@given(table=scored_pairs(), seed=st.integers(0, 5))
def test_the_order_of_pairs_and_of_their_sides_changes_nothing(
    table: tuple[Scored, int], seed: int
) -> None:
    scored, n_records = table
    rng = np.random.default_rng(seed)
    shuffled = [[*scored.items()][place] for place in rng.permutation(len(scored))]
    turned = {(right, left): value for (left, right), value in shuffled}
    values = merged_at(turned, n_records)
    assert {(left, right): value for (right, left), value in values.items()} == merged_at(
        scored, n_records
    )


def test_two_alike_among_others_that_are_not_merge_late() -> None:
    # 0, 1, 2 are one group and 3, 4, 5 another; 2 and 3 look alike.
    alike = {(0, 1): 0.9, (0, 2): 0.8, (1, 2): 0.8, (3, 4): 0.8, (3, 5): 0.8, (4, 5): 0.9}
    merged = merged_at({**alike, (2, 3): 0.7}, 6)
    assert merged[0, 1] == pytest.approx(0.9)
    assert merged[0, 2] == merged[1, 2] == pytest.approx(0.8)
    assert merged[2, 3] == pytest.approx(0.7 / 9)


def test_two_unlike_in_one_group_merge_with_it() -> None:
    merged = merged_at({(0, 1): 0.9, (0, 2): 0.1, (1, 2): 0.9}, 3)
    assert merged[0, 2] == pytest.approx(0.5)


def test_equal_scores_merge_the_first_records_first() -> None:
    assert merged_at({(0, 1): 0.6, (1, 2): 0.6}, 3) == pytest.approx({(0, 1): 0.6, (1, 2): 0.3})


def test_no_pairs_merge_nothing() -> None:
    none = np.zeros(0, np.int32)
    assert average_linkage(none, none, 3, np.zeros(0)).shape == (0,)
