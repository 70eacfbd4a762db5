"""Several views of the same pairs -> one ranking, without labels.

A view gives every pair a number: the evidence of its fields, the cosine of its vectors, those of
the whole records. Which of them knows the matches differs from table to table: evidence is far
ahead on people, and far behind where one fact stands in several columns. So the views check each
other:

1. A view is trusted by the share of records whose best candidate has them as its best, too: those
   that confuse the records send many to the same few.
2. Of each view its neighbourhoods are another one: two records whose candidates are the same are
   alike. It says much where entities have many records, or each side of a link has rivals, and
   nothing where they have two.
3. The pairs that stand first by all views, weighed by trust, are taken for matches, others from far
   behind for none; a logistic regression whose coefficients must not be negative combines the
   views, and its scores choose the pairs of the next round.
4. Across many records scores do not compare: who resembles many has high ones with all. So within a
   table, and among several sources, a pair loses score the further behind it stands in the lists of
   its two records; the score at which the groups of both merge is added to what is left.

Sources: the share of the best as a feature is that of generalised supervised meta-blocking
(Gagliardelli, Papadakis, Simonini, Bergamaschi, Palpanas, VLDB 15(9), 2022); Beck, Teboulle, "A
Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems", 2009.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.pairs.average_linkage import average_linkage
from er_pipeline.blocking.pairs.candidate_lists import Floats, Pairs

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

EVIDENCE = "evidence"
# How the neighbourhoods of a view are called.
NEIGHBOURHOODS = "{}, neighbourhoods"
# Trust grows with exp of so many times the share of mutual bests: two hundredths more count twice.
# The best of a hundred that are all alike says less, so where no record has one partner only, half.
TRUST_PER_SHARE, TRUST_PER_SHARE_ACROSS = 50.0, 40.0
# Where the evidence of matches far exceeds what it takes, fields that err are outvoted by others,
# and evidence is better than its mutual bests show. What is added to its share in any case, and per
# time that its matches exceed so many times what it takes: within a table, and across two, where
# it has counted rivals.
HEAD_START, HEAD_START_ACROSS = (0.0, 0.15, 1.5), (0.04, 0.05, 1.0)
# Neighbourhoods say nothing of entities of two: this is taken from their share, times the share of
# likely matched records that have one partner only. Likely are the pairs that all views put first.
SHARE_OF_PAIRS_ALONE = 0.2
# From here on evidence decides alone, and nothing else is worth its cost: where it is trusted so
# far, and half of the likely matched records have one partner only. Entities are large where a
# quarter do, the larger the fewer.
ALONE, IN_PAIRS, MOST_ALONE = 0.95, 0.5, 0.25
# What the groups of two records count beside their own score where entities are large, and half of
# it where they are not. More finds more on citations and people, less on songs, whose sources
# differ in what they write.
GROUPS_COUNT, LEAST_IN_GROUPS = 0.6, 0.5
# What a pair loses of a score from 0 to 1 each time its place in the lists of its records doubles.
# From 0.1 to 0.3 all does about as well: less is better for citations, more for songs.
PLACES_COUNT = 0.1
LEAST_OF_LIKELY = 0.1  # share of the likely pairs that all views put first
ROUNDS, MOST_POSITIVES, NEGATIVES_PER_POSITIVE = 3, 5_000, 5
# Matches are taken from the first quarter as many pairs as there are records, others from behind
# half as many again.
POSITIVES_PER_RECORD, BEHIND = 0.25, 1.5
STEPS, PENALTY = 300, 1e-3
DECIMALS = 4
PAIRS_PER_BATCH = 200_000


@dataclass(frozen=True)
class View:
    """How a view was judged.

    mutual_best: share of the records whose best candidate has them as its best. trust: its weight
    among all views, which add up to 1. coefficient: what its value counts in the combination.
    """

    name: str
    mutual_best: float
    trust: float
    coefficient: float


@dataclass(frozen=True)
class ViewRanking:
    """The combined score of every pair, rounded, and the views it is made of.

    score: (n_pairs,); None where evidence decides alone. agreement: share of the pairs that stand
    first by evidence that do in the combination. disputed: places of those that do not.
    """

    views: tuple[View, ...]
    score: Floats | None
    agreement: float = 1.0
    disputed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


def rank_by_views(
    pairs: Pairs,
    views: Mapping[str, Floats],
    excess: float,
    likely: NDArray[np.bool_],
    seed: int,
    costly: Callable[[], Mapping[str, Floats]] = dict,
) -> ViewRanking:
    """Combine views of the same pairs, evidence the first of them.

    views: name -> (n_pairs,), the larger the likelier a match. excess: how many times what it takes
    the evidence of matches is. likely: (n_pairs,) which pairs evidence takes for matches. costly:
    gives further views, which are only looked at where evidence does not decide alone.
    """
    trust = _Trust(pairs, excess, _put_first_by_all(views, likely))
    shares = {name: pairs.mutual_best(value) for name, value in views.items()}
    trusted = trust.of(shares)
    if trusted[EVIDENCE] >= ALONE and not pairs.across and trust.share_alone >= IN_PAIRS:
        return ViewRanking(_judged(shares, trusted, {EVIDENCE: 1.0}), None)
    views = {**views, **costly()}
    shares |= {name: pairs.mutual_best(views[name]) for name in views.keys() - shares.keys()}
    shares = {name: shares[name] for name in views}
    trust = _Trust(pairs, excess, _put_first_by_all(views, likely))
    scaled = {name: _scaled(value) if name == EVIDENCE else value for name, value in views.items()}
    for name in list(scaled):
        hood = NEIGHBOURHOODS.format(name)
        scaled[hood] = neighbourhoods(pairs, scaled[name])
        shares[hood] = pairs.mutual_best(scaled[hood])
    trusted = trust.of(shares)
    score = sum(
        (trusted[name] * _percentiles(value) for name, value in scaled.items()),
        start=np.zeros(len(pairs.left)),
    )
    # A feature counts by the root of its trust: what is not trusted must work against the penalty.
    columns, of_view = [], []
    for name, value in scaled.items():
        for nth, feature in enumerate(_features(pairs, value)):
            columns.append((np.sqrt(trusted[name]) * feature).astype(np.float32))
            of_view.append((name, nth))
    coefficients = np.zeros(len(columns))
    rng = np.random.Generator(np.random.PCG64(seed))
    n_first = max(1, min(int(POSITIVES_PER_RECORD * pairs.n_records), len(score) // 3))
    for _ in range(ROUNDS):
        chosen, is_first = _chosen(score, n_first, rng)
        sample = np.stack([column[chosen] for column in columns], axis=1).astype(np.float64)
        coefficients = np.round(fit_non_negative(sample, is_first), 6)
        score = _combined(columns, coefficients)
    if not pairs.across:
        own = _scaled(score)
        own = _scaled(np.maximum(own - PLACES_COUNT * pairs.doublings(own), 0))
        of_groups = np.sqrt(_of_groups(pairs, own, views, trusted))
        counts = GROUPS_COUNT * max(LEAST_IN_GROUPS, trust.share_in_groups)
        score = np.round(own + counts * of_groups, DECIMALS + 2)
    # As many as are likely, but no more than one per record: evidence that errs takes them all.
    n_compared = max(n_first, min(int(likely.sum()), pairs.n_records))
    disputed = only_first_in(views[EVIDENCE], score, n_compared)
    coefficient = {
        name: float(c * np.sqrt(trusted[name]))
        for c, (name, nth) in zip(coefficients, of_view, strict=True)
        if nth == 0
    }
    agreement = 1 - len(disputed) / n_compared
    return ViewRanking(_judged(shares, trusted, coefficient), score, agreement, disputed)


def _of_groups(
    pairs: Pairs, score: Floats, views: Mapping[str, Floats], trusted: Mapping[str, float]
) -> Floats:
    """Give every pair the score at which the groups of its records merge, 0 to 1.

    Half of it by the combined score, half by each view alone: what merges wrongly is never mended
    within a tree, and different views err in different places. A view counts by half for itself,
    since mutual bests say little of entities of many, and by half as far as it is trusted.
    """

    def merged_at(value: Floats) -> Floats:
        return average_linkage(
            pairs.left, pairs.right, pairs.n_records, np.minimum(_scaled(value), 1.0)
        )

    merged = merged_at(score)
    for name, value in views.items():
        trust = trusted[name] + trusted[NEIGHBOURHOODS.format(name)]
        merged += (trust + 1 / len(views)) / 2 * merged_at(value)
    return merged / 2


def _put_first_by_all(views: Mapping[str, Floats], likely: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the likely pairs that every view has among its first as many.

    Evidence alone may take ten times too many for matches, which would then seem to be groups.
    """
    first = likely.copy()
    for name, value in views.items():
        if name != EVIDENCE:
            by_view = np.zeros(len(likely), bool)
            by_view[np.argsort(-value, kind="stable")[: int(likely.sum())]] = True
            first &= by_view
    # Where a view is noise, all of them agree on nothing.
    return first if first.sum() >= LEAST_OF_LIKELY * likely.sum() else likely


