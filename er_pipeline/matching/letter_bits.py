"""What letters two texts have in common at most, for the price of counting bits.

A bit says that a text has a letter at least k times. Bits that differ between two texts are letters
that one has and the other has not, whatever their order; so of texts of a and b letters with d bits
that differ, at most (a + b - d) / 2 letters are common. An edit changes at most two bits, since it
puts one letter in the place of another, and a transposition none. Which 64 letters and counts get a
bit is a matter of sharpness alone: those that split the values best.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.matching.level_conditions import PREFIX, Part, least_jaro

BITS = 64
MOST_TIMES = 8  # of the same letter
VALUES_PER_BATCH = 50_000
# Sums of 32 bits are off by less than this.
SLACK = 1e-4


class LetterBits:
    """The letters of the distinct values of a column, some 24 bytes each.

    Reads the engine's table `values` (_code from 0 without gaps, and the column). Texts with other
    than ASCII letters, and NULL, are taken to be like any other.
    """

    def __init__(self, engine: Engine, values: str, column: str) -> None:
        """Choose the bits by the letters of some values, and set those of all."""
        read = f"select _code, cast({column} as varchar) as text from {values}"
        (n_values,) = engine.row(f"select count(*) from {values}")
        self.bits = np.zeros(n_values, np.uint64)
        self.starts = np.zeros(n_values, np.uint32)
        self.lengths = np.zeros(n_values, np.float32)
        self.is_plain = np.ones(n_values, bool)
        # Codes stand in the order of the values: every so many, not those that begin with an A.
        every = max(1, n_values // VALUES_PER_BATCH)
        sample = _Texts(engine.arrow(f"{read} where _code % {every} = 0 order by _code")["text"])
        chosen = _sharpest(sample.counts())
        for start in range(0, n_values, VALUES_PER_BATCH):
            end = start + VALUES_PER_BATCH
            found = f"{read} where _code >= {start} and _code < {end} order by _code"
            texts = _Texts(engine.arrow(found)["text"])
            part = slice(start, start + len(texts.lengths))
            counts = texts.counts()
            for bit, (letter, times) in enumerate(chosen):
                has = (counts[:, letter] >= times).astype(np.uint64)
                self.bits[part] |= has << np.uint64(bit)
            self.starts[part], self.lengths[part] = texts.starts(), texts.lengths
            self.is_plain[part] = texts.is_plain
        self.per_letter = (1 / np.maximum(self.lengths, 1)).astype(np.float32)
        self.are_plain = bool(self.is_plain.all())

    def differing(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Count the bits that differ between the values of two arrays of codes."""
        differing = self.bits.take(left)
        differing ^= self.bits.take(right)
        counted: NDArray[np.uint8] = np.bitwise_count(differing)
        return counted

    def may_hold(
        self,
        part: Part,
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        differing: NDArray[np.uint8],
    ) -> NDArray[np.bool_]:
        """Say which pairs of values may fulfil a part of a condition; differing: their bits."""
        if part.kind == "edits":
            possible = differing <= min(2 * int(part.limit), BITS)
        else:
            possible = self._may_be_alike(part, left, right, differing)
        if not self.are_plain:
            possible |= ~(self.is_plain.take(left) & self.is_plain.take(right))
        return possible

    def _may_be_alike(
        self,
        part: Part,
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        differing: NDArray[np.uint8],
    ) -> NDArray[np.bool_]:
        # With m matching letters of a and of b letters, Jaro is at most (m/a + m/b + 1) / 3.
        common = self.lengths.take(left) + self.lengths.take(right)
        common -= differing
        ratio = common * (self.per_letter.take(left) + self.per_letter.take(right))
        ratio *= 0.5
        least = (3 * least_jaro(part) - 1 - SLACK).astype(np.float32)
        possible: NDArray[np.bool_] = ratio >= least[-1]
        if part.kind == "jaro_winkler":
            near = np.flatnonzero(possible)
            other = self.starts.take(left.take(near)) ^ self.starts.take(right.take(near))
            # The first letter stands in the highest byte.
            prefix = sum((other < 1 << 8 * n).astype(np.int8) for n in range(PREFIX))
            possible[near] = ratio.take(near) >= least[prefix]
        return possible


class _Texts:
    """Some texts as bytes."""

    def __init__(self, texts: pa.ChunkedArray) -> None:
        array = texts.cast(pa.large_string()).combine_chunks()
        n_texts = len(array)
        bounds = np.frombuffer(array.buffers()[1] or bytes(8), np.int64)
        self.bounds = bounds[array.offset : array.offset + n_texts + 1]
        self.data = np.frombuffer(array.buffers()[2] or b"", np.uint8)
        self.data = self.data[self.bounds[0] : self.bounds[-1]] if n_texts else self.data[:0]
        self.lengths = np.diff(self.bounds) if n_texts else np.zeros(0, np.int64)
        self.owner = np.repeat(np.arange(n_texts), self.lengths)
        self.is_plain = ~np.asarray(array.is_null().to_numpy(zero_copy_only=False), bool)
        self.is_plain[self.owner[self.data > 127]] = False

    def counts(self) -> NDArray[np.uint8]:
        """Count every ASCII letter of every text: (n_texts, 128), at most `MOST_TIMES`."""
        cells = self.owner * 128 + (self.data & 127)
        counted = np.bincount(cells, minlength=len(self.lengths) * 128)
        counts = np.minimum(counted, MOST_TIMES).astype(np.uint8)
        return counts.reshape(-1, 128)

    def starts(self) -> NDArray[np.uint32]:
        """Give the first four letters of every text in one number."""
        starts = np.zeros(len(self.lengths), np.uint32)
        for i in range(PREFIX):
            some = self.lengths > i
            first = self.data[self.bounds[:-1][some] - self.bounds[0] + i].astype(np.uint32)
            starts[some] |= first << np.uint32(8 * (PREFIX - 1 - i))
        return starts


def _sharpest(counts: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Choose the (letter, times) that split the values most evenly, as many as there are bits."""
    found = list(_split(counts))
    return [(letter, times) for _, letter, times in sorted(found, reverse=True)[:BITS]]


def _split(counts: NDArray[np.uint8]) -> Iterator[tuple[float, int, int]]:
    for times in range(1, MOST_TIMES + 1):
        share = (counts >= times).mean(axis=0) if len(counts) else np.zeros(128)
        for letter in np.flatnonzero(share):
            yield float(share[letter] * (1 - share[letter])), int(letter), times
