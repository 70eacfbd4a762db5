"""Neighbours: vectors -> the k most similar others of each, exactly or with a measured recall.

Lists come out slice by slice as arrays, never as Python objects, and nothing is n x n. Similarities
are rounded to four decimals before they are compared, and ties go to the lower number, so that
exact search gives the same lists for any number of threads. Where more than `SPARE` others tie for
the end of a list, the index chooses among them, the same ones each time.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.encoders.base import Dense

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

logger = logging.getLogger(__name__)

DECIMALS = 4
# Listed beyond k, so that ties at the end of a list are broken by number, not by chance.
SPARE = 8
SPARSE_SLICE = 50_000  # queries searched at once
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
class Search:
    """How lists were found: the index's name, and its recall where it is approximate.

    left_out: n-grams too common to be looked at; 0 for dense vectors.
    """

    index: str = "none"
    recall: float = 1.0
    search_width: int = 0
    left_out: int = 0

    def join(self, other: "Search") -> None:
        """Take in another direction's search: of each figure the worse one."""
        names = {*self.index.split(" and "), other.index} - {"none"}
        self.index = " and ".join(sorted(names)) or "none"
        self.recall = min(self.recall, other.recall)
        self.search_width = max(self.search_width, other.search_width)
        self.left_out = max(self.left_out, other.left_out)


def nearest_sparse(
    queries: "csr_matrix",
    targets: "csr_matrix",
    *,
    same: bool,
    k: int,
    floor: float,
    max_work_per_record: int,
    threads: int,
    search: Search,
) -> Iterator[Lists]:
    """List the k targets with the largest product for each query row, exactly.

    queries, targets: (n, n_columns) rows of length 1. same: both are one matrix, and a row is not
    its own neighbour. floor: smaller products are not listed.
    max_work_per_record: columns are looked at from the rarest on, as long as all of them together
    cost at most so many multiplications per query; cost then grows with n, not with n squared.
    """
    from sparse_dot_topn import sp_matmul_topn

    n_columns = targets.shape[1]
    in_targets = np.bincount(targets.indices, minlength=n_columns)
    in_queries = in_targets if same else np.bincount(queries.indices, minlength=n_columns)
    work = in_targets.astype(np.float64) * in_queries
    order = np.argsort(in_targets, kind="stable")
    affordable = np.cumsum(work[order]) <= max_work_per_record * max(queries.shape[0], 1)
    kept = np.sort(order[affordable & (work[order] > 0)])
    search.index, search.left_out = "exact", int((work > 0).sum()) - len(kept)
    left = queries if len(kept) == n_columns else queries[:, kept]
    right = (targets if len(kept) == n_columns else targets[:, kept]).T.tocsr()
    for start in range(0, queries.shape[0], SPARSE_SLICE):
        part = left[start : start + SPARSE_SLICE]
        found = sp_matmul_topn(
            part, right, k + SPARE + same, threshold=floor, sort=False, n_threads=threads
        )
        rows = np.repeat(np.arange(part.shape[0], dtype=np.int32) + start, np.diff(found.indptr))
        logger.info("searched %s of %s", f"{start + part.shape[0]:,}", f"{queries.shape[0]:,}")
        yield _ranked(rows, found.indices.astype(np.int32), found.data, same, k, floor)


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
    search: Search,
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
    n_listed = min(k + SPARE + same, targets.shape[0])
    for start in range(0, queries.shape[0], DENSE_SLICE):
        part = np.ascontiguousarray(queries[start : start + DENSE_SLICE])
        similarity, neighbour = index.search(part, n_listed)
        rows = np.repeat(np.arange(len(part), dtype=np.int32) + start, n_listed)
        yield _ranked(rows, neighbour.ravel().astype(np.int32), similarity.ravel(), same, k, floor)
        if start // DENSE_SLICE % 16 == 15:
            logger.info("searched %s of %s", f"{start + len(part):,}", f"{queries.shape[0]:,}")


def _calibrate(
    graph: Any,
    flat: Any,
    queries: Dense,
    same: bool,
    k: int,
    floor: float,
    min_recall: float,
    seed: int,
    search: Search,
) -> bool:
    """Find the smallest search width that reaches the recall; tell whether there is one."""
    rng = np.random.Generator(np.random.PCG64(seed))
    n_sampled = min(SAMPLED_QUERIES, queries.shape[0])
    sample = np.sort(rng.choice(queries.shape[0], n_sampled, replace=False)).astype(np.int32)
    part = np.ascontiguousarray(queries[sample])

    def lists(index: Any) -> set[tuple[int, int]]:
        similarity, neighbour = index.search(part, k + SPARE + same)
        rows = np.repeat(sample, k + SPARE + same)
        found = _ranked(
            rows, neighbour.ravel().astype(np.int32), similarity.ravel(), same, k, floor
        )
        return set(zip(found.query.tolist(), found.neighbour.tolist(), strict=True))

    exact = lists(flat)
    for width in SEARCH_WIDTHS:
        graph.hnsw.efSearch = max(width, k + SPARE + same)
        recall = len(exact & lists(graph)) / len(exact) if exact else 1.0
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