def only_first_in(one: Floats, other: Floats, n_first: int) -> NDArray[np.int64]:
    """Give the places of the pairs that are among the first by one view and not by the other."""
    first, others = (np.argsort(-value, kind="stable")[:n_first] for value in (one, other))
    return np.setdiff1d(first, others)


@dataclass(frozen=True)
class _Trust:
    """How far views are trusted, given what is known of the data."""

    pairs: Pairs
    excess: float
    likely: NDArray[np.bool_]

    def of(self, shares: Mapping[str, float]) -> dict[str, float]:
        """Give the trust of each view from its share of mutual bests; they add up to 1."""
        hoods = 0.0 if self.pairs.across else -SHARE_OF_PAIRS_ALONE * self.share_alone
        least, per_excess, beyond = HEAD_START_ACROSS if self.pairs.across else HEAD_START
        evidence = least + per_excess * max(0.0, self.excess - beyond)
        per_share = TRUST_PER_SHARE_ACROSS if self.pairs.across else TRUST_PER_SHARE
        per_share *= 1 - 0.5 * self.share_in_groups
        best_evidence = (EVIDENCE, NEIGHBOURHOODS.format(EVIDENCE))
        of_view = {NEIGHBOURHOODS.format(name): name for name in shares}
        share = {}
        for name, of in shares.items():
            share[name] = of + (evidence if name in best_evidence else 0)
            if name in of_view:  # even the neighbourhoods of noise are often mutual
                share[name] += min(0.0, shares[of_view[name]] - of) + hoods
        highest = max(share.values())
        trust = {name: float(np.exp(per_share * (of - highest))) for name, of in share.items()}
        total = sum(trust.values())
        return {name: of / total for name, of in trust.items()}

    @cached_property
    def share_alone(self) -> float:
        """Return the share of the likely matched records that have one partner only."""
        sides = [self.pairs.left[self.likely], self.pairs.right[self.likely]]
        partners = np.bincount(np.concatenate(sides), minlength=1)
        matched = int((partners > 0).sum())
        return float((partners == 1).sum() / matched) if matched else 1.0

    @property
    def share_in_groups(self) -> float:
        """Say how far entities are larger than two: 0 where a quarter have one partner only."""
        return 0.0 if self.pairs.across else max(0.0, 1 - self.share_alone / MOST_ALONE)


