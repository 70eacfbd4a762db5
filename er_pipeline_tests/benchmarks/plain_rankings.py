"""Plain rivals: rankings of the same candidates that need no learning, and BM25 as a blocker.

A record is one text, its cleaned values joined by blanks. Tokens are its words, or the 3-grams of
its words with a blank at both ends. Nothing here uses er_pipeline's own searches or weights.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import bm25s
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

K1, B = 1.5, 0.75  # of BM25: the usual ones
PAIRS_PER_BATCH = 10_000  # some 600 3-grams a record of 150 fields: 200 MB in three matrices
WORD = re.compile(r"\w+")

Tokens: TypeAlias = list[list[str]]
Numbers: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = Any  # scipy.sparse.csr_matrix, which has no types


def words_of(text: str) -> list[str]:
    """List the words of a text, repeats included."""
    return WORD.findall(text)


def grams_of(text: str) -> list[str]:
    """List the 3-grams of a text's words; a word of one letter is one 3-gram with its blanks."""
    padded = [f" {word} " for word in words_of(text)]
    return [word[i : i + 3] for word in padded for i in range(len(word) - 2)]


TOKENS: dict[str, Callable[[str], list[str]]] = {"words": words_of, "3-grams": grams_of}


def score_pairs(texts: Sequence[str], left: Numbers, right: Numbers) -> dict[str, Scores]:
    """Score pairs of texts in each plain way; left, right: (n_pairs,) rows of `texts`."""
    counted = {name: count_tokens([cut(text) for text in texts]) for name, cut in TOKENS.items()}
    scores = {}
    for name, counts in counted.items():
        rows = tfidf_rows(counts)
        scores[f"TF-IDF, {name}"] = dot_pairs(rows, rows, left, right)
    asked, weights = counted["words"].sign(), bm25_rows(counted["words"])
    there, back = ((left, right), (right, left))
    scores["BM25"] = dot_pairs(asked, weights, *there) + dot_pairs(asked, weights, *back)
    return scores


def count_tokens(tokens: Tokens) -> Matrix:
    """Count each text's tokens: (n_texts, n_tokens), a column for each token in any text."""
    columns: dict[str, int] = {}
    places = [columns.setdefault(token, len(columns)) for text in tokens for token in text]
    ends = np.cumsum([0, *map(len, tokens)])
    shape = (len(tokens), max(1, len(columns)))
    counts = scipy.sparse.csr_matrix((np.ones(len(places)), places, ends), shape=shape)
    counts.sum_duplicates()
    return counts


def tfidf_rows(counts: Matrix) -> Matrix:
    """Weigh the tokens a text has by idf, however often it has them; rows of length 1."""
    n_texts = counts.shape[0]
    idf = np.log((1 + n_texts) / (1 + _texts_with(counts))) + 1
    rows = counts.sign().multiply(idf).tocsr()
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return scipy.sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ rows


def bm25_rows(counts: Matrix) -> Matrix:
    """Weigh the tokens of texts as BM25 does the words of a document that a query asks for."""
    n_texts = counts.shape[0]
    n_with = _texts_with(counts)
    idf = np.log(1 + (n_texts - n_with + 0.5) / (n_with + 0.5))
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    relative = np.repeat(lengths / max(lengths.mean(), 1), np.diff(counts.indptr))
    rows = counts.copy()
    rows.data = counts.data * (K1 + 1) / (counts.data + K1 * (1 - B + B * relative))
    return rows.multiply(idf).tocsr()


def dot_pairs(left_rows: Matrix, right_rows: Matrix, left: Numbers, right: Numbers) -> Scores:
    """Multiply a row of either matrix for each pair: (n_pairs,) products."""
    products = np.zeros(len(left))
    for start in range(0, len(left), PAIRS_PER_BATCH):
        batch = slice(start, start + PAIRS_PER_BATCH)
        both = left_rows[left[batch]].multiply(right_rows[right[batch]])
        products[batch] = np.asarray(both.sum(axis=1)).ravel()
    return products


def nearest_by_bm25(
    tokens: Tokens, n_pairs: int, asking: Numbers, answering: Numbers, source: Numbers
) -> Numbers:
    """Pair each asking text with its k best ones by BM25; k is what makes so many pairs.

    asking, answering: the rows of those texts; the same ones where a set is compared with itself.
    source: number by row; what has the same one makes no pair.
    Of the last place in the lists the best ones are taken, so that n_pairs result where there are
    as many. Returns them as (n_pairs, 2) rows, the lower one first, each pair once.
    """
    index = bm25s.BM25(k1=K1, b=B)
    index.index([tokens[row] for row in answering], show_progress=False)
    asking = asking[[bool(tokens[row]) for row in asking]]
    queries = [list(dict.fromkeys(tokens[row])) for row in asking]
    k = math.ceil(n_pairs / max(1, len(queries))) + 1  # one is the text itself
    while True:
        k = min(k, len(answering))
        found, scores = index.retrieve(queries, k=k, show_progress=False)
        scored = np.asarray(scores, dtype=np.float64)
        pairs = _pairs_of_lists(asking, answering[found], scored, source)
        if len(pairs) >= n_pairs or k == len(answering):
            return pairs[:n_pairs]
        k *= 2


def _pairs_of_lists(asking: Numbers, found: Numbers, scores: Scores, source: Numbers) -> Numbers:
    """Order the pairs of the lists by the better place in them, then by score; each comes once."""
    k = found.shape[1]
    asked = np.repeat(asking, k)
    answers, score = found.ravel(), scores.ravel()
    is_pair = (source[asked] != source[answers]) & (score > 0)
    # a text may not stand first in its own list, where others have the same words
    place = np.cumsum(is_pair.reshape(-1, k), axis=1).ravel()
    pairs = np.stack([np.minimum(asked, answers), np.maximum(asked, answers)], axis=1)
    keys = (pairs[:, 1], pairs[:, 0], -score, place)
    order = np.lexsort(keys)
    ordered = pairs[order[is_pair[order]]]
    _, first = np.unique(ordered, axis=0, return_index=True)
    in_order: Numbers = ordered[np.sort(first)]
    return in_order


def _texts_with(counts: Matrix) -> NDArray[np.int64]:
    return np.bincount(counts.indices, minlength=counts.shape[1])
