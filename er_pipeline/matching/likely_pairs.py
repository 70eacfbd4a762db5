"""Candidate pairs -> those that may be likely, a slice at a time: what a model needs to compare.

Pairs stream past; only those that the bounds leave are kept, so memory does not grow with them.
"""

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.matching.level_conditions import weight_of
from er_pipeline.matching.pair_bounds import PairBounds

# Pairs whose bounds are found at once by one thread: their numbers stay in its cache.
PAIRS_PER_BATCH = 2**17
# Likely pairs that a model scores at once: some 500 MiB. Splink looks up the records of every slice
# anew, so that many small slices cost more: 200,000 of a million records' pairs cost as much as 4
# million.
PAIRS_PER_SLICE = 4_000_000
Pairs = tuple[NDArray[np.int32], NDArray[np.int32]]


def least_weight(probability: float) -> float:
    """Give the weight, in bits, that a pair of at least a probability has at least."""
    if probability <= 0:
        return -math.inf
    if probability >= 1:
        return weight_of(1.0)
    return math.log2(probability) - math.log2(1 - probability)


class LikelyPairs:
    """The pairs (left_no, right_no) of an engine's table that may be likely, slice by slice.

    bounds: None takes all pairs for likely.

    After the last slice, seen is how many pairs there were, and kept how many are in the slices.
    """

    def __init__(self, engine: Engine, pairs: str, bounds: PairBounds | None) -> None:
        """Look at nothing yet."""
        self.engine, self.pairs, self.bounds = engine, pairs, bounds
        self.seen = self.kept = 0

    def slices(self) -> Iterator[Pairs]:
        """Give the pairs left, some `PAIRS_PER_SLICE` at a time, the last ones too if any."""
        held: list[Pairs] = []
        n_held = 0
        for left, right in self._bounded():
            held.append((left, right))
            n_held += len(left)
            self.kept += len(left)
            if n_held >= PAIRS_PER_SLICE:
                yield _joined(held)
                held, n_held = [], 0
        if n_held:
            yield _joined(held)

    def _bounded(self) -> Iterator[Pairs]:
        """Bound the batches in threads, since arithmetic on arrays frees the interpreter."""
        n_threads = os.cpu_count() or 1
        waiting: deque[Future[Pairs]] = deque()
        sql = f"select left_no, right_no from {self.pairs}"
        with ThreadPoolExecutor(n_threads) as pool:
            for batch in self.engine.batches(sql, PAIRS_PER_BATCH):
                left, right = batch["left_no"], batch["right_no"]
                self.seen += len(left)
                if self.bounds is None:
                    yield left, right
                    continue
                waiting.append(pool.submit(self.bounds.likely, left, right))
                if len(waiting) > 2 * n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def _joined(parts: list[Pairs]) -> Pairs:
    left, right = zip(*parts, strict=True)
    return np.concatenate(left), np.concatenate(right)
