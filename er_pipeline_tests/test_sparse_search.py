from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from er_pipeline.blocking.encoders.encoder import unit_rows
from er_pipeline.blocking.neighbours.neighbour_lists import as_counted
from er_pipeline.blocking.neighbours.sparse_search import (
    SparseSearch,
    common_columns,
    measure_recall,
    most_texts,
    products,
    work_of,
)
from er_pipeline_tests.sparse_lists import search_sparse


def pairs_and_one_for_all(n: int) -> csr_matrix:
    """Column 0 is common to all rows, columns from 1 on to pairs of rows."""
    dense = np.zeros((n, 1 + n // 2), np.float32)
    dense[:, 0] = 1
    dense[np.arange(n), 1 + np.arange(n) // 2] = 1
    return csr_matrix(unit_rows(dense))


def test_the_commonest_columns_find_nobody_but_count_when_work_is_limited() -> None:
    n = 2_000
    vectors = pairs_and_one_for_all(n)
    dense = vectors.toarray()
    found = search_sparse(dense, dense, same=True, k=3, floor=0.1, max_work_per_record=1_000)
    assert [(q, m, s) for q, m, s, _ in found] == [(i, i ^ 1, 1.0) for i in range(n)]
    assert len(search_sparse(dense, dense, same=True, k=3, floor=0.1)) == 3 * n
    common = common_columns(vectors, vectors, 1_000 * n)
    assert np.flatnonzero(common).tolist() == [0]
    texts = np.arange(n)
    cuts: Any = {"k": 3, "floor": 0.1, "threads": 2}
    sides = as_counted(vectors, vectors, 1_000 * n).sides
    assert sides is not None
    search = SparseSearch(vectors, vectors, texts, texts, found_by=sides, **cuts)
    # Exact lists hold two more, that share the common column only.
    recall = measure_recall(search, vectors, vectors, texts, texts, **cuts, seed=20)
    assert recall == pytest.approx(1 / 3)


def test_nothing_is_missed_where_no_column_is_left_out() -> None:
    vectors, texts = pairs_and_one_for_all(10), np.arange(10)
    assert as_counted(vectors, vectors, 1_000).sides is None
    cuts: Any = {"k": 3, "floor": 0.1, "threads": 1}
    search = SparseSearch(vectors, vectors, texts, texts, found_by=None, **cuts)
    assert measure_recall(search, vectors, vectors, texts, texts, **cuts, seed=1) == 1.0


def test_columns_are_searched_by_as_long_as_all_of_them_cost_no_more() -> None:
    # Two columns of 1 text cost 2 products, two of 3 cost 18 more, one of 10 another 100.
    texts = np.array([3, 1, 10, 1, 3])
    assert [most_texts(texts, 1.0, most) for most in (1, 2, 19, 20, 119, 120)] == [
        0,
        1,
        1,
        3,
        3,
        10,
    ]
    assert most_texts(texts, 0.5, 10) == 3
    assert most_texts(np.zeros(0, np.int64), 1.0, 10) == 0


def test_the_work_of_a_search_is_a_product_for_each_two_that_share_a_column() -> None:
    vectors = pairs_and_one_for_all(4)
    assert work_of(vectors, vectors) == 16 + 4 + 4
    assert work_of(vectors, vectors[:1]) == 4 + 2


def test_products_are_those_of_the_rows_in_any_order() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    left, right = (rng.random((n, 40), np.float32) * (rng.random((n, 40)) < 0.2) for n in (30, 50))
    rows, columns = (rng.integers(0, n, 9_000).astype(np.int32) for n in (30, 50))
    found = products(csr_matrix(left), csr_matrix(right), rows, columns)
    np.testing.assert_allclose(found, (left[rows] * right[columns]).sum(axis=1), rtol=1e-5)
