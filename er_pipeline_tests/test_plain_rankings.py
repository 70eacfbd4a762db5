import math

import bm25s
import numpy as np
import pytest

from er_pipeline_tests.benchmarks.plain_rankings import (
    K1,
    B,
    Numbers,
    bm25_rows,
    count_tokens,
    grams_of,
    nearest_by_bm25,
    score_pairs,
    tfidf_rows,
    words_of,
)

TEXTS = ["red red house", "red house", "blue sea", "sea", ""]
EVERYONE = np.arange(len(TEXTS))


def pairs_of(
    texts: list[str],
    n_pairs: int,
    asking: Numbers,
    answering: Numbers,
    source: Numbers = EVERYONE,
) -> list[list[int]]:
    tokens = [words_of(text) for text in texts]
    found: list[list[int]] = nearest_by_bm25(tokens, n_pairs, asking, answering, source).tolist()
    return found


def test_3_grams_lie_within_words_and_their_blanks() -> None:
    assert grams_of("ann b") == [" an", "ann", "nn ", " b "]
    assert grams_of(" ") == []


def test_tfidf_counts_a_word_once_and_rows_have_length_1() -> None:
    rows = tfidf_rows(count_tokens([words_of(text) for text in TEXTS]))
    assert np.asarray(rows.multiply(rows).sum(axis=1)).ravel() == pytest.approx([1, 1, 1, 1, 0])
    assert (rows[[0]] != rows[[1]]).nnz == 0
    blue, sea = math.log(6 / 2) + 1, math.log(6 / 3) + 1  # idf
    assert (rows[[2]] @ rows[[3]].T).toarray()[0, 0] == pytest.approx(sea / math.hypot(blue, sea))


def test_pairs_are_scored_in_every_plain_way() -> None:
    scores = score_pairs(TEXTS, np.array([0, 2, 0, 0]), np.array([1, 3, 2, 4]))
    assert list(scores) == ["TF-IDF, words", "TF-IDF, 3-grams", "BM25"]
    for way, found in scores.items():
        assert found[0] > found[1] > found[2] == found[3] == 0, way


def test_bm25_of_a_pair_is_what_the_package_scores_but_for_a_factor() -> None:
    tokens = [words_of(text) for text in TEXTS[:4]]
    index = bm25s.BM25(k1=K1, b=B)
    index.index(tokens, show_progress=False)
    counts = count_tokens(tokens)
    ours = (counts.sign() @ bm25_rows(counts).T).toarray()
    for query, expected in zip(tokens, ours, strict=True):
        found = (K1 + 1) * index.get_scores(sorted(set(query)))
        assert found == pytest.approx(expected, rel=1e-5)


def test_bm25_lists_give_each_pair_once_the_nearest_first() -> None:
    found = pairs_of(TEXTS, 2, EVERYONE, EVERYONE)
    assert sorted(found) == [[0, 1], [2, 3]]


def test_bm25_lists_grow_until_the_budget_is_full_or_nothing_is_left() -> None:
    assert len(pairs_of(["a b", "a c", "a d", "b c d"], 6, np.arange(4), np.arange(4))) == 6
    assert len(pairs_of(TEXTS, 100, EVERYONE, EVERYONE)) == 2


def test_records_of_one_source_ask_those_of_the_other() -> None:
    texts = ["red house", "blue sea", "red house", "house"]
    found = pairs_of(texts, 2, np.array([2, 3]), np.array([0, 1]))
    assert sorted(found) == [[0, 2], [0, 3]]


def test_among_several_linked_sources_everyone_asks_all_others() -> None:
    everyone = np.arange(4)
    texts = ["red house", "red house", "red house", "house"]
    found = pairs_of(texts, 100, everyone, everyone, source=np.array([0, 0, 1, 2]))
    assert sorted(found) == [[0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
