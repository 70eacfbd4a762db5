from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from er_pipeline.blocking.encoders import Dense
from er_pipeline.blocking.encoders.encoder import unit_rows
from er_pipeline.blocking.neighbours.nearest import (
    DECIMALS,
    SearchStats,
    nearest_dense,
    ranks,
)
from er_pipeline_tests.sparse_lists import Entries, entries, search_sparse


def random_vectors(n: int, n_dims: int, seed: int, share_filled: float = 1.0) -> Dense:
    """Vectors of few different numbers, so that equal similarities are common."""
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 4, (n, n_dims)) * (rng.random((n, n_dims)) < share_filled)
    return unit_rows(values.astype(np.float32))


def brute_force(queries: Dense, targets: Dense, *, same: bool, k: int, floor: float) -> Entries:
    """Compare every query with every target."""
    product = np.round(queries.astype(np.float64) @ targets.astype(np.float64).T, DECIMALS)
    found: Entries = []
    for query, row in enumerate(product):
        order = sorted(
            (-similarity, number)
            for number, similarity in enumerate(row.tolist())
            if similarity >= floor and not (same and number == query)
        )
        found += [(query, n, -s, rank) for rank, (s, n) in enumerate(order[:k], start=1)]
    return found


def search_dense(
    queries: Dense,
    targets: Dense,
    *,
    same: bool,
    k: int,
    floor: float,
    threads: int = 2,
    flat_limit: int = 200_000,
    min_recall: float = 0.98,
    search: SearchStats | None = None,
) -> Entries:
    return entries(
        nearest_dense(
            queries,
            targets,
            same=same,
            k=k,
            floor=floor,
            flat_limit=flat_limit,
            min_recall=min_recall,
            threads=threads,
            seed=1,
            search=search or SearchStats(),
        )
    )


