"""Many nights of two datasets beside a reader that never closes; count its failed queries.

    python -m er_pipeline_tests.faults.reader_nights --nights 50 --broken 10 --folder /tmp/nights

The reader opens the catalog before the second night and asks every view of both datasets after
each. In some nights the files of one dataset are hidden while the other one publishes.
"""

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from er_pipeline_tests.faults.nights import (
    FORK,
    Night,
    ask_views,
    in_process_of_its_own,
    wrong_views,
)

HIDDEN = "unified_pairs"


def read_on(catalog: Path, receiver: Any, sender: Any) -> None:
    """Hold the catalog open, and answer every request with the views that failed."""
    import duckdb

    with duckdb.connect(str(catalog), read_only=True) as con:
        sender.send(ask_views(con))
        while receiver.recv():
            sender.send(ask_views(con))


def nights(folder: Path, n_nights: int, n_broken: int) -> Counter[str]:
    """Run nights of two datasets; return what was asked and what failed."""
    lake = folder / "lake"
    both = [Night(folder / name, lake, name, n_records=60) for name in ("people", "firms")]
    for night in both:
        night.declare(weights=False)
        night.records(0)
        assert night.run() == 0, night.said
    catalog = lake / "catalog.duckdb"
    questions, ask = FORK.Pipe(duplex=False)
    answers, answer = FORK.Pipe(duplex=False)
    reader = FORK.Process(target=read_on, args=(catalog, questions, answer))
    reader.start()
    counts = Counter({"failed queries": len(answers.recv()), "wrong after a night": 0})
    for number in range(1, n_nights + 1):
        is_broken = number % max(1, n_nights // max(1, n_broken)) == 0
        people, firms = both
        hidden = firms.lake / "firms" / HIDDEN
        for night in both:
            night.records(number)
        if is_broken:
            hidden.rename(folder / "hidden")
            counts["nights with a broken neighbour"] += 1
        counts["failed runs"] += people.run() != 0
        if is_broken:
            (folder / "hidden").rename(hidden)
        counts["failed runs"] += firms.run() != 0
        ask.send(True)
        counts["failed queries"] += len(answers.recv())
        counts["wrong after a night"] += len(in_process_of_its_own(wrong_views, catalog))
        counts["nights"] += 1
        print(dict(counts), flush=True)
    ask.send(False)
    reader.join()
    return counts


def main() -> int:
    """Run the nights; return 1 if a query failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=50)
    parser.add_argument("--broken", type=int, default=10)
    parser.add_argument("--folder", type=Path, required=True, help="a new folder to work in")
    given = parser.parse_args()
    shutil.rmtree(given.folder, ignore_errors=True)
    counts = nights(given.folder, given.nights, given.broken)
    return int(any(counts[k] for k in ("failed queries", "failed runs", "wrong after a night")))


if __name__ == "__main__":
    sys.exit(main())
