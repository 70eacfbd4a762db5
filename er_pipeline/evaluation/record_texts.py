"""Whole records as texts: how alike a sample of them is to all others, whatever the rules read.

A record is the words of all its fields. Two records are as similar as the mean of two cosines, of
their words and of the 3-grams of these, both weighed by TF-IDF. Search is exact: both products are
one, of rows that hold words and n-grams side by side, and only the best of each row are kept.

What similarity chance reaches is seen from strangers: records put together from fields of records
drawn at random, so that each field is real and the whole is nobody. It is the decoy of searches in
protein databases.
Source: Elias and Gygi, "Target-Decoy Search Strategy", Nature Methods 4, 2007.
"""

import os
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
N_VIEWS = 2  # words, and their n-grams
# Records that are less alike, or not among so many most similar ones, are not listed.
LEAST_SIMILARITY, MOST_LISTED = 0.1, 300
# Cosines are compared to so many decimals, so that the last bits of sums decide nothing.
DECIMALS = 4
# Kept beyond those listed, to see whether the last one ties with more.
SPARE = 60
QUERIES_PER_PRODUCT = 1_000  # some 10 MB
TIED_PER_PRODUCT = 50  # of which all that is alike is kept: 40 MB at 100,000 records


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

    def lists_in(self, sources: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number the lists of either query in either source. sources: of every text, by place."""
        n_sources = int(sources.max(initial=0)) + 1
        numbers: NDArray[np.int64] = self.query * n_sources + sources[self.other]
        return numbers

    def places_in(self, sources: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the rank, from 0, that each has among those of its query in its source."""
        lists = self.lists_in(sources)
        order = np.lexsort((self.rank, lists))
        begins = np.diff(lists[order], prepend=-1) != 0
        at = np.arange(len(order))
        place = np.empty_like(at)
        place[order] = at - np.maximum.accumulate(np.where(begins, at, 0))
        return place


class RecordTexts:
    """The texts of some records, as sparse matrices.

    numbers: (n,) record numbers, ascending. sources: (n,) their sources. fields: those that hold
    words. words: per field (n, n_words), 1 where the field holds the word.
    """

    def __init__(self, engine: Engine, fields: Sequence[str], records: str) -> None:
        """Read the words of the engine's cleaned_records whose record_no stands in `records`."""
        import scipy.sparse as sp

        columns = ", ".join(["record_no", "source_no", *map(quoted, fields)])
        drawn = "drawn_texts"
        engine.make_table(
            drawn,
            f"select {columns} from cleaned_records semi join {records} using (record_no)",
        )
        found = engine.columns(f"select record_no, source_no from {drawn} order by record_no")
        self.numbers = np.asarray(found["record_no"], np.int64)
        self.sources = np.asarray(found["source_no"], np.int64)
        listed = " union all ".join(
            f"select record_no, {i} as field, lower(cast({quoted(field)} as varchar)) as text"
            f" from {drawn}"
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
        (n_words,) = engine.row("select count(*) from distinct_words")
        field = np.asarray(places["field"], np.int64)
        row = np.searchsorted(self.numbers, np.asarray(places["record_no"], np.int64))
        code = np.asarray(places["code"], np.int64)
        shape = len(self.numbers), max(1, n_words)
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
        self.grams = _grams_of(engine, "distinct_words", n_words)
        self.idf: list[NDArray[np.float32]] = []
        self.targets: list[csr_matrix] = []
        for counts in self._views(whole):
            holding = np.bincount(counts.indices, minlength=counts.shape[1])
            self.idf.append(smooth_idf(shape[0], holding))
            self.targets.append(_unit_rows(counts, self.idf[-1]))
        self._whole = _side_by_side(self.targets)

    def nearest(self, queries: NDArray[np.int64], *, across: bool) -> Likeness:
        """List the records most similar to some, by their places.

        across: of other sources only. Ties go to the lower number.
        """
        rows, everyone = self._whole[queries], np.arange(len(self.numbers))
        if not across:
            return _joined([self._search(rows, queries, everyone, itself=False)], queries)
        parts = []
        for source in np.unique(self.sources[queries]):
            asked = self.sources[queries] == source
            others = everyone[self.sources != source]
            parts.append(self._search(rows[asked], queries[asked], others, itself=True))
        return _joined(parts, queries)

    def of_strangers(
        self, queries: NDArray[np.int64], seed: int, least: float = LEAST_SIMILARITY
    ) -> Likeness:
        """List the records most similar to strangers, one for each of some records.

        A stranger has the fields that its record has, each from a record drawn at random among
        those that have it; the same seed draws the same. least: similarity below which nobody asks.
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
        everyone = np.arange(len(self.numbers))
        found = self._search(_side_by_side(rows), queries, everyone, itself=True, least=least)
        return _joined([found], queries)

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
        rows: "csr_matrix",
        queries: NDArray[np.int64],
        targets: NDArray[np.int64],
        *,
        itself: bool,
        least: float = LEAST_SIMILARITY,
    ) -> Likeness:
        """List what is most similar to rows of `_side_by_side`, among targets, by their places.

        itself: whether a query's own place may be listed.
        """
        everyone = len(targets) == len(self.numbers)
        turned = (self._whole if everyone else self._whole[targets]).T.tocsr()
        none = np.zeros(0, np.int64)
        found = [(none, none, np.zeros(0))]
        length = MOST_LISTED + SPARE
        for start in range(0, len(queries), QUERIES_PER_PRODUCT):
            part = np.arange(start, min(len(queries), start + QUERIES_PER_PRODUCT))
            row, other, similarity = _product(rows[part], turned, length, least)
            # Where the list is full and its end ties with the last one wanted, all are asked for.
            sizes = np.bincount(row, minlength=len(part))
            nth = np.full(len(part), -1.0)
            rank = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            at_last, at_end = rank == MOST_LISTED, rank == length - 1
            nth[row[at_end]] = similarity[at_end]
            tied = np.zeros(len(part), bool)
            tied[row[at_last]] = similarity[at_last] == nth[row[at_last]]
            listed = ~tied[row]
            found.append((part[row[listed]], other[listed], similarity[listed]))
            again = part[tied]
            for first in range(0, len(again), TIED_PER_PRODUCT):
                some = again[first : first + TIED_PER_PRODUCT]
                row, other, similarity = _product(rows[some], turned, len(targets), least)
                found.append((some[row], other, similarity))
        row, other, similarity = (np.concatenate(one) for one in zip(*found, strict=True))
        query, other = queries[row], targets[other]
        if not itself:
            apart = query != other
            row, query, other, similarity = (
                row[apart],
                query[apart],
                other[apart],
                similarity[apart],
            )
        order = np.argsort(row, kind="stable")  # within a row they are in order already
        query, other, similarity, row = query[order], other[order], similarity[order], row[order]
        sizes = np.bincount(row, minlength=len(queries))
        rank = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        kept = rank < MOST_LISTED
        return Likeness(query[kept], other[kept], similarity[kept], rank[kept])


def _product(
    rows: "csr_matrix", turned: "csr_matrix", length: int, least: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Give row, column and mean of both views of what is most alike to each row, best first.

    Means are rounded, and equal ones come in the order of their columns. length: at most so many
    per row, any of those that tie with the last one.
    """
    from sparse_dot_topn import sp_matmul_topn

    if not turned.shape[1]:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros(0)
    # What is rounded up to the least similarity counts, too.
    floor = N_VIEWS * (least - 0.5 * 10.0**-DECIMALS)
    length = min(length, turned.shape[1])
    product = sp_matmul_topn(rows, turned, length, threshold=floor, n_threads=os.cpu_count())
    row = np.repeat(np.arange(rows.shape[0]), np.diff(product.indptr))
    similarity = np.round(product.data.astype(np.float64) / N_VIEWS, DECIMALS)
    order = np.lexsort((product.indices, -similarity, row))
    order = order[similarity[order] >= least]
    return row[order], product.indices[order].astype(np.int64), similarity[order]


def _joined(parts: Sequence[Likeness], queries: NDArray[np.int64]) -> Likeness:
    """Put lists together, in the order of the queries, whose places differ."""
    if len(parts) == 1:
        return parts[0]
    none = np.zeros(0, np.int64)
    parts = [Likeness(none, none, np.zeros(0), none), *parts]
    place = np.argsort(queries)
    query = np.concatenate([part.query for part in parts])
    order = np.argsort(place[np.searchsorted(queries[place], query)], kind="stable")
    return Likeness(
        query[order],
        *(
            np.concatenate([getattr(part, name) for part in parts])[order]
            for name in ("other", "similarity", "rank")
        ),
    )


def _side_by_side(views: "Sequence[csr_matrix]") -> "csr_matrix":
    """Put the views of some texts together: a product of rows is the sum of those of the views."""
    import scipy.sparse as sp

    whole = sp.hstack(views, format="csr", dtype=np.float32)
    whole.sort_indices()
    return whole


def _grams_of(engine: Engine, words: str, n_words: int) -> "csr_matrix":
    """Give the (n_words, n_grams) matrix of the n-grams of each word, its ends marked by blanks.

    words: engine table (word, code), the codes from 0.
    """
    import scipy.sparse as sp

    engine.make_table(
        "word_grams",
        f"""
        select distinct code, substring(' ' || word || ' ', place, {N_GRAM}) as gram
        from (
            select code, word,
                unnest(range(1, greatest(length(word) + {4 - N_GRAM}, 2))) as place
            from {words}
        )
        """,
    )
    found = engine.columns(
        "select code, dense_rank() over (order by gram) - 1 as gram from word_grams order by 1, 2"
    )
    code, gram = (np.asarray(found[name], np.int64) for name in ("code", "gram"))
    shape = max(1, n_words), int(gram.max(initial=0)) + 1
    return sp.csr_matrix((np.ones(len(code), np.float32), (code, gram)), shape)


def _unit_rows(counts: "csr_matrix", idf: NDArray[np.float32]) -> "csr_matrix":
    """Weigh what texts hold, and make every row of length 1; a row of nothing stays so."""
    weighed = counts.copy()
    weighed.data = weighed.data * idf[weighed.indices]
    return unit_length(weighed)
