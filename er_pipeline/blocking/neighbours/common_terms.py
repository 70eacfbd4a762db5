"""Common terms: what a search finds by where columns are too common to be searched one by one.

The n-grams of one word stand together, so most common columns say the same as their neighbours:
those that do are one term. A term too common to find by itself still finds as one of a pair: a town
is in a hundredth of the texts, and so is a first name, both in one of ten thousand. What stands
together, and which pairs are common themselves, is learned once from a sample, so that what a text
is searched by follows from that text alone, and is the same night after night.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Texts from which on common terms are learned: below, few columns are too common.
LEARNED_FROM = 100_000
SAMPLED_TEXTS = 40_000
# Products of the sample's columns with each other: long texts are sampled less.
SAMPLED_PRODUCTS = 100_000_000
LEAST_SEEN = 15  # times in the sample; what is rarer is no common term
# Columns are one term where both stand in this share of the texts of the more common one.
LEAST_TOGETHER = 0.5
# What both terms of a pair must weigh of the square of a text's length, and one alone: pairs that
# weigh less are many and say little. At a million people they find 3 in 100 entries more.
PAIR_WEIGHT, TERM_WEIGHT = 0.06, 0.015
# Of what both weigh, counted by a pair: a term stands in several.
PAIR_SHARE = 0.5
MOST_PAIRED = 8_192  # terms, the commonest
ROWS_PER_BATCH = 100_000


@dataclass(frozen=True)
class CommonTerms:
    """Which common columns stand together, and which of their pairs are common.

    columns: (n,) ascending, as they were learned. texts: (n,) that held each. leaders: (n,) place
    in columns of the rarest of those that each stands with, its own where it stands alone. pairs:
    (m,) ascending, of two leaders: places a < b as a * n + b. pair_texts: (m,) that held both.
    """

    columns: NDArray[np.int64]
    texts: NDArray[np.int64]
    leaders: NDArray[np.int64]
    pairs: NDArray[np.int64]
    pair_texts: NDArray[np.int64]

    @classmethod
    def none(cls) -> "CommonTerms":
        """Return that nothing is known of any column."""
        return cls(*(np.zeros(0, np.int64) for _ in range(5)))

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is known, so that common columns cannot find anything."""
        return not len(self.columns)

    def save(self, folder: Path) -> None:
        """Keep them beside what else was learned."""
        np.save(folder / "common_terms.npy", np.stack([self.columns, self.texts, self.leaders]))
        np.save(folder / "common_pairs.npy", np.stack([self.pairs, self.pair_texts]))

    @classmethod
    def load(cls, folder: Path) -> "CommonTerms":
        """Read them; none where an earlier version learned."""
        if not (folder / "common_terms.npy").exists():
            return cls.none()
        return cls(*np.load(folder / "common_terms.npy"), *np.load(folder / "common_pairs.npy"))


def sampled(n_texts: int) -> NDArray[np.int64]:
    """Say which texts common terms are learned from: evenly spread ones, none of few texts."""
    if n_texts < LEARNED_FROM:
        return np.zeros(0, np.int64)
    return np.unique(np.linspace(0, n_texts - 1, min(n_texts, SAMPLED_TEXTS)).astype(np.int64))


def learn_common_terms(
    vectors: "csr_matrix", texts: NDArray[np.int64], n_texts: int
) -> CommonTerms:
    """Learn from a sample of all texts.

    vectors: (n_sample, n_columns). texts: (n_columns,) of all, that hold each column.
    """
    import scipy.sparse as sp

    of_row = np.diff(vectors.indptr).astype(np.float64)
    products = float((of_row**2).sum())
    if products > SAMPLED_PRODUCTS:
        n_sampled = int(vectors.shape[0] * SAMPLED_PRODUCTS / products)
        rows = np.linspace(0, vectors.shape[0] - 1, max(n_sampled, 1)).astype(np.int64)
        vectors = vectors[rows]
    seen = np.bincount(vectors.indices, minlength=vectors.shape[1])
    columns = np.flatnonzero(seen >= LEAST_SEEN)
    if not len(columns):
        return CommonTerms.none()
    held = sp.csr_matrix(vectors[:, columns])
    leaders = _leaders(held, texts[columns])
    masses = _grouped(held, leaders, len(columns))
    _, keys, _ = _pairs(masses)
    pairs, counts = np.unique(keys, return_counts=True)
    common = counts >= LEAST_SEEN
    pair_texts = np.rint(counts[common] * (n_texts / vectors.shape[0])).astype(np.int64)
    return CommonTerms(columns, texts[columns], leaders, pairs[common], pair_texts)


