"""Scores of pairs -> the score at which the groups of their records merge.

Two records of one entity may look unlike each other and yet each be like the rest of it; two of
different entities may look alike while all around them differ. Average linkage asks the groups: it
merges the two whose pairs score highest on average, a pair that was never a candidate counting 0,
until no candidates are left between groups.

All pairs of groups that are each other's best merge in one round. For average linkage this builds
the same tree as one merge after another does, in a few dozen passes over arrays.

Source: Sumengen, Rajagopalan, Citovsky, Simcha, Bachem, Mitra, Blasiak, Liang, Kumar, "Scaling
Hierarchical Agglomerative Clustering to Billion-sized Datasets", 2021.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

# Scores are added up as whole numbers of this step, so that no order of the pairs changes a digit.
STEP = 1e-6


@dataclass(frozen=True)
class _Groups:
    """Between groups: (n_edges,) the lower and the higher group, and the sum of their pairs."""

    low: Whole
    high: Whole
    total: Whole


def average_linkage(
    left: NDArray[np.int32], right: NDArray[np.int32], n_records: int, score: Floats
) -> Floats:
    """Return for every pair the average score at which the groups of its two records merge.

    left, right: (n_pairs,) record numbers below n_records, each pair once. score: (n_pairs,), not
    below 0. The value of a pair is its own score where nothing merged before.
    """
    ends = np.minimum(left, right).astype(np.int64), np.maximum(left, right).astype(np.int64)
    between, edge_of = _added_up(*ends, np.rint(score / STEP).astype(np.int64), n_records)
    open_pairs = np.arange(len(score))
    size = np.ones(n_records, np.int64)
    merged_at = np.zeros(len(score))
    while len(open_pairs):
        average = between.total / (size[between.low] * size[between.high])
        merges = _best_of_each_other(between, average, n_records)
        is_merged = np.zeros(len(average), bool)
        is_merged[merges] = True
        ends_here = is_merged[edge_of]
        merged_at[open_pairs[ends_here]] = average[edge_of[ends_here]]
        open_pairs, edge_of = open_pairs[~ends_here], edge_of[~ends_here]
        low, high = between.low[merges], between.high[merges]
        size[low] += size[high]
        group = np.arange(n_records)
        group[high] = low
        rest = ~is_merged
        one, other = group[between.low[rest]], group[between.high[rest]]
        new_edge = np.full(len(average), -1)
        between, new_edge[rest] = _added_up(
            np.minimum(one, other), np.maximum(one, other), between.total[rest], n_records
        )
        edge_of = new_edge[edge_of]
    return merged_at * STEP


def _added_up(low: Whole, high: Whole, total: Whole, n_groups: int) -> tuple[_Groups, Whole]:
    """Add up what lies between the same two groups; say to which edge each of them went."""
    edges, edge_of = np.unique(low * n_groups + high, return_inverse=True)
    sums = np.zeros(len(edges), np.int64)
    np.add.at(sums, edge_of, total)
    return _Groups(edges // n_groups, edges % n_groups, sums), edge_of


def _best_of_each_other(between: _Groups, average: Floats, n_groups: int) -> Whole:
    """Give the edges whose two groups are each other's best; of equal ones the first.

    The highest average of all is always among them, so every round merges something.
    """
    best = np.full(n_groups, -1.0)
    first = np.full(n_groups, len(average))
    for side in (between.low, between.high):
        np.maximum.at(best, side, average)
    at_best = np.flatnonzero((average == best[between.low]) & (average == best[between.high]))
    for side in (between.low, between.high):
        np.minimum.at(first, side[at_best], at_best)
    is_first = (first[between.low[at_best]] == at_best) & (first[between.high[at_best]] == at_best)
    chosen: Whole = at_best[is_first]
    return chosen
