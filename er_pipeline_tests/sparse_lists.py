"""Searches of sparse vectors as tests ask for them, and their lists as rows."""

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_matrix

from er_pipeline.blocking.encoders import Dense
from er_pipeline.blocking.neighbours.carried_lists import plain_lists
from er_pipeline.blocking.neighbours.nearest import DECIMALS, Lists
from er_pipeline.blocking.neighbours.neighbour_lists import as_counted
from er_pipeline.blocking.neighbours.sparse_search import SparseSearch

# Query, neighbour, similarity, rank.
Entries = list[tuple[int, int, float, int]]


def entries(lists: Iterable[Lists]) -> Entries:
    found: Entries = []
    for part in lists:
        columns = (part.query, part.neighbour, part.similarity, part.rank)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        found += [(q, n, round(s, DECIMALS), r) for q, n, s, r in rows]
    return found


def search_sparse(
    queries: Dense,
    targets: Dense,
    *,
    same: bool,
    k: int,
    floor: float,
    threads: int = 2,
    max_work_per_record: int = 400_000,
) -> Entries:
    """Search rows; targets are numbered from 0, and no row of one matrix is its own neighbour."""
    right = csr_matrix(targets)
    left = right if same else csr_matrix(queries)
    first = left.shape[0] * (not same)  # so that no target has the number of a query
    query_texts = np.arange(left.shape[0])
    by = as_counted(left, right, max_work_per_record * left.shape[0])
    search = SparseSearch(
        left,
        right,
        query_texts,
        np.arange(right.shape[0]) + first,
        found_by=by.sides,
        spare=by.spare,
        k=k,
        floor=floor,
        threads=threads,
    )
    lists = (
        search.ranked(found, texts, floor) for texts, found in plain_lists(search, query_texts)
    )
    return [(q, n - first, s, r) for q, n, s, r in entries(lists)]