def assert_lists_fit(found: Entries, expected: Entries, product: NDArray[np.float64]) -> None:
    """Hold lists against brute force; a last decimal may be rounded the other way.

    Such a neighbour stands a place off, so similarities are compared by place, and every entry's
    similarity with the true one.
    """
    step = 1.5 * 10**-DECIMALS
    places = {(q, r): s for q, _, s, r in expected}
    assert {(q, r) for q, _, _, r in found} == set(places)
    for query, neighbour, similarity, rank in found:
        assert abs(similarity - places[query, rank]) <= step
        assert abs(similarity - product[query, neighbour]) <= step
    assert len({(q, n) for q, n, _, _ in found}) == len(found)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 40),
    n_queries=st.integers(0, 20),
    k=st.integers(1, 12),
    floor=st.sampled_from([0.05, 0.33, 0.61]),
    share_filled=st.sampled_from([0.2, 0.6, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_lists_are_those_of_brute_force(
    n: int, n_queries: int, k: int, floor: float, share_filled: float, seed: int
) -> None:
    targets = random_vectors(n, 7, seed, share_filled)
    same = n_queries == 0
    queries = targets if same else random_vectors(n_queries, 7, seed + 1, share_filled)
    product = queries.astype(np.float64) @ targets.astype(np.float64).T
    # Not where the true similarity lies so near the floor that a float's last bit decides.
    if (np.abs(product - floor) < 2e-4).any():
        return
    expected = brute_force(queries, targets, same=same, k=k, floor=floor)
    for found in (
        search_sparse(queries, targets, same=same, k=k, floor=floor),
        search_dense(queries, targets, same=same, k=k, floor=floor),
    ):
        assert_lists_fit(found, expected, product)
        assert not (same and any(q == n for q, n, _, _ in found))


@pytest.mark.parametrize("search", [search_sparse, search_dense])
def test_ties_go_to_the_lower_number(search: Any) -> None:
    vectors = unit_rows(np.array([[1, 0], [1, 1], [1, 1], [1, 1], [1, 1]], np.float32))
    found = search(vectors, vectors, same=True, k=2, floor=0.1)
    assert [(q, n) for q, n, _, _ in found] == [
        *[(0, 1), (0, 2), (1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2), (4, 1), (4, 2)]
    ]


@pytest.mark.parametrize("search", [search_sparse, search_dense])
def test_a_tie_longer_than_the_spare_entries_goes_to_the_lower_numbers_too(search: Any) -> None:
    vectors = unit_rows(np.array([[1, 0]] + [[1, 1]] * 300, np.float32))
    found = search(vectors, vectors, same=True, k=3, floor=0.1)
    assert [n for q, n, _, _ in found if q == 0] == [1, 2, 3]
    assert [n for q, n, _, _ in found if q == 300] == [1, 2, 3]
    assert [n for q, n, _, _ in found if q == 2] == [1, 3, 4]


@pytest.mark.parametrize("search", [search_sparse, search_dense])
def test_the_number_of_threads_changes_nothing(search: Any) -> None:
    vectors = random_vectors(3_000, 24, 3, 0.3)
    lists = [search(vectors, vectors, same=True, k=5, floor=0.3, threads=n) for n in (1, 2)]
    assert lists[0] == lists[1]
    assert len(lists[0]) > 10_000


@pytest.mark.parametrize("search", [search_sparse, search_dense])
def test_lists_do_not_depend_on_how_queries_are_sliced(
    search: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = random_vectors(500, 16, 4, 0.4)
    whole = search(vectors, vectors, same=True, k=4, floor=0.2)
    monkeypatch.setattr("er_pipeline.blocking.neighbours.sparse_search.SPARSE_SLICE", 64)
    monkeypatch.setattr("er_pipeline.blocking.neighbours.nearest.DENSE_SLICE", 64)
    assert search(vectors, vectors, same=True, k=4, floor=0.2) == whole


def clustered(n: int, seed: int) -> Dense:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n // 10, 32))
    return unit_rows((centres[rng.integers(0, n // 10, n)] + rng.normal(size=(n, 32))).astype("f4"))


def test_an_hnsw_index_reaches_the_recall_it_reports() -> None:
    vectors, search = clustered(2_000, 5), SearchStats()
    found = search_dense(vectors, vectors, same=True, k=5, floor=0, flat_limit=50, search=search)
    exact = search_dense(vectors, vectors, same=True, k=5, floor=0)
    assert (search.index, search.search_width) == ("hnsw", 64)
    pairs, true = ({(q, n) for q, n, _, _ in lists} for lists in (found, exact))
    assert len(pairs & true) / len(true) >= 0.98
    assert search.recall >= 0.98
    assert search.recall == pytest.approx(len(pairs & true) / len(true), abs=0.01)
    assert found == search_dense(
        vectors, vectors, same=True, k=5, floor=0, flat_limit=50, threads=1
    )


def test_the_search_is_exact_where_no_width_reaches_the_recall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("er_pipeline.blocking.neighbours.nearest.SEARCH_WIDTHS", (1, 2))
    monkeypatch.setattr("er_pipeline.blocking.neighbours.nearest.HNSW_LINKS", 2)
    monkeypatch.setattr("er_pipeline.blocking.neighbours.nearest.HNSW_BUILD_WIDTH", 2)
    vectors, search = clustered(2_000, 6), SearchStats()
    found = search_dense(
        vectors,
        vectors,
        same=True,
        k=5,
        floor=0,
        flat_limit=50,
        min_recall=1,
        search=search,
    )
    assert (search.index, search.recall, search.search_width) == ("flat", 1, 0)
    assert found == search_dense(vectors, vectors, same=True, k=5, floor=0)


def test_of_two_directions_the_worse_figures_are_told() -> None:
    search = SearchStats()
    search.join(SearchStats("hnsw", 0.985, 128, 0))
    search.join(SearchStats("flat", 1.0, 0, 3))
    search.join(SearchStats("hnsw", 0.99, 64, 0))
    assert search == SearchStats("flat and hnsw", 0.985, 128, 3)


def test_ranks_count_within_each_list() -> None:
    assert ranks(np.array([4, 4, 4, 7, 9, 9], np.int32)).tolist() == [1, 2, 3, 1, 1, 2]
    assert ranks(np.array([], np.int32)).tolist() == []
