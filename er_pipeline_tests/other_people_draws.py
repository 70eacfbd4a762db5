"""How the other people are drawn: numbers, and texts as rows of bytes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Texts = NDArray[np.bytes_]
Numbers = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]
Columns = dict[str, Any]
Rng = np.random.Generator


def draw(weights: NDArray[np.floating[Any]], n: int, rng: Rng) -> Numbers:
    cumulative = np.cumsum(weights)
    return np.searchsorted(cumulative / cumulative[-1], rng.random(n), side="right")


def zipf(n_words: int, offset: int, n: int, rng: Rng) -> Numbers:
    """Draw rows by the law of Zipf and Mandelbrot: the first ones are about equally frequent."""
    return draw(1 / np.arange(1 + offset, 1 + offset + n_words), n, rng)


def pick_rows(shares: Mapping[Any, float], n: int, rng: Rng) -> Numbers:
    return draw(np.array(list(shares.values())), n, rng)


def pick(shares: Mapping[int, float], n: int, rng: Rng) -> Numbers:
    return np.array(list(shares))[pick_rows(shares, n, rng)]


def number_groups(sizes: Numbers, n: int) -> Numbers:
    """Number the groups of these sizes: n numbers, ascending; the last group may be cut."""
    return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[:n]


def padded(numbers: Numbers, width: int) -> Texts:
    return np.strings.zfill(numbers.astype(f"S{width}"), width)


def rows_as_texts(letters: NDArray[np.uint8]) -> Texts:
    return np.ascontiguousarray(letters).view(f"S{letters.shape[1]}")[:, 0]


def as_column(texts: Texts, is_missing: Flags | None = None) -> Any:
    # a typo can leave nothing of a text of one letter
    is_empty = texts == b"" if is_missing is None else is_missing | (texts == b"")
    return pa.array(texts, mask=is_empty).cast(pa.string())
