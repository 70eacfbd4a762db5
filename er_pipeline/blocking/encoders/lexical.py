"""lexical: hashed character n-grams, TF-IDF, one namespace per field. No weights, no download.

Each field is a vector of its own, of length 1, scaled by the field's weight, so that a long text
does not drown a short one. The fields of person_name kind share a namespace, and so do those of
address kind: first and last name, or two lines of an address, are often swapped.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from er_pipeline.blocking.encoders.encoder import Encoder, FieldValues, Texts
from er_pipeline.blocking.encoders.term_counts import LexicalStatistics, TermCounts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

HASH_BITS = 20  # cells per namespace: 30 times the distinct 4-grams of a million names
SHARED_NAMESPACES = ("person_name", "address")
VALUES_PER_BATCH = 200_000
# Texts up to which n-grams of 2 to 4 characters are affordable, and of 4 within words.
SHORT_NGRAMS_LIMIT = 20_000
WORD_NGRAMS_LIMIT = 300_000
# Setting -> lengths, and whether they stay within words.
NGRAMS: dict[str, tuple[Sequence[int], bool]] = {
    "2-4": ((2, 3, 4), True),
    "4": ((4,), True),
    "5": ((5,), False),
}


class Lexical(Encoder):
    """The default encoder: numpy and scipy only, deterministic, 0.1 to 3 CPU s per 10,000 records.

    Field weights: the entropy of the field's values / ln n, times the square root of its fill
    rate; a field that says the same of everybody, or is mostly empty, weighs little.
    Sources: Paulsen, Govind, Doan, "Sparkly: A Simple yet Surprisingly Strong TF/IDF Blocker for
    Entity Matching", VLDB 16(6), 2023; Weinberger et al., "Feature Hashing", ICML 2009.
    """

    encoder: Literal["lexical"] = "lexical"
    ngrams: Literal["auto", "2-4", "4", "5"] = Field(
        "auto",
        description="Characters: 2-4 or 4 within words, 5 across them; auto goes by the size.",
    )
    max_work_per_record: int = Field(
        30_000,
        ge=1000,
        description="Products per record the search may cost; commoner n-grams find in pairs or"
        " only rank.",
    )

    min_recall: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Least recall of the lists, where common n-grams are left out, against exact"
        " ones; what is missed are mostly their far ends.",
    )

    def encode(self, texts: Texts) -> "csr_matrix":
        """Learn from the texts themselves, and encode them."""
        vectors, _ = used_columns(self.encode_with(texts, self.learn(texts)))
        return vectors

    def learn(self, texts: Texts) -> LexicalStatistics:
        """Count the n-grams of every field, and weigh the fields."""
        ngrams = self._ngrams(texts.n_texts)
        fields = {}
        for field in texts.fields():
            weight = field_weight(field.codes, field.counts)
            filled = field.codes >= 0
            values = _ngram_rows(field.values if weight else [], *NGRAMS[ngrams])
            of_value = field.codes[filled] if weight else np.zeros(0, np.int32)
            counts = field.counts[filled] if weight else np.zeros(0, np.int64)
            n_holders = np.bincount(of_value, weights=counts, minlength=values.shape[0])
            n_texts = np.bincount(of_value, minlength=values.shape[0])
            fields[field.name] = TermCounts.of(
                n_holders.sum(), values.T @ n_holders, values.T @ n_texts, weight
            )
        return LexicalStatistics(ngrams, fields)

    def encode_with(self, texts: Texts, statistics: LexicalStatistics) -> "csr_matrix":
        """Encode every distinct value of every field once, then put the texts together.

        Returns (n_texts, n_spaces * 2 ** HASH_BITS) float32, see `texts_of_columns`; a row follows
        from its text and the statistics alone.
        """
        import scipy.sparse as sp

        by_space: dict[str, csr_matrix] = {}
        for field in texts.fields():
            learned = statistics.fields.get(field.name)
            if learned is None or learned.weight == 0:
                continue
            values = _ngram_rows(field.values, *NGRAMS[statistics.ngrams])
            values.data = values.data * learned.idf(HASH_BITS)[values.indices]
            weight = np.full(values.shape[0], learned.weight, np.float32)
            weighted = (sp.diags(weight) @ unit_length(values)).tocsr()
            nothing = sp.csr_matrix((1, weighted.shape[1]), dtype=np.float32)
            places = np.where(field.codes < 0, len(field.values), field.codes)
            block = sp.vstack([weighted, nothing], format="csr")[places]
            space = _space(field)
            by_space[space] = by_space[space] + block if space in by_space else block
        if not by_space:
            return sp.csr_matrix((texts.n_texts, 1), dtype=np.float32)
        joined = sp.hstack(list(by_space.values()), format="csr", dtype=np.float32)
        joined.sort_indices()  # so that products are summed in one order
        return unit_length(joined)

    def _ngrams(self, n_texts: int) -> str:
        if self.ngrams != "auto":
            return self.ngrams
        if n_texts <= SHORT_NGRAMS_LIMIT:
            return "2-4"
        return "4" if n_texts <= WORD_NGRAMS_LIMIT else "5"


def texts_of_columns(kinds: Mapping[str, str], statistics: LexicalStatistics) -> NDArray[np.int64]:
    """Return of every column of `Lexical.encode_with` how many texts held it, once for each field.

    kinds: field -> kind, in the order in which the texts give their fields.
    """
    by_space: dict[str, NDArray[np.int64]] = {}
    for name, kind in kinds.items():
        learned = statistics.fields.get(name)
        if learned is None or learned.weight == 0:
            continue
        counted = learned.texts_of_cells(HASH_BITS)
        space = kind if kind in SHARED_NAMESPACES else name
        by_space[space] = by_space[space] + counted if space in by_space else counted
    return np.concatenate(list(by_space.values()) or [np.zeros(1, np.int64)])


def _space(field: FieldValues) -> str:
    return field.kind if field.kind in SHARED_NAMESPACES else field.name


def field_weight(codes: NDArray[np.int32], counts: NDArray[np.int64]) -> float:
    """Weigh a field: entropy of its values / ln n_records x sqrt(fill rate), from 0 to 1.

    codes: (n_texts,) the text's value, -1 for none. counts: (n_texts,) records of the text.
    """
    n_records = int(counts.sum())
    filled = codes >= 0
    if n_records < 2 or not filled.any():
        return 0.0
    sizes = np.bincount(codes[filled], weights=counts[filled])
    shares = sizes[sizes > 0] / sizes.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    return entropy / float(np.log(n_records)) * float(np.sqrt(sizes.sum() / n_records))


def _ngram_rows(values: Sequence[str], lengths: Sequence[int], within_words: bool) -> "csr_matrix":
    """Hash the n-grams of each value into a row of 0s and 1s."""
    import scipy.sparse as sp

    parts = [
        _ngram_batch(values[start : start + VALUES_PER_BATCH], lengths, within_words)
        for start in range(0, len(values), VALUES_PER_BATCH)
    ]
    if not parts:
        return sp.csr_matrix((0, 1 << HASH_BITS), dtype=np.float32)
    return sp.vstack(parts, format="csr")


def _ngram_batch(values: Sequence[str], lengths: Sequence[int], within_words: bool) -> "csr_matrix":
    import scipy.sparse as sp

    # A unit is what an n-gram must not leave: a word with a blank on either side, or a value.
    padded = [f" {value.replace(' ', '  ') if within_words else value} " for value in values]
    sizes = np.fromiter(map(len, padded), np.int64, len(padded))
    letters = np.frombuffer("".join(padded).encode("utf-32-le"), np.uint32)
    owner = np.repeat(np.arange(len(values), dtype=np.int32), sizes)
    begins = np.zeros(len(letters), bool)
    begins[np.cumsum(sizes) - sizes] = True
    if within_words:
        blank = letters == ord(" ")
        begins[1:] |= blank[1:] & blank[:-1]
    unit = np.cumsum(begins, dtype=np.int32)
    rows, cells = [], []
    for length in lengths:
        n_grams = len(letters) - length + 1
        if n_grams <= 0:
            continue
        hashed = np.full(n_grams, length, np.uint32)
        for offset in range(length):
            hashed = hashed * np.uint32(0x9E3779B1) + letters[offset : offset + n_grams]
        whole = unit[:n_grams] == unit[length - 1 :]
        rows.append(owner[:n_grams][whole])
        cells.append(cells_of(hashed[whole]))
    # A unit shorter than every n-gram is one itself, so that "bo" is not lost among 4-grams.
    starts = np.flatnonzero(begins)
    unit_sizes = np.diff(np.append(starts, len(letters)))
    short = starts[(unit_sizes < min(lengths)) & (unit_sizes > 2)]
    if len(short):
        hashed = np.zeros(len(short), np.uint32)
        for offset in range(min(lengths) - 1):
            place = np.minimum(short + offset, len(letters) - 1)
            inside = unit[place] == unit[short]
            grown = hashed * np.uint32(0x9E3779B1) + letters[place]
            hashed = np.where(inside, grown, hashed)
        rows.append(owner[short])
        cells.append(cells_of(hashed))
    row, cell = np.concatenate(rows), np.concatenate(cells)
    found = sp.csr_matrix(
        (np.ones(len(row), np.float32), (row, cell)), shape=(len(values), 1 << HASH_BITS)
    )
    found.sum_duplicates()
    found.data[:] = 1  # whether an n-gram is there says more than how often
    return found


def cells_of(hashed: NDArray[np.uint32], bits: int = HASH_BITS) -> NDArray[np.int32]:
    """Spread a hash over 2 ** bits cells: the finalizer of MurmurHash3."""
    hashed = hashed ^ (hashed >> np.uint32(16))
    hashed = hashed * np.uint32(0x85EBCA6B)
    hashed = hashed ^ (hashed >> np.uint32(13))
    hashed = hashed * np.uint32(0xC2B2AE35)
    hashed = hashed ^ (hashed >> np.uint32(16))
    return (hashed & np.uint32((1 << bits) - 1)).astype(np.int32)


def unit_length(matrix: "csr_matrix") -> "csr_matrix":
    """Scale every row to length 1, in place; rows of zeros stay."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    lengths[lengths == 0] = 1
    scale = np.repeat((1 / lengths).astype(np.float32), np.diff(matrix.indptr))
    matrix.data = matrix.data * scale
    return matrix


def used_columns(matrix: "csr_matrix") -> "tuple[csr_matrix, NDArray[np.int64]]":
    """Number the columns that hold anything from 0, in their order; give the ones they were."""
    import scipy.sparse as sp

    used = np.zeros(matrix.shape[1], bool)
    used[matrix.indices] = True
    number = np.cumsum(used, dtype=np.int32) - 1
    indices = number[matrix.indices].astype(np.int32)
    indptr = matrix.indptr.astype(np.int64)
    numbered = sp.csr_matrix(
        (matrix.data.astype(np.float32), indices, indptr),
        shape=(matrix.shape[0], int(used.sum())),
    )
    return numbered, np.flatnonzero(used)
