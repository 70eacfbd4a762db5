from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from er_pipeline.blocking.encoders.encoder import unit_rows
from er_pipeline.blocking.neighbours import common_terms
from er_pipeline.blocking.neighbours.common_terms import (
    CommonTerms,
    TermSearch,
    learn_common_terms,
    sampled,
)
from er_pipeline.blocking.neighbours.neighbour_lists import as_counted
from er_pipeline.blocking.neighbours.sparse_search import SparseSearch, measure_recall

N = 4_000
NGRAMS = 3  # of every value


@pytest.fixture(autouse=True)
def of_few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common_terms, "LEARNED_FROM", 1)


def values_of(seed: int) -> NDArray[np.int64]:
    """Draw three values of every text, each one of twenty, and a fourth of two hundred."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return np.stack([*(rng.integers(0, 20, N) for _ in range(3)), rng.integers(0, 200, N)], axis=1)


def people(seed: int = 1) -> csr_matrix:
    """Write every value as three columns that only it has, and that weigh more or less."""
    values = values_of(seed) + np.array([0, 20, 40, 60])
    columns = (values[:, :, None] * NGRAMS + np.arange(NGRAMS)).reshape(N, -1)
    dense = np.zeros((N, 260 * NGRAMS), np.float32)
    weights = np.random.Generator(np.random.PCG64(0)).uniform(0.7, 1.3, dense.shape[1])
    dense[np.arange(N)[:, None], columns] = weights[columns]
    return csr_matrix(unit_rows(dense))


def learned(vectors: csr_matrix) -> tuple[CommonTerms, NDArray[np.int64]]:
    texts = np.bincount(vectors.indices, minlength=vectors.shape[1])
    return learn_common_terms(vectors[sampled(N)], texts, N), texts


def search_of(vectors: csr_matrix, columns: NDArray[np.int64], most: int) -> TermSearch:
    terms, texts = learned(people())
    return TermSearch(terms, columns, texts[columns] > most, terms.texts > most, most)


def test_columns_that_stand_together_are_one_term() -> None:
    terms, texts = learned(people())
    # Values of two hundred are in some 20 texts each, and a few of them in less than 15.
    assert set(terms.columns.tolist()) == set(np.flatnonzero(texts >= 15).tolist())
    values = terms.columns // NGRAMS
    assert (terms.columns[terms.leaders] // NGRAMS == values).all()
    assert len(np.unique(terms.leaders)) == len(np.unique(values))


def test_common_terms_find_in_pairs_what_none_finds_alone() -> None:
    vectors = people()
    terms = search_of(vectors, np.arange(vectors.shape[1]), 50)
    (found_by,) = terms.vectors(vectors)
    shared = np.asarray((found_by[:1] @ found_by.T).todense())[0] > 0
    values = values_of(1)
    same = values == values[0]
    # A town alone is in 200 texts, a town and a name are in 10; the fourth finds alone.
    np.testing.assert_array_equal(shared, (same[:, :3].sum(axis=1) >= 2) | same[:, 3])


def test_pairs_that_are_common_themselves_find_nobody() -> None:
    vectors = people()
    columns = np.arange(vectors.shape[1])
    terms, texts = learned(vectors)
    assert (terms.pair_texts >= 15).any()
    most = int(terms.pair_texts.max()) - 1
    search = TermSearch(terms, columns, texts > 50, terms.texts > 50, most)
    (some,) = search.vectors(vectors)
    search = TermSearch(terms, columns, texts > 50, terms.texts > 50, most + 1)
    (all_of_them,) = search.vectors(vectors)
    dropped = int(terms.pair_texts[terms.pair_texts > most].sum())
    assert 0 < all_of_them.nnz - some.nnz <= dropped


def test_what_a_text_is_searched_by_follows_from_it_alone() -> None:
    vectors = people()
    everything = search_of(vectors, np.arange(vectors.shape[1]), 50)
    (whole,) = everything.vectors(vectors)
    some = vectors[:50]
    columns = np.unique(some.indices).astype(np.int64)
    left, right = search_of(vectors, columns, 50).vectors(some[:, columns], some[:20, columns])
    # To the last bit, whatever the columns are numbered.
    np.testing.assert_array_equal((left @ right.T).toarray(), (whole[:50] @ whole[:20].T).toarray())


def test_terms_find_more_than_rare_columns_for_less_work(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, texts = people(), np.arange(N)
    cuts: Any = {"k": 5, "floor": 0.1, "threads": 1}

    def recall() -> float:
        by = as_counted(vectors, vectors, 300.0 * N)
        sides: Any = {"found_by": by.sides, "spare": by.spare}
        assert by.left_out
        search = SparseSearch(vectors, vectors, texts, texts, **sides, **cuts)
        return measure_recall(search, vectors, vectors, texts, texts, **cuts, seed=1)

    by_terms = recall()
    monkeypatch.setattr(common_terms, "LEARNED_FROM", N + 1)
    assert by_terms > 0.85
    assert recall() < by_terms - 0.2


def test_terms_are_kept_and_an_earlier_version_kept_none(tmp_path: Path) -> None:
    terms, _ = learned(people())
    assert CommonTerms.load(tmp_path).is_empty
    terms.save(tmp_path)
    read = CommonTerms.load(tmp_path)
    for name in ("columns", "texts", "leaders", "pairs", "pair_texts"):
        np.testing.assert_array_equal(getattr(read, name), getattr(terms, name))


def test_of_few_texts_nothing_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common_terms, "LEARNED_FROM", N + 1)
    terms, _ = learned(people())
    assert terms.is_empty
    assert not len(sampled(0))


def test_long_texts_are_sampled_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common_terms, "SAMPLED_PRODUCTS", 12**2 * N // 4)
    terms, texts = learned(people())
    # A quarter of the texts hold the values of twenty often enough, the others not.
    assert set(terms.columns.tolist()) == set(np.flatnonzero(texts > 100).tolist())
