"""Sparse search: the most similar texts by TF-IDF vectors, found by their rarer terms if need be.

Where every column may be searched by, lists are exact. Else the most similar by rare terms and
pairs of common ones (see `common_terms`) are candidates, which are ranked by all columns.
"""

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.neighbours.nearest import (
    SPARE,
    Entries,
    Lists,
    sample_rows,
    settled,
    share_found,
)
from er_pipeline.blocking.neighbours.packed_lists import (
    MOST,
    NONE,
    WHOLE,
    Candidates,
    cut,
    last_decimals,
    pack,
    ranked,
    without_ties,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

logger = logging.getLogger(__name__)

# Listed beyond those where n-grams were left out, and ranked by the whole product: where rare ones
# alone find them, and where pairs of common ones do, too, which say less of how similar they are.
SPARE_FOR_COMMON, SPARE_FOR_PAIRS = 40, 100
# Of the least similarity listed, what a candidate must reach by what is searched by.
FOUND_SHARE = 0.8
SPARSE_SLICE = 50_000  # queries searched at once
TARGET_SLICE = 250_000  # targets searched at once, so that their sums stay in the cache
TERMS_SLICE = 500_000  # by terms a search meets fewer of them
ENTRIES_PER_BATCH = 4_000  # of lists, when whole products are made: what they need is in the cache


class SparseSearch:
    """A search of rows among rows.

    queries, targets: (n, n_columns) rows of length 1, with sorted indices. query_texts,
    target_texts: the ascending numbers of the texts that they are; a text is not its own neighbour.
    found_by: queries and targets as they are searched by, where not by all columns; these only
    rank what is found. spare: how many more than k of those are ranked. k: how many are wanted.
    """

    def __init__(
        self,
        queries: "csr_matrix",
        targets: "csr_matrix",
        query_texts: NDArray[np.int64],
        target_texts: NDArray[np.int64],
        *,
        found_by: "tuple[csr_matrix, csr_matrix] | None",
        spare: int = 0,
        k: int,
        floor: float,
        threads: int,
    ) -> None:
        """Turn the targets round, so that they can be searched by column."""
        self._query_texts, self._target_texts = query_texts, target_texts
        self._k, self._spare, self._threads = k, spare, threads
        self.has_common = found_by is not None
        self._floor = floor * FOUND_SHARE if self.has_common else floor
        self._whole = queries, targets
        self._queries, kept = found_by or self._whole
        n_at_once = TERMS_SLICE if self.has_common else TARGET_SLICE
        self._rights = [
            kept[start : start + n_at_once].T.tocsr()
            for start in range(0, targets.shape[0], n_at_once)
        ]

    @property
    def n_candidates(self) -> int:
        """How many candidates of each text are ranked."""
        return self._k + self._spare

    @property
    def width(self) -> int:
        """How many candidates of each text are kept: some may be gone another night."""
        return self.n_candidates + SPARE

    def find(self, numbers: NDArray[np.int64], *, settle: bool = True) -> Candidates:
        """Find the candidates of some queries.

        settle: whether the first `n_candidates` must be right also where there are ties. By terms
        they are cut short of a tie, see `ranked`.
        """
        rows_wanted = numbers.astype(np.int32)
        length = self.width + 1  # a text finds itself, too
        if settle and not self.has_common:
            rows, targets, found = settled(
                self._search, rows_wanted, length, self.n_candidates + 1, self._floor
            )
        else:
            rows, targets, found = self._search(rows_wanted, length)
        place_of_row = np.full(self._queries.shape[0], -1, np.int64)
        place_of_row[rows_wanted] = np.arange(len(rows_wanted))
        listed = place_of_row[rows]
        sizes = np.bincount(listed, minlength=len(rows_wanted))
        # Lists of ties were searched further, and few of them are so long.
        usual = self._packed(listed, rows, targets, found, sizes, sizes <= length)
        if (sizes > length).any():
            long = np.flatnonzero(sizes > length)
            others = self._packed(listed, rows, targets, found, sizes, sizes > length)
            usual.packed[long], usual.border[long] = others.packed[long], others.border[long]
        return usual

    def ranked(self, candidates: Candidates, texts: NDArray[np.int64], floor: float) -> Lists:
        """List the k most similar of the candidates of some texts, by all columns."""
        n = self.n_candidates
        if self.has_common:
            candidates = without_ties(candidates, n)
        return ranked(candidates, texts, n, self._k, floor)

    def _search(self, numbers: NDArray[np.int32], length: int) -> Entries:
        from sparse_dot_topn import sp_matmul_topn, zip_sp_matmul_topn

        part = self._queries[numbers]
        parts = [
            sp_matmul_topn(
                part, right, length, threshold=self._floor, sort=False, n_threads=self._threads
            )
            for right in self._rights
        ]
        found: Any = zip_sp_matmul_topn(length, parts) if len(parts) > 1 else parts[0]
        rows = np.repeat(numbers, np.diff(found.indptr))
        return rows, found.indices.astype(np.int32), found.data

    def _packed(
        self,
        listed: NDArray[np.int64],
        rows: NDArray[np.int32],
        targets: NDArray[np.int32],
        found: NDArray[np.float32],
        sizes: NDArray[np.int64],
        wanted: NDArray[np.bool_],
    ) -> Candidates:
        """Put the entries of the wanted lists into lists of the usual width, the others empty."""
        of_wanted = wanted[listed]
        listed, rows, targets = listed[of_wanted], rows[of_wanted], targets[of_wanted]
        found = found[of_wanted]
        of_list = np.where(wanted, sizes, 0)
        longest = int(of_list.max(initial=0))
        packed = np.full((len(sizes), max(longest, 1)), NONE, np.int64)
        # The entries of a list stand side by side, but the lists are in no order.
        starts = np.flatnonzero(np.diff(listed, prepend=-1))
        lengths = np.diff(np.append(starts, len(listed)))
        place = np.arange(len(listed)) - np.repeat(starts, lengths)
        similarity = last_decimals(found)
        # Where the full similarity will stand is the entry's place, until it is known.
        packed[listed, place] = pack(similarity, self._target_texts[targets], MOST - place)
        is_itself = self._target_texts[targets] == self._query_texts[rows]
        packed[listed[is_itself], place[is_itself]] = NONE
        border = np.full(len(sizes), WHOLE, np.int16)
        if len(starts):
            least = np.minimum.reduceat(similarity, starts)
            is_full = lengths > self.width
            border[listed[starts[is_full]]] = least[is_full]
        lists = cut(Candidates(np.sort(packed, axis=1), border), self.width)
        start_of = np.zeros(len(sizes), np.int64)
        start_of[listed[starts]] = starts
        at_row, at_column = np.nonzero(lists.packed != NONE)
        entries = lists.packed[at_row, at_column]
        entry = start_of[at_row] + (entries & MOST)
        full = found[entry]
        if self.has_common:
            full = products(*self._whole, rows[entry], targets[entry])
        lists.packed[at_row, at_column] = entries & ~np.int64(MOST) | MOST - last_decimals(full)
        return lists


def measure_recall(
    search: SparseSearch,
    queries: "csr_matrix",
    targets: "csr_matrix",
    query_texts: NDArray[np.int64],
    target_texts: NDArray[np.int64],
    *,
    k: int,
    floor: float,
    threads: int,
    seed: int,
) -> float:
    """Return the share of the exact lists of a seeded sample that a search finds.

    The others: of the search. 1.0 where no column is left out.
    """
    if not search.has_common:
        return 1.0
    sample = sample_rows(queries.shape[0], seed).astype(np.int64)
    texts = query_texts[sample]
    exactly = SparseSearch(
        queries[sample],
        targets,
        texts,
        target_texts,
        found_by=None,
        k=k,
        floor=floor,
        threads=threads,
    )
    everything = np.arange(len(sample))
    exact = ranked(exactly.find(everything, settle=False), texts, k, k, floor)
    found = search.ranked(search.find(sample), texts, floor)
    recall = share_found(exact, found)
    logger.info("the rarer n-grams find %.4f of the lists of all", recall)
    return recall


def products(
    left: "csr_matrix",
    right: "csr_matrix",
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Multiply the given rows of one side with the given rows of the other, one by one.

    Fast where a row of the left stands several times on end: it is written out once, and what a
    row of the right holds is looked up in it.
    """
    from scipy.sparse import csr_matrix

    found = np.empty(len(rows), np.float32)
    place = np.zeros(left.shape[1], np.int32)  # of a column in use by a batch, from 1
    for start in range(0, len(rows), ENTRIES_PER_BATCH):
        batch = slice(start, start + ENTRIES_PER_BATCH)
        some, of = np.unique(rows[batch], return_inverse=True)
        ones, others = left[some], right[columns[batch]]
        in_use = np.unique(ones.indices)
        place[in_use] = np.arange(1, len(in_use) + 1)
        written = np.zeros((len(some), len(in_use) + 1), np.float32)
        of_row = np.repeat(np.arange(len(some)), np.diff(ones.indptr))
        written[of_row, place[ones.indices]] = ones.data
        begins = of.astype(np.int32) * np.int32(written.shape[1])
        cells = place[others.indices] + np.repeat(begins, np.diff(others.indptr))
        place[in_use] = 0
        shape = (len(of), written.size)
        found[batch] = (
            csr_matrix((others.data, cells, others.indptr), shape=shape) @ written.ravel()
        )
    return found


def common_columns(queries: "csr_matrix", targets: "csr_matrix", most: float) -> NDArray[np.bool_]:
    """Mark the commonest columns, without which a search costs at most so many products."""
    n_columns = targets.shape[1]
    in_targets = np.bincount(targets.indices, minlength=n_columns)
    work = in_targets.astype(np.float64) * np.bincount(queries.indices, minlength=n_columns)
    order = np.argsort(in_targets, kind="stable")
    common = work > 0
    common[order[np.cumsum(work[order]) <= most]] = False
    return common


def most_texts(texts: NDArray[np.int64], share: float, most: float) -> int:
    """Return in how many texts a column may be and still be searched by, as it was learned.

    texts: of every learned column. share: of the pairs of texts that are compared. A column costs
    the square of its texts times that share; all those searched by cost at most `most` products.
    """
    levels, n_columns = np.unique(texts, return_counts=True)
    work = np.cumsum(n_columns * levels.astype(np.float64) ** 2 * share)
    affordable = np.flatnonzero(work <= most)
    return int(levels[affordable[-1]]) if len(affordable) else 0


def work_of(queries: "csr_matrix", targets: "csr_matrix") -> float:
    """Return how many products a search costs."""
    n_columns = targets.shape[1]
    in_targets = np.bincount(targets.indices, minlength=n_columns).astype(np.float64)
    in_queries = np.bincount(queries.indices, minlength=n_columns)
    return float((in_targets * in_queries).sum())
