"""Neighbours: vectors -> the k most similar others of each, exactly or with a measured recall.

Lists come out slice by slice as arrays, never as Python objects, and nothing is n x n. Similarities
are rounded to four decimals before they are compared, and ties go to the lower number, so that
exact search gives the same lists for any number of threads.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.encoders.encoder import Dense

logger = logging.getLogger(__name__)

DECIMALS = 4
# Listed beyond k, so that ties at the end of a list are broken by number, not by chance.
SPARE = 8
# Where a list still ends within a tie it is made longer, up to so many entries, for so many queries
# at once; of longer ties those that the search meets first are listed, every time the same.
WIDEST_LIST, TIED_SLICE = 4_096, 2_000
DENSE_SLICE = 4_096  # flat search in batches below 1,000 is eight times dearer
# HNSW: links per node and width of the search while building; measured at 100k and 300k vectors.
HNSW_LINKS, HNSW_BUILD_WIDTH = 32, 160
SEARCH_WIDTHS = (64, 128, 256, 512)
SAMPLED_QUERIES = 1_000


@dataclass(frozen=True)
class Lists:
    """A slice of neighbour lists: one entry per (query, neighbour), nearest first per query.

    query, neighbour: row numbers of the two sides. similarity: cosine, rounded. rank: from 1.
    """

    query: NDArray[np.int32]
    neighbour: NDArray[np.int32]
    similarity: NDArray[np.float32]
    rank: NDArray[np.int16]


@dataclass
class SearchStats:
    """How lists were found: the index's name, and its recall where it is approximate.

    left_out: n-grams too common to find candidates by; 0 for dense vectors.
    """

    index: str = "none"
    recall: float = 1.0
    search_width: int = 0
    left_out: int = 0

    def join(self, other: "SearchStats") -> None:
        """Take in another direction's search: of each figure the worse one."""
        names = {*self.index.split(" and "), other.index} - {"none"}
        self.index = " and ".join(sorted(names)) or "none"
        self.recall = min(self.recall, other.recall)
        self.search_width = max(self.search_width, other.search_width)
        self.left_out = max(self.left_out, other.left_out)


Entries = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


def settled(
    search_once: Callable[[NDArray[np.int32], int], Entries],
    numbers: NDArray[np.int32],
    length: int,
    k: int,
    floor: float,
) -> Entries:
    """Search with longer lists for the queries whose k-th entry ties with the end of their list.

    search_once: query numbers and a length -> (query, neighbour, similarity), a query's entries
    side by side.
    """
    settled: list[Entries] = []
    pieces = [search_once(numbers, length)]
    while True:
        tied = np.concatenate([_cut_in_a_tie(piece, length, k, floor) for piece in pieces])
        if not len(tied) or length >= WIDEST_LIST:
            settled += pieces
            break
        for rows, neighbours, similarities in pieces:
            keep = ~np.isin(rows, tied)
            settled.append((rows[keep], neighbours[keep], similarities[keep]))
        length = min(length * 8, WIDEST_LIST)
        pieces = [
            search_once(tied[start : start + TIED_SLICE], length)
            for start in range(0, len(tied), TIED_SLICE)
        ]
    rows, neighbours, similarities = (np.concatenate(part) for part in zip(*settled, strict=True))
    return rows, neighbours, similarities


def _cut_in_a_tie(found: Entries, length: int, k: int, floor: float) -> NDArray[np.int32]:
    """Name the queries whose list is full and ends with the similarity of its k-th entry."""
    rows, _, similarities = found
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    sizes = np.diff(np.append(starts, len(rows)))
    full = starts[sizes == length]
    if not len(full) or length <= k:
        return np.zeros(0, np.int32)
    lists = np.round(similarities[full[:, None] + np.arange(length)], DECIMALS)
    kth = np.partition(lists, length - k, axis=1)[:, length - k]
    tied: NDArray[np.int32] = rows[full[(kth == lists.min(axis=1)) & (kth >= floor)]]
    return tied