def _judged(
    shares: Mapping[str, float], trusted: Mapping[str, float], coefficients: Mapping[str, float]
) -> tuple[View, ...]:
    return tuple(
        View(name, round(share, 4), round(trusted[name], 4), round(coefficients.get(name, 0), 4))
        for name, share in shares.items()
    )


def neighbourhoods(pairs: Pairs, value: Floats) -> Floats:
    """Give every pair the cosine of the neighbourhoods of its records.

    A record's neighbourhood are its candidates, each with the square of their value as a share of
    the largest, and itself with 1.
    """
    import scipy.sparse as sp

    clipped = np.clip(value, 0, None)
    top = float(np.quantile(clipped, 0.999)) or 1.0
    near = (np.minimum(clipped / top, 1.0) ** 2).astype(np.float32)
    own = np.arange(pairs.n_records, dtype=np.int32)
    rows = np.concatenate([pairs.left, pairs.right, own])
    columns = np.concatenate([pairs.right, pairs.left, own])
    values = np.concatenate([near, near, np.ones(len(own), np.float32)])
    hoods = sp.csr_matrix((values, (rows, columns)), shape=(len(own), len(own)))
    hoods.sort_indices()  # so that products are summed in one order
    lengths = np.sqrt(np.asarray(hoods.multiply(hoods).sum(axis=1)).ravel())
    hoods.data /= np.repeat(lengths, np.diff(hoods.indptr)).astype(np.float32)
    return _products(hoods, pairs)


