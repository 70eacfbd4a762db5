"""The whole record as one text: TF-IDF vectors of its words and of their 3-grams.

Field by field one fact that stands in another column is lost: an artist in the title, a journal
among the book titles, first and last name in either order. The record as a bag of words finds it,
whatever column it is in. Elsewhere it says less than the fields do: the two views check each other.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.encoders.encoder import Texts
from er_pipeline.blocking.encoders.lexical import cells_of, unit_length, used_columns
from er_pipeline.blocking.encoders.term_counts import TermCounts

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

WORD_BITS, TRIGRAM_BITS = 22, 20
WORDS, TRIGRAMS = "words", "trigrams"
BITS = {WORDS: WORD_BITS, TRIGRAMS: TRIGRAM_BITS}
VALUES_PER_BATCH = 200_000
# Texts up to which 3-grams are affordable: they take 0.7 KB each, words 0.1 KB.
TRIGRAMS_LIMIT = 300_000
# Spaces and punctuation beyond ASCII; whatever else is there belongs to a word.
SEPARATORS = (
    (0x80, 0xA9),
    (0xAB, 0xB4),
    (0xB6, 0xB9),
    (0xBB, 0xBF),
    (0x2000, 0x206F),
    (0x3000, 0x3004),
)


def learn_whole_records(texts: Texts) -> dict[str, TermCounts]:
    """Count the words of the texts, and their 3-grams up to `TRIGRAMS_LIMIT` texts."""
    counts, bags = _bags(texts, has_trigrams=texts.n_texts <= TRIGRAMS_LIMIT)
    return {
        name: TermCounts.of(counts.sum(), bag.T @ counts, bag.T @ np.ones_like(counts))
        for name, bag in bags.items()
    }


def whole_record_vectors(
    texts: Texts, learned: Mapping[str, TermCounts] | None = None
) -> "tuple[csr_matrix, csr_matrix | None]":
    """Encode every text as the bag of its words, and as that of their 3-grams.

    learned: of `learn_whole_records`, from these texts if omitted.
    Returns two matrices, (n_texts, n_columns) float32, of binary terms times idf, rows of length
    1; a text without a word is a row of zeros. 3-grams only where they were learned.
    """
    found = encode_whole_records(texts, learned or learn_whole_records(texts))
    words, *trigrams = (used_columns(bag)[0] for bag in found.values())
    return words, trigrams[0] if trigrams else None


def encode_whole_records(
    texts: Texts, learned: Mapping[str, TermCounts]
) -> "dict[str, csr_matrix]":
    """Encode every text as bags, (n_texts, cells), by name, as `whole_record_vectors` does."""
    _, bags = _bags(texts, has_trigrams=TRIGRAMS in learned)
    for name, bag in bags.items():
        bag.data = learned[name].idf(BITS[name])[bag.indices]
        unit_length(bag)
    return bags


def _bags(texts: Texts, *, has_trigrams: bool) -> "tuple[NDArray[np.int64], dict[str, csr_matrix]]":
    """Put every text's terms into a row of 0s and 1s; give the records of each text, too."""
    import scipy.sparse as sp

    bags = [sp.csr_matrix((texts.n_texts, 1 << n), dtype=np.float32) for n in _bits(has_trigrams)]
    counts: NDArray[np.int64] = np.ones(texts.n_texts, np.int64)
    for field in texts.fields():
        counts = field.counts
        places = np.where(field.codes < 0, len(field.values), field.codes)
        for i, rows in enumerate(_rows(field.values, has_trigrams)):
            bags[i] = bags[i] + rows[places]
    for bag in bags:
        bag.data[:] = 1  # whether a term is there says more than how often
        bag.sort_indices()  # so that products are summed in one order
    return counts, dict(zip(BITS, bags, strict=False))


def _bits(has_trigrams: bool) -> list[int]:
    return list(BITS.values())[: 1 + has_trigrams]


def _rows(values: Sequence[str], has_trigrams: bool) -> "list[csr_matrix]":
    """Hash the words, and the 3-grams, of each value into a row; one row of zeros follows."""
    import scipy.sparse as sp

    parts = [
        _batch(values[start : start + VALUES_PER_BATCH], has_trigrams)
        for start in range(0, len(values), VALUES_PER_BATCH)
    ]
    nothing = [sp.csr_matrix((1, 1 << n), dtype=np.float32) for n in _bits(has_trigrams)]
    return [
        sp.vstack([*(part[i] for part in parts), nothing[i]], format="csr")
        for i in range(len(nothing))
    ]


def _batch(values: Sequence[str], has_trigrams: bool) -> "list[csr_matrix]":
    padded = [f" {value}" for value in values]
    sizes = np.fromiter(map(len, padded), np.int64, len(padded))
    letters = np.frombuffer("".join(padded).encode("utf-32-le"), np.uint32)
    owner = np.repeat(np.arange(len(values), dtype=np.int32), sizes)
    inside = _is_of_word(letters)
    begins = inside.copy()
    begins[1:] &= ~inside[:-1]
    letters, owner, begins = letters[inside], owner[inside], begins[inside]
    starts = np.flatnonzero(begins)
    if not len(starts):
        return [_bag(owner, owner, len(values), n) for n in _bits(has_trigrams)]
    word = np.cumsum(begins, dtype=np.int64) - 1
    place = np.arange(len(letters)) - starts[word]
    powers = np.cumprod(np.full(int(place.max()) + 1, 0x9E3779B1, np.uint32), dtype=np.uint32)
    hashed = np.add.reduceat(letters * powers[place], starts, dtype=np.uint32)
    bags = [_bag(owner[starts], cells_of(hashed, WORD_BITS), len(values), WORD_BITS)]
    if has_trigrams:
        # A blank stands before and after each word, so that its first and last letters count.
        spread = np.full(len(letters) + 2 * len(starts), ord(" "), np.uint32)
        spread[np.arange(len(letters)) + 2 * word + 1] = letters
        lengths = np.diff(np.append(starts, len(letters))) + 2
        of_word = np.repeat(np.arange(len(starts)), lengths)
        whole = of_word[:-2] == of_word[2:]
        grams = np.full(len(spread) - 2, 3, np.uint32)
        for offset in range(3):
            grams = grams * np.uint32(0x9E3779B1) + spread[offset : offset + len(grams)]
        rows = owner[starts][of_word[:-2][whole]]
        bags.append(_bag(rows, cells_of(grams[whole], TRIGRAM_BITS), len(values), TRIGRAM_BITS))
    return bags


def _bag(rows: NDArray[np.int32], cells: NDArray[np.int32], n_rows: int, bits: int) -> "csr_matrix":
    import scipy.sparse as sp

    ones = np.ones(len(rows), np.float32)
    return sp.csr_matrix((ones, (rows, cells)), shape=(n_rows, 1 << bits))


def _is_of_word(letters: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Mark letters and digits; a combining mark belongs to its letter."""
    ascii_words = np.zeros(0x80, bool)
    ascii_words[[ord(c) for c in map(chr, range(0x80)) if c.isalnum()]] = True
    inside = np.ones(len(letters), bool)
    is_ascii = letters < 0x80
    inside[is_ascii] = ascii_words[letters[is_ascii]]
    for first, last in SEPARATORS:
        inside &= (letters < first) | (letters > last)
    return inside
