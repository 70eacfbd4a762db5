"""Recall as views that do not share their blind spot see it, and the interval of all of them.

A view says which pairs are matches without asking whether they are candidates. Whole records: pairs
too similar for chance; by a strict threshold (at most 5% of as similar pairs are strangers', so it
sees the easy matches and says too much) and by a wide one (20%, so it counts pairs that are none
and says too little). Unseen: what the wide one leaves out is estimated from where similarities end,
and their recall by going on with its fall from the strict to the barely seen matches. Fields: the
probability of what fields agree in.

Nothing here is known to be right, so the interval reaches over all views, with the error of the
sample: where they contradict each other it is wide, and recall is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from er_pipeline.evaluation.sample_recall import cluster_interval

STRICT, WIDE = "whole records, strict", "whole records, wide"
UNSEEN, FIELDS, MODEL = "with matches hardly alike", "agreement of fields", "the model's matches"
# Most pairs of strangers per pair that is as similar. These and the numbers below were chosen on 13
# public and made-up sets with candidates of recall .1 to 1: the interval held the truth for 114 of
# 116 choices of candidates, and missed it by less than a hundredth for two.
STRICT_CHANCE, WIDE_CHANCE = 0.05, 0.2
THRESHOLDS = np.round(np.arange(0.2, 1.0, 0.01), 2)
FEWEST_PAIRS = 10  # above a threshold; of fewer no share is worth printing
BAND = 0.1  # of similarity above the wide threshold: the matches that are barely seen
# Below the threshold matches are taken to be as dense as they end above it, times this: 1/2 would
# be to thin out evenly down to none at 0, 1 not at all. Those of real sets lie on either side.
TAIL = 0.75
NEAREST = 0.05  # least distance of similarities that a fall is measured over
LEAST_UNSEEN = 0.05  # share of the matches that is never taken as seen
# Between these recalls are compared on the scale of log odds; beyond, a fall says nothing.
LEAST_SHARE, MOST_SHARE = 0.001, 0.99
# An interval that is wider does not say what recall is.
WIDEST = 0.25


class ViewOfRecall(TypedDict):
    """Recall in one view, with the ends of its 95% interval. likely_matches: as it counts them."""

    recall: float
    recall_low: float
    recall_high: float
    likely_matches: float


@dataclass(frozen=True)
class SampledPairs:
    """Pairs of sampled records with all, one row each.

    query: the sampled record; n_sampled: how many were. is_compared: whether its similarity is held
    against the thresholds; in links only the best one per record is. by_chance: similarities that
    chance reaches, as many trials as those compared. probability: as the fields see it.
    """

    query: NDArray[np.int64]
    similarity: NDArray[np.float64]
    is_compared: NDArray[np.bool_]
    is_candidate: NDArray[np.bool_]
    by_chance: NDArray[np.float64]
    n_sampled: int
    probability: NDArray[np.float64] | None = None

    def thresholds(self) -> tuple[float | None, float | None]:
        """Give the least similarities of the strict and of the wide view; None: there is none."""
        return self._threshold(STRICT_CHANCE), self._threshold(WIDE_CHANCE)

    def _threshold(self, most_by_chance: float) -> float | None:
        compared = np.sort(self.similarity[self.is_compared])
        chance = np.sort(self.by_chance)
        n = len(compared) - np.searchsorted(compared, THRESHOLDS)
        n_chance = len(chance) - np.searchsorted(chance, THRESHOLDS)
        fitting = THRESHOLDS[(n >= FEWEST_PAIRS) & (n_chance <= most_by_chance * n)]
        return float(fitting[0]) if len(fitting) else None

    def recall_of(self, likely: NDArray[np.float64]) -> ViewOfRecall:
        """Give the share of the likely matches that are candidates; likely: per pair, 0 to 1."""
        counts = likely > 0
        _, record = np.unique(self.query[counts], return_inverse=True)
        hit = likely[counts] * self.is_candidate[counts]
        of_record = np.bincount(record, likely[counts]).astype(np.float64)
        found: NDArray[np.float64] = np.bincount(record, hit).astype(np.float64)
        total = float(of_record.sum())
        low, high = cluster_interval(of_record, found, self.n_sampled)
        return {
            "recall": float(found.sum()) / total if total else 0.0,
            "recall_low": low,
            "recall_high": high,
            "likely_matches": round(total, 2),
        }


def recall_by_views(pairs: SampledPairs) -> tuple[dict[str, ViewOfRecall], float]:
    """Give recall in each view that sees any match, and the share of matches estimated as unseen.

    The share is 1 where whole records show none.
    """
    views: dict[str, ViewOfRecall] = {}
    if pairs.probability is not None and pairs.probability.sum() >= 1:
        views[FIELDS] = pairs.recall_of(pairs.probability)
    strict, wide = pairs.thresholds()
    if wide is None:
        return views, 1.0
    above = pairs.is_compared & (pairs.similarity >= wide)
    views[WIDE] = pairs.recall_of(above.astype(float))
    views[STRICT] = views[WIDE]
    if strict is not None:
        is_strict = pairs.is_compared & (pairs.similarity >= strict)
        views[STRICT] = pairs.recall_of(is_strict.astype(float))
    barely = above & (pairs.similarity < wide + BAND)
    chance = pairs.by_chance >= wide
    n_barely = barely.sum() - (chance & (pairs.by_chance < wide + BAND)).sum()
    n_seen = above.sum() - chance.sum()
    n_unseen = max(0.0, float(n_barely)) / BAND * wide * TAIL
    unseen = max(LEAST_UNSEEN, n_unseen / (n_unseen + max(1.0, float(n_seen))))
    of_unseen = _recall_of_unseen(pairs, above, barely, views[STRICT]["recall"], strict or wide)
    ends = (views[WIDE]["recall"], views[WIDE]["recall_low"], views[WIDE]["recall_high"])
    recall, low, high = ((1 - unseen) * end + unseen * of_unseen for end in ends)
    views[UNSEEN] = {
        "recall": recall,
        "recall_low": low,
        "recall_high": high,
        "likely_matches": round(float(above.sum()) / (1 - unseen), 2),
    }
    return views, unseen


def _recall_of_unseen(
    pairs: SampledPairs,
    above: NDArray[np.bool_],
    barely: NDArray[np.bool_],
    of_strict: float,
    strict: float,
) -> float:
    """Go on with the fall of recall, in log odds per similarity, below the wide threshold.

    above, barely: pairs above it, and those of them within the band. The fall is that from the
    strict view to the barely seen matches, of which the lower end of the interval is taken.
    """
    if not barely.any():
        return of_strict
    least = _log_odds(pairs.recall_of(barely.astype(float))["recall_low"])
    fall = max(0.0, _log_odds(of_strict) - least)
    of_barely = float(pairs.similarity[barely].mean())
    of_strictly = float(pairs.similarity[above & (pairs.similarity >= strict)].mean())
    # Those unseen lie between 0 and the threshold, most of them near it.
    of_unseen = float(pairs.similarity[above].min()) * 2 / 3
    steps = (of_barely - of_unseen) / max(NEAREST, of_strictly - of_barely)
    return float(1 / (1 + np.exp(max(1.0, steps) * fall - least)))


def interval_of_views(views: Mapping[str, ViewOfRecall]) -> tuple[float, float]:
    """Give the interval that reaches over all views; of none, 0 to 1.

    Of pairs in the strict view a few are strangers', and may rightly be no candidates.
    """
    lows = [view["recall_low"] for view in views.values()]
    highs = [
        min(1.0, view["recall_high"] / (1 - STRICT_CHANCE)) if name == STRICT else high
        for name, view in views.items()
        for high in [view["recall_high"]]
    ]
    return min(lows, default=0.0), max(highs, default=1.0)


def reasons(
    views: Mapping[str, ViewOfRecall],
    unseen: float,
    columns: Sequence[str],
    differing: Sequence[str],
    *,
    fields_suffice: bool,
) -> list[str]:
    """Say for people why recall is not known: what no view can see, or where views contradict.

    columns: fields with words. differing: those that differ most in pairs that whole records call
    matches and fields do not. fields_suffice: whether agreement of fields can single out a match.
    """
    found = []
    if len(columns) == 1:
        found.append(
            f"records are one column of text, {columns[0]}: rules and views read the same, and what"
            " is spelt otherwise leaves no trace in any of them"
        )
    if WIDE not in views:
        found.append("no record is more like another one than chance makes it")
    elif unseen >= WIDEST:
        found.append(
            f"about {unseen:.0%} of the matches seem hardly alike as whole records, and of those"
            " recall is only guessed"
        )
    if not fields_suffice:
        found.append(
            "what fields agree in does not suffice to single out a match, so they say nothing here"
        )
    apart = _contradiction(views, differing)
    if apart:
        found.append(apart)
    widest = max((view["recall_high"] - view["recall_low"] for view in views.values()), default=0.0)
    if widest > WIDEST:
        found.append("few matches are among the records sampled")
    if not found:
        found.append("the views differ too much")
    return found


def _contradiction(views: Mapping[str, ViewOfRecall], differing: Sequence[str]) -> str:
    """Say where two views contradict each other beyond their own errors, if any do."""
    seen = {name: view for name, view in views.items() if name != UNSEEN}
    if len(seen) < 2:
        return ""
    lowest = min(seen, key=lambda name: (seen[name]["recall_high"], name))
    highest = max(seen, key=lambda name: (seen[name]["recall_low"], name))
    if seen[lowest]["recall_high"] >= seen[highest]["recall_low"]:
        return ""
    text = (
        f"views contradict each other: {highest} says {seen[highest]['recall']:.0%},"
        f" {lowest} says {seen[lowest]['recall']:.0%}"
    )
    if differing and FIELDS in views:
        text += f"; similar records that fields call no match differ in {' and '.join(differing)}"
    return text


def _log_odds(share: float) -> float:
    share = min(max(share, LEAST_SHARE), MOST_SHARE)
    return float(np.log(share / (1 - share)))
