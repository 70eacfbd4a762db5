"""Pairs and their scores -> the candidates of every record, best first.

Who stands first in whose list says what no score says: records that resemble many, as those of a
venue or of an artist do, have high scores with all of them, and at most a few are matches.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# As many as a list of neighbours holds where nothing else is said; behind them all are equally far,
# so that entities of hundreds, whose lists are long with matches, lose nothing.
LAST_PLACE = 10


@dataclass(frozen=True)
class Pairs:
    """The candidates: (n_pairs,) record numbers, in their order; across: a link of two sources.

    source: (n_records,) number of each record's source, where several are linked.
    """

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    n_records: int
    across: bool
    source: NDArray[np.int64] | None = None

    def best(self, value: Floats) -> Floats:
        """Give the best value of every record, 0 for those without a pair."""
        best = np.full(self.n_records, -np.inf)
        np.maximum.at(best, self.left, value)
        np.maximum.at(best, self.right, value)
        best[~np.isfinite(best)] = 0
        return best

    def mutual_best(self, value: Floats) -> float:
        """Return the share of records whose best candidate has them as its best, too.

        Of equal ones the first in the order of pairs is the best.
        """
        best = self.best(value)
        n_pairs = len(value)
        first = np.full(self.n_records, n_pairs)
        for side in (self.left, self.right):
            at_best = np.flatnonzero(value == best[side])
            np.minimum.at(first, side[at_best], at_best)
        n_with_pairs = int((first < n_pairs).sum())
        is_mutual = first[self.left] == first[self.right]
        return 2 * int(is_mutual.sum()) / max(1, n_with_pairs)

    def doublings(self, value: Floats) -> Floats:
        """Say how often a pair's place doubles from the first: log2 of it, the mean of both lists.

        When linking, a list is of a record's candidates in one source: each has a match of its own.
        Equal values share a place; no place is behind `LAST_PLACE`.
        """
        list_of = np.concatenate([self.left, self.right]).astype(np.int64)
        if self.source is not None:
            n_sources = int(self.source.max(initial=0)) + 1
            others = np.concatenate([self.right, self.left])
            list_of = list_of * n_sources + self.source[others]
        values = np.concatenate([value, value])
        order = np.lexsort((-values, list_of))
        list_of, values = list_of[order], values[order]
        begins = np.diff(list_of, prepend=-1) != 0
        differs = begins | (np.diff(values, prepend=np.inf) != 0)
        at = np.arange(len(order))
        first_of_list = np.maximum.accumulate(np.where(begins, at, 0))
        first_of_value = np.maximum.accumulate(np.where(differs, at, 0))
        doubled = np.empty(len(order))
        doubled[order] = np.log2(np.minimum(first_of_value - first_of_list + 1, LAST_PLACE))
        return (doubled[: len(value)] + doubled[len(value) :]) / 2
