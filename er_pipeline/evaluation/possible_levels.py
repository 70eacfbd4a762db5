"""Which levels of a comparison two values may reach, judged by their letters, without comparing.

A record meets every distinct value of a field, so this must cost nanoseconds. Conditions that two
values share an expression, such as the same year, are looked up. Conditions on edits and on Jaro's
similarity are bounded by the letters that two values have in common, whatever their order: k edits
leave all letters but k of the longer value, and Jaro's similarity counts no more matching letters
than there are. Any other condition is taken to be possible.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.matching.level_conditions import (
    PREFIX,
    Part,
    least_jaro,
    number_values,
    read_parts,
)

# Letters are counted in so many classes: a-z, 0-9, and what else there is, folded.
CLASSES, FOLDED = 64, 28
# Longer values are not looked at: their counts would not fit into a byte.
LONGEST = 255
VALUES_PER_BATCH = 100_000


class PossibleLevels:
    """What the levels of one comparison ask of two values, for values numbered from 0.

    Reads the engine's table of distinct values (_code, and the columns compared). Keeps some
    `CLASSES` bytes per value and column whose letters are looked at.
    """

    def __init__(self, engine: Engine, values: str, conditions: Sequence[str]) -> None:
        """Look at all values once."""
        self.parts = [read_parts(condition) for condition in conditions]
        self.codes: dict[str, NDArray[np.int32]] = {}
        self.letters: dict[str, Letters] = {}
        (n_values,) = engine.row(f"select count(*) from {values}")
        self.n_values = int(n_values)
        for part in dict.fromkeys(part for parts in self.parts for part in parts):
            if part.kind == "equal" and part.of not in self.codes:
                self.codes[part.of] = number_values(engine, values, part.of)
            elif part.kind != "equal" and part.of not in self.letters:
                self.letters[part.of] = Letters(engine, values, part.of)

    def of(self, code: int) -> list[NDArray[np.bool_] | None]:
        """Say for every level which values may reach it together with one of them.

        Returns an array (n_values) per level, None where nothing can be judged.
        """
        shared = {of: letters.shared_with(code) for of, letters in self.letters.items()}
        by_level: list[NDArray[np.bool_] | None] = []
        for parts in self.parts:
            possible: NDArray[np.bool_] | None = None
            for part in parts:
                if part.kind == "equal":
                    codes = self.codes[part.of]
                    one = (codes == codes[code]) & (codes >= 0)
                else:
                    one = self.letters[part.of].may_reach(code, shared[part.of], part)
                possible = one if possible is None else possible & one
            by_level.append(possible)
        return by_level


class Letters:
    """The letters of all values of a column: how often each class, how many, the first ones."""

    def __init__(self, engine: Engine, values: str, column: str) -> None:
        """Count them."""
        texts = _texts(engine, values, column)
        n_values = len(texts)
        self.counts = np.zeros((CLASSES, n_values), np.uint8)
        self.starts = np.zeros((PREFIX, n_values), np.uint8)
        self.lengths = np.zeros(n_values, np.int32)
        self.is_plain = np.ones(n_values, bool)  # ASCII, and neither NULL nor too long
        for start in range(0, n_values, VALUES_PER_BATCH):
            part = slice(start, start + VALUES_PER_BATCH)
            self._count(texts[part], part)
        # Per letter in common; values without letters have none.
        self.per_letter = (1 / np.maximum(self.lengths, 1)).astype(np.float32)

    def _count(self, texts: pa.LargeStringArray, part: slice) -> None:
        bounds = np.frombuffer(texts.buffers()[1], np.int64)[
            texts.offset : texts.offset + len(texts) + 1
        ]
        data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[bounds[0] : bounds[-1]]
        lengths = np.diff(bounds)
        owner = np.repeat(np.arange(len(texts)), lengths)
        odd = lengths > LONGEST
        odd[owner[data > 127]] = True
        odd |= np.asarray(texts.is_null().to_numpy(zero_copy_only=False), bool)
        self.is_plain[part], self.lengths[part] = ~odd, lengths
        kept = ~odd[owner]
        cells = owner[kept] * CLASSES + _CLASS_OF[data[kept]]
        counted = np.bincount(cells, minlength=len(texts) * CLASSES).reshape(-1, CLASSES)
        self.counts[:, part] = counted.T
        for i in range(PREFIX):
            some = lengths > i
            self.starts[i, part][some] = data[bounds[:-1][some] - bounds[0] + i]

    def shared_with(self, code: int) -> NDArray[np.uint8]:
        """Count the letters that a value has in common with every value, whatever their order."""
        own = self.counts[:, code]
        shared = np.zeros(self.counts.shape[1], np.uint8)
        for letter in np.flatnonzero(own):
            shared += np.minimum(self.counts[letter], own[letter])
        return shared

    def may_reach(self, code: int, shared: NDArray[np.uint8], part: Part) -> NDArray[np.bool_]:
        """Tell which values may fulfil a part of a condition together with one value.

        shared: the letters each has in common with it.
        """
        if not self.is_plain[code]:
            return np.ones(len(self.lengths), bool)
        if part.kind == "edits":
            longer = np.maximum(self.lengths, self.lengths[code])
            possible = longer - shared <= part.limit
        else:
            # With m matching letters of a and of b letters, Jaro is at most (m/a + m/b + 1) / 3.
            least = (3 * least_jaro(part) - 1 - 1e-5).astype(np.float32)
            ratio = shared * (self.per_letter + self.per_letter[code])
            possible = ratio >= least[PREFIX if part.kind == "jaro_winkler" else 0]
            if part.kind == "jaro_winkler":
                near = np.flatnonzero(possible)
                same = self.starts[:, near] == self.starts[:, [code]]
                prefix = np.minimum.accumulate(same, axis=0).sum(axis=0)
                possible[near] = ratio[near] >= least[prefix]
        return np.asarray(possible | ~self.is_plain, bool)


def _texts(engine: Engine, values: str, column: str) -> pa.LargeStringArray:
    found = engine.arrow(f"select cast({column} as varchar) as text from {values} order by _code")
    return found["text"].cast(pa.large_string()).combine_chunks()


def _classes() -> NDArray[np.int64]:
    classes = CLASSES - FOLDED + np.arange(256) % FOLDED
    for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz0123456789"):
        classes[ord(letter)] = i
    return classes


_CLASS_OF = _classes()