def _leaders(held: "csr_matrix", texts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join every column to the rarest leader it stands together with, the rarest columns first."""
    ones = held.copy()
    ones.data = np.ones_like(ones.data)  # counted exactly, as whole numbers below 2 ** 24
    together = (ones.T @ ones).tocoo()
    n_held = np.bincount(held.indices, minlength=held.shape[1])
    near = together.data >= LEAST_TOGETHER * np.maximum(n_held[together.row], n_held[together.col])
    one, other = together.row[near], together.col[near]
    order = np.argsort(texts, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    by_rank = np.lexsort((rank[other], rank[one]))
    one, other = one[by_rank], other[by_rank]
    starts = np.searchsorted(rank[one], np.arange(len(order) + 1))
    leaders = np.arange(len(order))
    for place, column in enumerate(order.tolist()):
        for candidate in other[starts[place] : starts[place + 1]].tolist():
            if rank[candidate] >= place:
                break
            if leaders[candidate] == candidate:
                leaders[column] = candidate
                break
    return leaders


def _grouped(vectors: "csr_matrix", term: NDArray[np.int64], n_terms: int) -> "csr_matrix":
    """Add up the squares of the columns of each term; rows with ascending terms.

    term: (n_columns,) that each column belongs to, -1 for none.
    """
    import scipy.sparse as sp

    terms = term[vectors.indices]
    squares = vectors.data**2
    is_of_term = terms >= 0
    indptr = vectors.indptr
    if not is_of_term.all():
        before = np.concatenate([[0], np.cumsum(is_of_term)])
        indptr = before[vectors.indptr]
        terms, squares = terms[is_of_term], squares[is_of_term]
    grouped = sp.csr_matrix(
        (squares, terms.astype(np.int32), indptr), shape=(vectors.shape[0], n_terms)
    )
    grouped.sum_duplicates()
    return grouped


def _pairs(
    masses: "csr_matrix",
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]:
    """Pair the terms of every row that weigh enough: rows, keys, and what both weigh."""
    n_rows, n_terms = masses.shape
    row = np.repeat(np.arange(n_rows, dtype=np.int32), np.diff(masses.indptr))
    heavy = masses.data >= TERM_WEIGHT
    row, term, mass = row[heavy], masses.indices[heavy].astype(np.int64), masses.data[heavy]
    n_of_row = np.bincount(row, minlength=n_rows)
    ends = np.cumsum(n_of_row)[row]
    n_after = ends - 1 - np.arange(len(row))  # a term is paired with those after it
    one = np.repeat(np.arange(len(row)), n_after)
    other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(n_after) - n_after, n_after)
    both = mass[one] + mass[other]
    kept = both >= PAIR_WEIGHT
    one, other = one[kept], other[kept]
    return row[one], term[one] * n_terms + term[other], both[kept]


class TermSearch:
    """What texts are searched by instead of their columns: rare terms, and pairs of common ones.

    It follows from what was learned and from the limits, so that it is the same every night.
    """

    def __init__(
        self,
        terms: CommonTerms,
        columns: NDArray[np.int64],
        common: NDArray[np.bool_],
        is_common: NDArray[np.bool_],
        most: int,
    ) -> None:
        """Number the terms.

        columns: (n_columns,) of the vectors, ascending, as they were learned. common: (n_columns,)
        which of them find nobody alone. is_common: the same of terms.columns. most: texts that may
        hold both terms of a pair.
        """
        leads = terms.leaders == np.arange(len(terms.columns))
        paired = np.flatnonzero(leads & is_common)
        if len(paired) > MOST_PAIRED:
            commonest = np.argsort(-terms.texts[paired], kind="stable")[:MOST_PAIRED]
            paired = np.sort(paired[commonest])
        self._n_paired = len(paired)
        number = np.full(len(terms.columns), -1, np.int64)
        number[paired] = np.arange(len(paired))
        place, is_known = _looked_up(columns, terms.columns)
        leader = terms.leaders[place[is_known]]
        self._paired = np.full(len(columns), -1, np.int64)
        self._paired[is_known] = number[leader]
        alone = np.where(common, -1, columns)
        alone[is_known] = np.where(is_common[leader], -1, terms.columns[leader])
        in_use = np.unique(alone[alone >= 0])
        self._rare = np.where(alone >= 0, np.searchsorted(in_use, alone), -1)
        self._n_rare = len(in_use)
        both = np.divmod(terms.pairs[terms.pair_texts > most], max(len(terms.columns), 1))
        one, other = (number[side] for side in both)
        self._too_common = np.zeros(self._n_paired**2, bool)
        are_paired = (one >= 0) & (other >= 0)
        self._too_common[(one * self._n_paired + other)[are_paired]] = True

    def vectors(self, *sides: "csr_matrix") -> "list[csr_matrix]":
        """Give what the texts of each side are searched by, their columns numbered alike."""
        parts = [list(self._parts(side)) for side in sides]
        in_use = np.zeros(self._n_paired**2, bool)
        for part in (part for side in parts for part in side):
            in_use[part.keys] = True
        number = np.cumsum(in_use, dtype=np.int32) + np.int32(self._n_rare - 1)
        width = self._n_rare + int(in_use.sum())
        return [_joined(side, number, max(width, 1)) for side in parts]

    def _parts(self, vectors: "csr_matrix") -> "Iterator[_Part]":
        for start in range(0, max(vectors.shape[0], 1), ROWS_PER_BATCH):
            rows = vectors[start : start + ROWS_PER_BATCH]
            rare = _grouped(rows, self._rare, max(self._n_rare, 1))
            rare.data = np.sqrt(rare.data)
            row, keys, masses = _pairs(_grouped(rows, self._paired, max(self._n_paired, 1)))
            allowed = ~self._too_common[keys]
            weights = np.sqrt(masses[allowed]) * np.float32(PAIR_SHARE)
            n_pairs = np.bincount(row[allowed], minlength=rows.shape[0])
            yield _Part(rare, n_pairs, keys[allowed].astype(np.int32), weights)


@dataclass(frozen=True)
class _Part:
    """Some rows: what they hold of rare terms, and of pairs, of which each row has so many."""

    rare: "csr_matrix"
    n_pairs: NDArray[np.int64]
    keys: NDArray[np.int32]
    weights: NDArray[np.float32]


def _joined(parts: list[_Part], number: NDArray[np.int32], width: int) -> "csr_matrix":
    """Put the pairs of every row behind its rare terms; number: of the key of a pair."""
    import scipy.sparse as sp

    n_of_row, indices, data = [], [], []
    for part in parts:
        n_rare = np.diff(part.rare.indptr)
        starts = np.cumsum(n_rare + part.n_pairs) - (n_rare + part.n_pairs)
        is_rare = np.ones(part.rare.nnz + len(part.keys), bool)
        before = np.cumsum(part.n_pairs) - part.n_pairs
        place = np.arange(len(part.keys)) + np.repeat(starts + n_rare - before, part.n_pairs)
        is_rare[place] = False
        index = np.empty(len(is_rare), np.int32)
        index[is_rare], index[place] = part.rare.indices, number[part.keys]
        weight = np.empty(len(is_rare), np.float32)
        weight[is_rare], weight[place] = part.rare.data, part.weights
        n_of_row.append(n_rare + part.n_pairs)
        indices.append(index)
        data.append(weight)
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(n_of_row))])
    return sp.csr_matrix(
        (np.concatenate(data), np.concatenate(indices), indptr), shape=(len(indptr) - 1, width)
    )


def _looked_up(
    wanted: NDArray[np.int64], known: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find the places of numbers among ascending ones, and whether they are there."""
    if not len(known):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return place, known[place] == wanted
