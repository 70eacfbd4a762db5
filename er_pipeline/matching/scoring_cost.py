"""What training and scoring cost, as far as can be known before a pair is made."""

from collections.abc import Iterable
from dataclasses import dataclass

from er_pipeline.matching.em_sessions import MAX_SESSION_PAIRS

# CPU seconds per pair and comparison, of made-up people on a core of 2026: finding a bound, and
# comparing two values. Texts longer than names take longer to compare.
BOUND_SECONDS = 20e-9
COMPARE_SECONDS = 0.5e-6
# Of made-up people the bounds leave one pair in 150; of texts of many words, ten times as many.
SHARE_COMPARED = 0.02


@dataclass(frozen=True)
class MatchingCost:
    """CPU seconds. scoring: as for made-up people; most: if no pair can be ruled out."""

    pairs: int
    comparisons: int
    training: float
    scoring: float
    most: float

    @classmethod
    def of(
        cls, pairs: int, comparisons: int, session_pairs: Iterable[int], n_sampled: int
    ) -> "MatchingCost":
        """Estimate the cost of scoring pairs and of training.

        session_pairs: of each training rule. n_sampled: random pairs that u is estimated from.
        """
        counted = n_sampled + sum(min(n, MAX_SESSION_PAIRS) for n in session_pairs)
        each = pairs * comparisons
        bounds = each * BOUND_SECONDS
        return cls(
            pairs,
            comparisons,
            training=counted * comparisons * COMPARE_SECONDS,
            scoring=bounds + each * SHARE_COMPARED * COMPARE_SECONDS,
            most=bounds + each * COMPARE_SECONDS,
        )

    def seconds(self) -> dict[str, float]:
        """Give the CPU seconds by what they are for."""
        known = {"training": self.training, "scoring": self.scoring, "most_scoring": self.most}
        return {name: round(seconds, 1) for name, seconds in known.items()}

    def text(self) -> str:
        """Say what training and scoring cost."""
        return (
            f"Matching: training takes some {self.training:,.0f} CPU seconds; scoring at most"
            f" {self.pairs:,} pairs by {self.comparisons} comparisons some {self.scoring:,.0f}, and"
            f" {self.most:,.0f} if no pair can be ruled out before its values are compared."
        )
