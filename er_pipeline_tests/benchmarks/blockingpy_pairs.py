"""The pairs of BlockingPy, made by the Python of an environment in which it is installed.

It needs numpy below 2 and pandas below 3, so it cannot stand beside er_pipeline, and this file
imports nothing of ours:

    python -m venv DIR && DIR/bin/pip install blockingpy
    DIR/bin/python blockingpy_pairs.py TEXTS PAIRS CPU_SECONDS

TEXTS: a file of one record's text per line. PAIRS: where pairs of line numbers are written, from 0,
the lower one first: the neighbours that it found (PAIRS.neighbours.npy), and all pairs of records
that its blocks hold (PAIRS.blocks.npy). CPU_SECONDS: the process ends when it has taken so many.
"""

import json
import resource
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


def main(texts: Path, pairs: str, most_cpu_seconds: int) -> None:
    """Block the texts with the defaults of BlockingPy; print what it took as JSON."""
    limit_cpu(most_cpu_seconds)
    import pandas as pd
    from blockingpy import Blocker  # type: ignore[import-not-found, unused-ignore]

    lines = pd.Series(texts.read_text("utf-8").split("\n")[:-1])
    began = time.process_time()
    found = Blocker().block(x=lines).result
    neighbours = distinct(found["x"].to_numpy(), found["y"].to_numpy())
    cpu_seconds = time.process_time() - began
    blocks = pairs_of_blocks(found)
    np.save(f"{pairs}.neighbours.npy", neighbours)
    np.save(f"{pairs}.blocks.npy", blocks)
    print(json.dumps({"cpu_seconds": cpu_seconds, "version": version("blockingpy")}))


def limit_cpu(most_seconds: int) -> None:
    """Have this process ended when it has taken so many CPU seconds."""
    # the soft limit ends it by a signal of its own, the hard one as any other kill would
    resource.setrlimit(resource.RLIMIT_CPU, (most_seconds, most_seconds + 60))


def took_too_long(error: RuntimeError) -> bool:
    """Return whether a child failed since it was ended by its limit, see `run_child`."""
    return str(error).startswith(f"exit code {-signal.SIGXCPU} ")


def distinct(one: Any, other: Any) -> Any:
    """Return pairs of numbers, (n_pairs, 2), the lower one first, each once."""
    pairs = np.stack([np.minimum(one, other), np.maximum(one, other)], axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]].astype(np.int64), axis=0)


def pairs_of_blocks(found: Any) -> Any:
    """Return all pairs within its blocks, (n_pairs, 2)."""
    members: dict[int, set[int]] = {}
    for one, other, block in found[["x", "y", "block"]].itertuples(index=False):
        members.setdefault(block, set()).update((one, other))
    ones, others = [], []
    for records in members.values():
        sorted_records = np.array(sorted(records))
        i, j = np.triu_indices(len(sorted_records), 1)
        ones.append(sorted_records[i])
        others.append(sorted_records[j])
    return distinct(np.concatenate(ones), np.concatenate(others))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
