"""Term counts: how common the n-grams, or words, of texts are; what a TF-IDF encoder learns.

With them a vector follows from one text alone, so that it stays the same while other texts come
and go. A term that was not there when they were learned weighs as one that no record has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TermCounts:
    """How many records and distinct texts held each term of a field, or of the whole record.

    n_records: records with any term. cells: (n_terms,) the hashed terms, ascending. records,
    texts: (n_terms,) that hold each. weight: of the field among the others.
    """

    n_records: int
    cells: NDArray[np.int32]
    records: NDArray[np.int64]
    texts: NDArray[np.int64]
    weight: float = 1.0

    @classmethod
    def of(
        cls, n_records: float, records: NDArray[Any], texts: NDArray[Any], weight: float = 1.0
    ) -> "TermCounts":
        """Return the counts of the terms that there are, from those of all cells."""
        cells = np.flatnonzero(texts).astype(np.int32)
        counted = (np.rint(records[cells]).astype(np.int64), texts[cells].astype(np.int64))
        return cls(int(n_records), cells, *counted, weight)

    def idf(self, bits: int) -> NDArray[np.float32]:
        """Return the `smooth_idf` of each of 2 ** bits cells."""
        frequency = np.zeros(1 << bits, np.int64)
        frequency[self.cells] = self.records
        return smooth_idf(self.n_records, frequency)

    def texts_of_cells(self, bits: int) -> NDArray[np.int64]:
        """Return how many texts held each of 2 ** bits cells."""
        counted = np.zeros(1 << bits, np.int64)
        counted[self.cells] = self.texts
        return counted


@dataclass(frozen=True)
class LexicalStatistics:
    """What the encoder `lexical` learns: its n-grams, by size, and the counts of every field."""

    ngrams: str
    fields: Mapping[str, TermCounts]


def smooth_idf(n_records: float, frequency: NDArray[Any]) -> NDArray[np.float32]:
    """Give ln((1 + n) / (1 + df)) + 1, the smooth idf of scikit-learn, of terms in so many records.

    frequency: (n_terms,) records that hold each term.
    """
    idf: NDArray[np.float32] = (np.log((1 + n_records) / (1 + frequency)) + 1).astype(np.float32)
    return idf
