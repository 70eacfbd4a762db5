import pytest

from er_pipeline.matching.em_sessions import MAX_SESSION_PAIRS
from er_pipeline.matching.scoring_cost import MatchingCost


def test_scoring_grows_with_pairs_and_comparisons() -> None:
    one = MatchingCost.of(1_000_000, 4, [], 0)
    other = MatchingCost.of(2_000_000, 8, [], 0)
    assert 0 < one.scoring < one.most / 10
    assert (other.scoring, other.most) == pytest.approx((4 * one.scoring, 4 * one.most))


def test_pairs_of_a_session_beyond_the_sample_cost_nothing() -> None:
    some, more, less = (
        MatchingCost.of(1, 3, pairs, 1_000).training
        for pairs in ([1_000, MAX_SESSION_PAIRS], [1_000, 10**9], [1_000])
    )
    assert more == some > less


def test_both_costs_are_said() -> None:
    text = MatchingCost.of(10_000_000, 5, [2_000_000], 1_000_000).text()
    assert text.startswith("Matching: training takes some 8 CPU seconds; scoring at most")
    assert "10,000,000 pairs by 5 comparisons some 2, and 26 if no pair" in text
