import pytest

from er_pipeline.matching.em_sessions import MAX_SESSION_PAIRS
from er_pipeline.matching.scoring_cost import cost_text, scoring_seconds, training_seconds


def test_scoring_grows_with_pairs_and_comparisons() -> None:
    usual, most = scoring_seconds(1_000_000, 4)
    assert 0 < usual < most / 10
    assert scoring_seconds(2_000_000, 8) == pytest.approx((4 * usual, 4 * most))


def test_pairs_of_a_session_beyond_the_sample_cost_nothing() -> None:
    some = training_seconds([1_000, MAX_SESSION_PAIRS], 1_000, 3)
    assert training_seconds([1_000, 10**9], 1_000, 3) == some
    assert training_seconds([1_000], 1_000, 3) < some


def test_both_costs_are_said() -> None:
    text = cost_text(10_000_000, [2_000_000], 1_000_000, 5)
    assert text.startswith("Matching: training takes some 8 CPU seconds; scoring at most")
    assert "10,000,000 pairs by 5 comparisons some 2, and 26 if no pair" in text
