"""Kill runs, at random and in the midst of a publication, and count what is wrong afterwards.

    python -m er_pipeline_tests.faults.kills --random 200 --aimed 200 --folder /tmp/kills

With --matching --few-changes the nights change little, and take over what they can.

Every trial: a night's run is killed; half of them are killed a second time; a third of them then
publish with --select catalog; at last a run ends well. After every step all views of two datasets
are read to the end. Wrong is a view that cannot be read, a dataset that shows two nights, a file
that is left when a run has ended well, and a table that differs from that of a run never killed.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from er_pipeline_tests.faults.nights import (
    FORK,
    WITH_MATCHING,
    Night,
    checksums,
    in_process_of_its_own,
    leftovers,
    wrong_views,
)

WRONG = ("unreadable views", "mixed tables", "stale files", "unequal checksums", "failed reruns")
LINES = "lines_of_publication"
TRACED = (
    "catalog.py",
    "publications.py",
    "shown_views.py",
    "files.py",
    "run_metrics.py",
    "lake.py",
)


class Kills:
    """A lake with two datasets, people and firms; runs of people are killed."""

    def __init__(
        self,
        folder: Path,
        *,
        executor: str,
        seed: int,
        few_changes: bool = False,
        **settings: Any,
    ) -> None:
        self.lake = folder / "lake"
        self.people = Night(folder / "people", self.lake, "people", few_changes=few_changes)
        self.people.declare(executor=executor, **settings)
        firms = Night(folder / "firms", self.lake, "firms", n_records=40)
        firms.declare()
        firms.records(0)
        assert firms.run() == 0, firms.said
        self.sums: dict[int, dict[str, str]] = {}
        self.counts: Counter[str] = Counter(dict.fromkeys(WRONG, 0))
        self.notes: list[str] = []
        self.random = random.Random(seed)
        for night in (0, 1):  # the tables of either, of runs never killed
            self.people.records(night)
            began = time.monotonic()
            assert self.people.run() == 0, self.people.said
            self.seconds = time.monotonic() - began
            self.sums[night] = self._sums()
        self.night, self.n_lines = 1, 0

    def trial(self, kill: Any) -> None:
        """Kill a run of the next night, judge, and let it end well."""
        self.night = 1 - self.night
        self.people.records(self.night)
        for _ in range(self.random.choice([1, 2])):
            kill()
            self.counts["kills"] += 1
            self._judge("after a kill")
        is_quick = kill == self.aimed
        if self.random.random() < 1 / 3:
            if is_quick:
                self._quick(at_line=0, is_whole=False)
            else:
                self.people.run("--select", "catalog")
            self._judge("after the catalog alone")
        if (self._quick(at_line=0) if is_quick else self.people.run()) != 0:
            self._wrong("failed reruns", self.people.said[-2000:])
            return
        self._judge("after a good run")
        left = leftovers(self.lake, self.people.folder / "temporary")
        if left:
            self._wrong("stale files", ", ".join(left))
        sums = self._sums()
        if sums != self.sums[self.night]:
            differing = [t for t in sums if sums[t] != self.sums[self.night].get(t)]
            self._wrong("unequal checksums", ", ".join(differing))

    def at_random(self) -> None:
        """Kill a run somewhere on its way: all its processes, or the first alone."""
        process = self.people.begin()
        time.sleep(self.random.uniform(0.1, self.seconds * 1.05))
        kill = os.killpg if self.random.random() < 0.5 else os.kill
        try:
            assert process.pid
            kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            self.counts["came too late"] += 1
        process.join()

    def aimed(self) -> None:
        """Kill a run at some line of its publication."""
        if not self.n_lines:
            self._quick(at_line=0)
            self.n_lines = int((self.lake / LINES).read_text())
        self._quick(at_line=self.random.randrange(1, self.n_lines + 1))

    def _quick(self, **how: Any) -> int | None:
        """Run without Dagster, in a process that ends as it says."""
        process = FORK.Process(target=run_quickly, args=(self.lake, self.people.defs), kwargs=how)
        process.start()
        process.join()
        return process.exitcode

    def _sums(self) -> dict[str, str]:
        found: dict[str, str] = in_process_of_its_own(checksums, self.lake, "people")
        return found

    def _judge(self, when: str) -> None:
        for kind, note in in_process_of_its_own(wrong_views, self.lake / "catalog.duckdb"):
            self._wrong(kind, f"{when}: {note}")

    def _wrong(self, kind: str, note: str) -> None:
        self.counts[kind] += 1
        self.notes.append(f"{kind}: {note}")


def run_quickly(lake: Path, defs: Path, *, at_line: int, is_whole: bool = True) -> None:
    """Do what a run does, without Dagster, and die at the n-th line of its publication; 0: never.

    is_whole: make all tables; else publish those that lie in the lake. Writes down how many lines
    the publication took.
    """
    from er_pipeline.blocking.spec.yaml_file import read_spec
    from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
    from er_pipeline.blocking.tables.locks import catalog_lock, run_lock
    from er_pipeline.blocking.tables.publications import clear_leftovers
    from er_pipeline.blocking.tables.run_metrics import collect_run_metrics, note_run_metrics
    from er_pipeline.catalog import publish_dataset
    from er_pipeline.flow import flow, open_lake, run

    spec = read_spec(defs)
    place, steps = open_lake(lake, spec), flow(spec)
    seen = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal seen
        if os.path.basename(frame.f_code.co_filename) not in TRACED:
            return None
        if event == "line":
            seen += 1
            if seen == at_line:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

    with run_lock(place.folder, print):
        clear_leftovers(place.folder)
        if is_whole:
            list(run(steps, place, threads=1))
            note_run_metrics(place, "run", "unified_pairs", {"pairs": 1})
        with catalog_lock(lake):
            sys.settrace(count)
            try:
                with DuckDBEngine(1) as engine:
                    collect_run_metrics(engine, place)
                publish_dataset(place, [table for step in steps for table in step.writes])
            finally:
                sys.settrace(None)
    (lake / LINES).write_text(str(seen))


def main() -> int:
    """Run as many trials as asked for; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=10, help="trials killed at random")
    parser.add_argument("--aimed", type=int, default=10, help="trials killed while publishing")
    parser.add_argument("--folder", type=Path, required=True, help="a new folder to work in")
    parser.add_argument("--executor", default="in_process")
    parser.add_argument("--matching", action="store_true", help="with matching and embedding")
    parser.add_argument(
        "--few-changes", action="store_true", help="nights that take over most of the one before"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so many")
    given = parser.parse_args()
    shutil.rmtree(given.folder, ignore_errors=True)
    settings = WITH_MATCHING if given.matching else {}
    kills = Kills(
        given.folder,
        executor=given.executor,
        seed=given.seed,
        few_changes=given.few_changes,
        **settings,
    )
    ends = time.monotonic() + 60 * given.minutes
    for kill, n_trials in ((kills.aimed, given.aimed), (kills.at_random, given.random)):
        for _ in range(n_trials):
            if time.monotonic() > ends:
                break
            kills.trial(kill)
            kills.counts[f"trials {kill.__name__}"] += 1
            print(dict(kills.counts), flush=True)
    print("\n".join(kills.notes))
    return int(any(kills.counts[kind] for kind in WRONG))


if __name__ == "__main__":
    sys.exit(main())
