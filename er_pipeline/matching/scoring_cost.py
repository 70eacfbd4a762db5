"""What training and scoring cost, as far as can be known before a pair is made."""

from collections.abc import Iterable

from er_pipeline.matching.em_sessions import MAX_SESSION_PAIRS

# CPU seconds per pair and comparison, of made-up people on a core of 2026: finding a bound, and
# comparing two values. Texts longer than names take longer to compare.
BOUND_SECONDS = 20e-9
COMPARE_SECONDS = 0.5e-6
# Of made-up people the bounds leave one pair in 150; of texts of many words, ten times as many.
SHARE_COMPARED = 0.02


def scoring_seconds(n_pairs: int, n_comparisons: int) -> tuple[float, float]:
    """Give the CPU seconds that scoring takes, and those if no pair could be ruled out."""
    each = n_pairs * n_comparisons
    bounds = each * BOUND_SECONDS
    return bounds + each * SHARE_COMPARED * COMPARE_SECONDS, bounds + each * COMPARE_SECONDS


def training_seconds(session_pairs: Iterable[int], n_sampled: int, n_comparisons: int) -> float:
    """Give the CPU seconds that training takes.

    session_pairs: of each rule. n_sampled: random pairs that u is estimated from.
    """
    counted = sum(min(n, MAX_SESSION_PAIRS) for n in session_pairs)
    return (counted + n_sampled) * n_comparisons * COMPARE_SECONDS


def cost_text(
    n_pairs: int, session_pairs: Iterable[int], n_sampled: int, n_comparisons: int
) -> str:
    """Say what training and scoring cost."""
    training = training_seconds(session_pairs, n_sampled, n_comparisons)
    usual, most = scoring_seconds(n_pairs, n_comparisons)
    return (
        f"Matching: training takes some {training:,.0f} CPU seconds; scoring at most {n_pairs:,}"
        f" pairs by {n_comparisons} comparisons some {usual:,.0f}, and {most:,.0f} if no pair can"
        " be ruled out before its values are compared."
    )
