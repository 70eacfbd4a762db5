"""Candidate lists: of each text those most similar by the n-grams that are searched, packed.

An entry is one whole number: similarity, text and full similarity in its bits, so that sorting the
numbers sorts the lists by similarity, ties by the lower text. A list knows down to which similarity
it is whole; so two lists of one text, over different others, can be put together, and what is gone
can be taken out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.neighbours.nearest import DECIMALS, Lists

# Bits of a similarity, which is at most 10,000 of its last decimals, and of a text's number.
SIMILARITY_BITS, TEXT_BITS = 14, 31
MOST = (1 << SIMILARITY_BITS) - 1
TEXT_SHIFT, SHIFT = SIMILARITY_BITS, SIMILARITY_BITS + TEXT_BITS
NONE = np.int64(np.iinfo(np.int64).max)
WHOLE = -1  # a border that nothing lies below: the list is whole


@dataclass(frozen=True)
class Candidates:
    """The lists of some texts.

    packed: (n_texts, width) ascending entries, NONE where a list is shorter. border: (n_texts,)
    similarity above which every candidate there is is listed, in last decimals; WHOLE for all.
    """

    packed: NDArray[np.int64]
    border: NDArray[np.int16]

    def rows(self, rows: NDArray[np.int64]) -> "Candidates":
        """Return the lists of some of the texts."""
        return Candidates(self.packed[rows], self.border[rows])

    def are_settled(self, n: int) -> NDArray[np.bool_]:
        """Say of each list whether its first n entries are those of all candidates."""
        known = (found_similarity(self.packed) > self.border[:, None]) & (self.packed != NONE)
        settled: NDArray[np.bool_] = (self.border == WHOLE) | (known.sum(axis=1) >= n)
        return settled


def last_decimals(similarity: NDArray[np.float32]) -> NDArray[np.int64]:
    """Write similarities as whole numbers of their last decimal."""
    rounded = np.rint(similarity.astype(np.float64) * 10**DECIMALS).astype(np.int64)
    bounded: NDArray[np.int64] = np.clip(rounded, 0, MOST)
    return bounded


def pack(
    found: NDArray[np.int64], texts: NDArray[np.int64], full: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pack entries: similarity over what is searched, the text, similarity over everything."""
    packed: NDArray[np.int64] = (MOST - found) << SHIFT | texts << TEXT_SHIFT | (MOST - full)
    return packed


def found_similarity(packed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the similarity over what is searched, in last decimals; below 0 for NONE."""
    similarity: NDArray[np.int64] = MOST - (packed >> SHIFT)
    return similarity


def texts_in(packed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the texts of entries."""
    texts: NDArray[np.int64] = packed >> TEXT_SHIFT & ((1 << TEXT_BITS) - 1)
    return texts


def renumbered(candidates: Candidates, number: NDArray[np.int64]) -> Candidates:
    """Give the texts other numbers, -1 for those that are gone; only what is known is kept.

    number: by the text's number now.
    """
    packed = candidates.packed
    is_known = (packed != NONE) & (found_similarity(packed) > candidates.border[:, None])
    texts = np.where(is_known, texts_in(packed), 0)
    new = np.where(is_known, number[texts], -1)
    others = packed & ~np.int64(((1 << TEXT_BITS) - 1) << TEXT_SHIFT)
    kept = np.where(new >= 0, others | new << TEXT_SHIFT, NONE)
    return Candidates(np.sort(kept, axis=1), candidates.border)


def merged(one: Candidates, other: Candidates) -> Candidates:
    """Put together lists of the same texts over different others; known where both are."""
    border = np.maximum(one.border, other.border)
    # Few of the others come in, and they stand first.
    come_in = (other.packed != NONE) & (found_similarity(other.packed) > border[:, None])
    n_others = int(come_in.sum(axis=1).max(initial=0))
    both = np.concatenate([one.packed, other.packed[:, :n_others]], axis=1)
    is_known = (both != NONE) & (found_similarity(both) > border[:, None])
    packed = np.sort(np.where(is_known, both, NONE), axis=1)
    longest = max(int(is_known.sum(axis=1).max(initial=0)), 1)
    return Candidates(packed[:, :longest], border)


def cut(candidates: Candidates, width: int) -> Candidates:
    """Cut lists to a width, which they get if they are shorter, too."""
    packed, border = candidates.packed, candidates.border
    n, longest = packed.shape
    if longest <= width:
        padded = np.full((n, width), NONE, np.int64)
        padded[:, :longest] = packed
        return Candidates(padded, border)
    over = packed[:, width]
    # NONE lies below every border
    border = np.maximum(border, found_similarity(over)).astype(np.int16)
    return Candidates(np.ascontiguousarray(packed[:, :width]), border)


def without_ties(candidates: Candidates, n: int) -> Candidates:
    """Leave out what is no more similar than a list's candidate n + 1, and all that follow.

    So it is known which are left, also where a list ends in a tie before its n-th.
    """
    packed = candidates.packed
    least = candidates.border.astype(np.int64)
    if packed.shape[1] > n:
        least = np.maximum(least, found_similarity(packed[:, n]))  # NONE lies below every border
    is_above = (packed != NONE) & (found_similarity(packed) > least[:, None])
    return Candidates(np.where(is_above, packed, NONE), candidates.border)


def ranked(
    candidates: Candidates, queries: NDArray[np.int64], n: int, k: int, floor: float
) -> Lists:
    """List the k most similar by everything, of the first n candidates of each.

    queries: (n_texts,) number of the text that each list is of. floor: least similarity listed.
    """
    first = candidates.packed[:, :n]
    full = MOST - (first & MOST)
    is_listed = (first != NONE) & (full >= int(np.rint(floor * 10**DECIMALS)))
    keys = np.where(is_listed, (MOST - full) << TEXT_BITS | texts_in(first), NONE)
    keys = np.sort(keys, axis=1)[:, :k]
    rows, places = np.nonzero(keys != NONE)
    found = keys[rows, places]
    similarity = (MOST - (found >> TEXT_BITS)) / 10**DECIMALS
    return Lists(
        queries[rows].astype(np.int32),
        (found & ((1 << TEXT_BITS) - 1)).astype(np.int32),
        similarity.astype(np.float32),
        (places + 1).astype(np.int16),
    )