def sample_rows(n: int, seed: int) -> NDArray[np.int32]:
    """Draw the queries that a search is measured on, the same ones for the same seed."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return np.sort(rng.choice(n, min(SAMPLED_QUERIES, n), replace=False)).astype(np.int32)


def share_found(exact: Lists, found: Lists) -> float:
    """Return the share of the exact entries that was found."""
    wanted = set(zip(exact.query.tolist(), exact.neighbour.tolist(), strict=True))
    got = set(zip(found.query.tolist(), found.neighbour.tolist(), strict=True))
    return len(wanted & got) / len(wanted) if wanted else 1.0


def nearest_dense(
    queries: Dense,
    targets: Dense,
    *,
    same: bool,
    k: int,
    floor: float,
    flat_limit: int,
    min_recall: float,
    threads: int,
    seed: int,
    search: SearchStats,
) -> Iterator[Lists]:
    """List the k targets with the largest cosine for each query row, with FAISS.

    queries, targets: (n, n_dims) rows of length 1. A flat index up to `flat_limit` targets; above
    it HNSW, whose search width is the smallest that reaches `min_recall` of the exact lists of a
    seeded sample; where none does, the search is exact after all.
    """
    import faiss

    faiss.omp_set_num_threads(threads)
    flat = faiss.IndexFlatIP(targets.shape[1])
    flat.add(np.ascontiguousarray(targets))
    index: Any = flat
    search.index = "flat"
    if targets.shape[0] > flat_limit:
        graph = faiss.IndexHNSWFlat(targets.shape[1], HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = HNSW_BUILD_WIDTH
        logger.info("building an HNSW index of %s vectors", f"{targets.shape[0]:,}")
        faiss.omp_set_num_threads(1)  # several threads would build another graph every time
        graph.add(np.ascontiguousarray(targets))
        faiss.omp_set_num_threads(threads)
        if _calibrate(graph, flat, queries, same, k, floor, min_recall, seed, search):
            index, search.index = graph, "hnsw"

    def search_once(numbers: NDArray[np.int32], length: int) -> Entries:
        length = min(length, targets.shape[0])
        similarity, neighbour = index.search(np.ascontiguousarray(queries[numbers]), length)
        rows = np.repeat(numbers, length)
        return rows, neighbour.ravel().astype(np.int32), similarity.ravel()

    n_listed = k + SPARE + same
    for start in range(0, queries.shape[0], DENSE_SLICE):
        numbers = np.arange(start, min(start + DENSE_SLICE, queries.shape[0]), dtype=np.int32)
        if index is flat:
            found = settled(search_once, numbers, n_listed, k + same, floor)
        else:  # an approximate search has no exact ends to settle
            found = search_once(numbers, n_listed)
        yield _ranked(*found, same, k, floor)
        if start // DENSE_SLICE % 16 == 15:
            logger.info("searched %s of %s", f"{numbers[-1] + 1:,}", f"{queries.shape[0]:,}")


def _calibrate(
    graph: Any,
    flat: Any,
    queries: Dense,
    same: bool,
    k: int,
    floor: float,
    min_recall: float,
    seed: int,
    search: SearchStats,
) -> bool:
    """Find the smallest search width that reaches the recall; return whether there is one."""
    sample = sample_rows(queries.shape[0], seed)
    part = np.ascontiguousarray(queries[sample])

    def lists(index: Any) -> Lists:
        similarity, neighbour = index.search(part, k + SPARE + same)
        rows = np.repeat(sample, k + SPARE + same)
        return _ranked(rows, neighbour.ravel().astype(np.int32), similarity.ravel(), same, k, floor)

    exact = lists(flat)
    for width in SEARCH_WIDTHS:
        graph.hnsw.efSearch = max(width, k + SPARE + same)
        recall = share_found(exact, lists(graph))
        search.recall, search.search_width = recall, width
        logger.info("HNSW with search width %d finds %.4f of the exact lists", width, recall)
        if recall >= min_recall:
            return True
    search.recall, search.search_width = 1.0, 0
    return False


def _ranked(
    query: NDArray[np.int32],
    neighbour: NDArray[np.int32],
    similarity: NDArray[np.float32],
    same: bool,
    k: int,
    floor: float,
) -> Lists:
    """Drop a row's own entry, order each list by similarity, then number, and cut it at k."""
    rounded = np.round(similarity.astype(np.float64), DECIMALS)
    valid = (neighbour >= 0) & (rounded >= floor)
    if same:
        valid &= query != neighbour
    query, neighbour, rounded = query[valid], neighbour[valid], rounded[valid]
    order = np.lexsort((neighbour, -rounded, query))
    query, neighbour, rounded = query[order], neighbour[order], rounded[order]
    rank = ranks(query)
    listed = rank <= k
    return Lists(
        query[listed],
        neighbour[listed],
        rounded[listed].astype(np.float32),
        rank[listed].astype(np.int16),
    )


def ranks(query: NDArray[np.int32]) -> NDArray[np.int64]:
    """Number the entries of each list from 1; the entries of a list stand together."""
    place = np.arange(len(query))
    starts = np.ones(len(query), bool)
    starts[1:] = query[1:] != query[:-1]
    return place - np.maximum.accumulate(np.where(starts, place, 0)) + 1