def _products(rows: "csr_matrix", pairs: Pairs) -> Floats:
    products = np.empty(len(pairs.left))
    for start in range(0, len(products), PAIRS_PER_BATCH):
        batch = slice(start, start + PAIRS_PER_BATCH)
        both = rows[pairs.left[batch]].multiply(rows[pairs.right[batch]])
        products[batch] = np.asarray(both.sum(axis=1)).ravel()
    rounded: Floats = np.round(products, DECIMALS)
    return rounded


def _features(pairs: Pairs, value: Floats) -> list[Floats]:
    """List what a view says of a pair: its value and, across sources, that beside its rivals'.

    Where a record may have many matches, the best of them says nothing against the others.
    """
    if not pairs.across:
        return [value]
    best = np.maximum(pairs.best(value), 0)
    left, right = best[pairs.left], best[pairs.right]
    larger, mean = np.maximum(left, right), np.sqrt(left * right)
    return [
        value,
        np.divide(value, larger, out=np.zeros_like(value), where=larger > 0),
        np.divide(value, mean, out=np.zeros_like(value), where=mean > 1e-6),
    ]


def _scaled(value: Floats) -> Floats:
    """Put values on a scale from 0 to about 1, as cosines are, whatever their extremes."""
    low, high = np.quantile(value, [0.001, 0.999])
    scaled: Floats = np.round(np.clip((value - low) / (high - low + 1e-9), 0, None), DECIMALS + 2)
    return scaled


def _percentiles(value: Floats) -> Floats:
    place = np.empty(len(value))
    place[np.argsort(value, kind="stable")] = np.arange(len(value)) / len(value)
    return place


def _chosen(
    score: Floats, n_first: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Floats]:
    """Choose pairs taken for matches and pairs taken for none; give their places, and which is."""
    order = np.argsort(-score, kind="stable")
    first, rest = order[:n_first], order[int(BEHIND * n_first) :]
    if len(first) > MOST_POSITIVES:
        first = first[rng.choice(len(first), MOST_POSITIVES, replace=False)]
    wanted = min(len(rest), NEGATIVES_PER_POSITIVE * len(first))
    others = rest[rng.choice(len(rest), wanted, replace=False)]
    is_first = np.concatenate([np.ones(len(first)), np.zeros(len(others))])
    return np.concatenate([first, others]), is_first


def fit_non_negative(sample: Floats, is_match: Floats) -> Floats:
    """Fit a logistic regression with an intercept and coefficients of at least 0.

    sample: (n, n_features). is_match: (n,) 1 or 0. A small ridge penalty; accelerated projected
    gradient. Sums are taken by einsum, which gives the same digits for any number of threads.
    """
    n = len(is_match)
    centred = sample - sample.mean(axis=0)
    gram = np.einsum("ij,ik->jk", centred, centred) / n
    step = 1 / (0.25 * float(np.abs(gram).sum(axis=1).max()) + PENALTY + 0.25)
    weights, intercept = np.zeros(sample.shape[1]), 0.0
    ahead, ahead_intercept, momentum = weights, intercept, 1.0
    for _ in range(STEPS):
        odds = np.einsum("ij,j->i", centred, ahead) + ahead_intercept
        error = (1 / (1 + np.exp(-odds)) - is_match) / n
        slope = np.einsum("ij,i->j", centred, error) + PENALTY * ahead
        new = np.maximum(0, ahead - step * slope)
        new_intercept = ahead_intercept - step * float(error.sum())
        grown = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / grown * (new - weights)
        ahead_intercept = new_intercept + (momentum - 1) / grown * (new_intercept - intercept)
        weights, intercept, momentum = new, new_intercept, grown
    return weights


def _combined(columns: Sequence[NDArray[np.float32]], coefficients: Floats) -> Floats:
    score = np.zeros(len(columns[0]))
    for column, coefficient in zip(columns, coefficients, strict=True):
        if coefficient:
            score += coefficient * column
    rounded: Floats = np.round(score, DECIMALS)
    return rounded
