"""Whole records as texts: how alike a sample of them is to all others, whatever the rules read.

A record is the words of all its fields. Two records are as similar as the mean of two cosines, of
their words and of the 3-grams of these, both weighed by TF-IDF. Search is exact, in batches.

What similarity chance reaches is seen from strangers: records put together from fields of records
drawn at random, so that each field is real and the whole is nobody. It is the decoy of searches in
protein databases.
Source: Elias and Gygi, "Target-Decoy Search Strategy", Nature Methods 4, 2007.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.encoders.lexical import unit_length
from er_pipeline.blocking.encoders.term_counts import smooth_idf
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

N_GRAM = 3
# Records that are less alike, or not among so many most similar ones, are not listed.
LEAST_SIMILARITY, MOST_LISTED = 0.1, 300
# Cosines are compared to so many decimals, so that the last bits of sums decide nothing.
DECIMALS = 4
QUERIES_PER_PRODUCT = 50  # times all records: 20 MB at 100,000


@dataclass(frozen=True)
class Likeness:
    """What is alike: row i says how similar query[i] is to the record other[i].

    query, other: places among the texts; of strangers, query is the place of the record they stand
    for. similarity: 0 to 1. rank: from 0, most similar first per query.
    """

    query: NDArray[np.int64]
    other: NDArray[np.int64]
    similarity: NDArray[np.float64]
    rank: NDArray[np.int64]


class RecordTexts:
    """The texts of some records, as sparse matrices.

    numbers: (n,) record numbers, ascending. sources: (n,) their sources. fields: those that hold
    words. words: per field (n, n_words), 1 where the field holds the word.
    """

    def __init__(self, engine: Engine, fields: Sequence[str], records: str) -> None:
        """Read the words of the engine's cleaned_records whose record_no stands in `records`."""
        import scipy.sparse as sp

        found = engine.columns(
            f"select record_no, source_no from cleaned_records semi join {records}"
            " using (record_no) order by record_no"
        )
        self.numbers = np.asarray(found["record_no"], np.int64)
        self.sources = np.asarray(found["source_no"], np.int64)
        listed = " union all ".join(
            f"select record_no, {i} as field, lower(cast({quoted(field)} as varchar)) as text"
            f" from cleaned_records semi join {records} using (record_no)"
            for i, field in enumerate(fields)
        )
        engine.make_table(
            "record_words",
            f"""
            select distinct record_no, field, word from (
                select record_no, field,
                    unnest(regexp_extract_all(text, '[\\p{{L}}\\p{{N}}]+')) as word
                from ({listed})
            )
            """,
        )
        engine.make_table(
            "distinct_words",
            "select word, row_number() over (order by word) - 1 as code"
            " from (select distinct word from record_words)",
        )
        places = engine.columns(
            "select field, record_no, code from record_words join distinct_words using (word)"
            " order by field, record_no, code"
        )
        words = [word for (word,) in engine.rows("select word from distinct_words order by code")]
        field = np.asarray(places["field"], np.int64)
        row = np.searchsorted(self.numbers, np.asarray(places["record_no"], np.int64))
        code = np.asarray(places["code"], np.int64)
        shape = len(self.numbers), max(1, len(words))
        self.fields: list[str] = []
        self.words: list[csr_matrix] = []
        for i, name in enumerate(fields):
            of_field = field == i
            if of_field.any():
                ones = np.ones(int(of_field.sum()), np.float32)
                self.fields.append(name)
                self.words.append(sp.csr_matrix((ones, (row[of_field], code[of_field])), shape))
        # A word may stand in several fields; scipy before 1.14 would count it anew for each.
        once, held = np.divmod(np.unique(row * shape[1] + code), shape[1])
        whole = sp.csr_matrix((np.ones(len(once), np.float32), (once, held)), shape)
        self.grams = _grams_of(words)
        self.idf: list[NDArray[np.float32]] = []
        self.targets: list[csr_matrix] = []
        for counts in self._views(whole):
            holding = np.bincount(counts.indices, minlength=counts.shape[1])
            self.idf.append(smooth_idf(shape[0], holding))
            self.targets.append(_unit_rows(counts, self.idf[-1]))
        self._turned = [target.T.tocsr() for target in self.targets]

    def nearest(self, queries: NDArray[np.int64], *, across: bool) -> Likeness:
        """List the records most similar to some, by their places.

        across: of other sources only. Ties go to the lower number.
        """
        return self._search([target[queries] for target in self.targets], queries, across=across)

    def of_strangers(self, queries: NDArray[np.int64], seed: int) -> Likeness:
        """List the records most similar to strangers, one for each of some records.

        A stranger has the fields that its record has, each from a record drawn at random among
        those that have it; the same seed draws the same.
        """
        rng = np.random.default_rng(seed)
        made: Any = 0
        for words in self.words:
            filled = np.flatnonzero(np.diff(words.indptr))
            drawn = filled[rng.integers(len(filled), size=len(queries))]
            has_it = np.diff(words.indptr)[queries] > 0
            part = words[drawn]
            part.data *= np.repeat(has_it.astype(np.float32), np.diff(part.indptr))
            made = made + part
        made.eliminate_zeros()
        rows = [_unit_rows(v, idf) for v, idf in zip(self._views(made), self.idf, strict=True)]
        return self._search(rows, queries, across=False, itself=True)

    def differing_fields(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> dict[str, int]:
        """Count for each field the pairs that both have it and share no word of it."""
        counted = {}
        for name, words in zip(self.fields, self.words, strict=True):
            ours, theirs = words[left], words[right]
            shared = np.asarray(ours.multiply(theirs).sum(axis=1)).ravel()
            both = (np.diff(ours.indptr) > 0) & (np.diff(theirs.indptr) > 0)
            counted[name] = int((both & (shared == 0)).sum())
        return counted

    def _views(self, words: "csr_matrix") -> "list[csr_matrix]":
        """Give the words and the n-grams of some texts, 1 for each that a text holds."""
        views = [words.tocsr(), (words @ self.grams).tocsr()]
        for view in views:
            view.data = np.ones_like(view.data)
            view.sort_indices()
        return views

    def _search(
        self,
        rows: "Sequence[csr_matrix]",
        queries: NDArray[np.int64],
        *,
        across: bool,
        itself: bool = False,
    ) -> Likeness:
        query, other, similarity, rank = [], [], [], []
        for start in range(0, len(queries), QUERIES_PER_PRODUCT):
            end = start + QUERIES_PER_PRODUCT
            cosines = sum(
                (part[start:end] @ turned).toarray()
                for part, turned in zip(rows, self._turned, strict=True)
            )
            cosines = np.round(np.asarray(cosines, np.float64) / len(rows), DECIMALS)
            for place, found in zip(queries[start:end], cosines, strict=True):
                if not itself:
                    found[place] = 0.0
                if across:
                    found[self.sources == self.sources[place]] = 0.0
                near = np.flatnonzero(found >= LEAST_SIMILARITY)
                near = near[np.argsort(-found[near], kind="stable")][:MOST_LISTED]
                query.append(np.full(len(near), place))
                other.append(near)
                similarity.append(found[near])
                rank.append(np.arange(len(near)))
        none = [np.zeros(0, np.int64)]
        return Likeness(
            np.concatenate(query or none),
            np.concatenate(other or none),
            np.concatenate(similarity or [np.zeros(0)]),
            np.concatenate(rank or none),
        )


def _grams_of(words: Sequence[str]) -> "csr_matrix":
    """Give the (n_words, n_grams) matrix of the n-grams of each word, its ends marked by blanks."""
    import scipy.sparse as sp

    codes: dict[str, int] = {}
    starts, found = [0], []
    for word in words:
        text = f" {word} "
        grams = {text[i : i + N_GRAM] for i in range(max(1, len(text) - N_GRAM + 1))}
        found += [codes.setdefault(gram, len(codes)) for gram in sorted(grams)]
        starts.append(len(found))
    shape = max(1, len(words)), max(1, len(codes))
    if not words:
        starts.append(0)
    return sp.csr_matrix((np.ones(len(found), np.float32), found, starts), shape)


def _unit_rows(counts: "csr_matrix", idf: NDArray[np.float32]) -> "csr_matrix":
    """Weigh what texts hold, and make every row of length 1; a row of nothing stays so."""
    weighed = counts.copy()
    weighed.data = weighed.data * idf[weighed.indices]
    return unit_length(weighed)
