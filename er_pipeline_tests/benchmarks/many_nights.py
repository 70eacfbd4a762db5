"""Thirty nights of five sets: tables held against a rebuild, and what became of the ids.

    python -m er_pipeline_tests.benchmarks.many_nights --nights 30 --records 1000

Every night 0.6% of the records are edited, 0.2% are new and 0.2% are gone. The rebuild is a full
run over a copy of the lake as it was the night before, so it goes on from the same ledger and uses
what was learned. Then, of the records that nobody touched, those with another id are counted, those
of them that no event names, and the retired ids that nothing is known of.
"""

import argparse
import csv
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching.entity_events import ENTITY_EVENTS
from er_pipeline.terminal.demo import DEMO_DEFS
from er_pipeline_tests.benchmarks.best_pairs_sets import KINDS, REAL_DATA
from er_pipeline_tests.benchmarks.measuring import show_machine, show_table
from er_pipeline_tests.conftest import made_up_people
from er_pipeline_tests.nights import Nights, sum_rows
from er_pipeline_tests.other_people import HOUSEHOLD_KINDS, write_households

Person = dict[str, str | None]
EDITED, NEW, GONE = 0.006, 0.002, 0.002
# Of every set, records that are there from the first night on; the others come later.
SHARE_AT_FIRST = 0.9
SETS = ("fake_1000", "febrl3", "people", "households", "two sources of people")
# Not of a run's tables: figures of runs, and vectors that stand for text alone.
LEFT_OUT = ("run_metrics",)


@dataclass
class Counts:
    """What was found of a set, over all its nights."""

    nights: int = 0
    records: int = 0
    differing: int = 0
    untouched: int = 0
    moved: int = 0
    unnamed: int = 0
    retired: int = 0
    unresolved: int = 0


class Edits:
    """The records of a set, from night to night."""

    def __init__(self, rows: Sequence[Person], seed: str) -> None:
        self.draw = random.Random(seed)
        shuffled = self.draw.sample(list(rows), len(rows))
        first = int(len(rows) * SHARE_AT_FIRST)
        self.rows, self.pool = shuffled[:first], shuffled[first:]
        self.fields = [name for name in rows[0] if name not in ("id", "person_id")]

    def night(self) -> list[Person]:
        """Give the records of the next night, in another order."""
        n = len(self.rows)
        kept = [dict(row) for row in self.rows]
        self.draw.shuffle(kept)
        del kept[: max(1, round(n * GONE))]
        for row in kept[: max(1, round(n * EDITED))]:
            field = self.draw.choice(self.fields)
            row[field] = self._edited(row[field])
        kept += [self.pool.pop() for _ in range(min(len(self.pool), max(1, round(n * NEW))))]
        self.draw.shuffle(kept)
        self.rows = kept
        return kept

    def _edited(self, value: str | None) -> str | None:
        if not value or self.draw.random() < 0.2:
            return None
        place = self.draw.randrange(len(value))
        return value[:place] + self.draw.choice("aeinrst") + value[place + 1 :]


def rows_of(name: str, folder: Path) -> list[Person]:
    """Read or make the records of a set."""
    if name in KINDS:
        with (REAL_DATA / name / "records.csv").open(newline="", encoding="utf-8") as file:
            return [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]
    if name == "households":
        path = write_households(folder / "households.csv", 2_000, 7)
        with path.open(newline="", encoding="utf-8") as file:
            return [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]
    return made_up_people(folder, 2_000, seed=7)


def settings_of(name: str) -> dict[str, Any]:
    """Declare a set: rules, weights and a model are learned, neighbours are searched."""
    kinds: Mapping[str, str] = read_spec(DEMO_DEFS).field_kinds
    if name in KINDS:
        kinds = KINDS[name]
    elif name == "households":
        kinds = HOUSEHOLD_KINDS
    n_sources = 2 if name.startswith("two") else 1
    return {
        "mode": "link_and_dedupe" if n_sources == 2 else "dedupe",
        "sources": [
            {"path": f"{i}.csv", "record_id": "id", "name": f"s{i}"} for i in range(n_sources)
        ],
        "fields": kinds,
        "strategies": "auto",
        "embedding": True,
        "budget": {"pairs_per_record": 4},
        "matching": {"recall": False},
        "cleaning": {"phone_region": "AU"},
        "checks": {"max_records_drop": 1, "max_pairs_drop": 1, "max_entity_size": 1_000_000},
    }


def files_of(rows: Sequence[Person], n_sources: int) -> list[list[Person]]:
    """Put records into files: a record stays in the file that its id says."""
    files: list[list[Person]] = [[] for _ in range(n_sources)]
    for row in rows:
        files[sum(map(ord, str(row["id"]))) % n_sources].append(row)
    return files


def whole_people(name: str, rows: Sequence[Person], n_records: int) -> list[Person]:
    """Draw people with all their records, until there are so many records."""
    person_of = {row["id"]: row.get("person_id") or row["id"] for row in rows}
    if name in KINDS:
        with (REAL_DATA / name / "truth.csv").open(newline="", encoding="utf-8") as file:
            for pair in csv.DictReader(file):
                person_of[pair["right_id"]] = person_of[pair["left_id"]]
    records_of: dict[str | None, list[Person]] = {}
    for row in rows:
        records_of.setdefault(person_of[row["id"]], []).append(row)
    people = list(records_of.values())
    random.Random(3).shuffle(people)
    drawn: list[Person] = []
    for records in people:
        if len(drawn) < n_records:
            drawn += records
    return drawn


def run_set(name: str, n_nights: int, n_records: int, folder: Path) -> Counts:
    """Run the nights of a set and count what is wrong."""
    folder.mkdir(parents=True)
    counts = Counts()
    edits = Edits(whole_people(name, rows_of(name, folder), n_records), f"{name} 11")
    settings = settings_of(name)
    n_sources = len(settings["sources"])
    nights = Nights(folder / "nights", settings)
    rows = edits.rows
    nights.night(*files_of(rows, n_sources))
    for _ in range(n_nights):
        before = {(row["id"]): row for row in rows}
        old_ids = ids_of(nights)
        rebuilt = Nights(folder / "rebuilt", settings)
        shutil.rmtree(rebuilt.folder)
        shutil.copytree(nights.folder, rebuilt.folder, symlinks=True, copy_function=os.link)
        rows = edits.night()
        files = files_of(rows, n_sources)
        for place in range(n_sources):  # linked files are never written into
            (rebuilt.folder / f"{place}.csv").unlink()
        lake = nights.night(*files)
        other = rebuilt.night(*files, publish=False, full=True, threads=1)
        counts.nights += 1
        counts.records = len(rows)
        differing = differing_tables(lake, other)
        for table in differing:
            print(f"{name}, night {counts.nights}: {table} differs", flush=True)
        counts.differing += len(differing)
        untouched = {str(row["id"]) for row in rows if before.get(row["id"]) == row}
        count_ids(nights, old_ids, untouched, counts)
        print(name, counts, flush=True)
    return counts


def ids_of(nights: Nights) -> dict[str, int]:
    """Give the id of every record's entity."""
    with DuckDBEngine(threads=1) as engine:
        for table in ("cleaned_records", "entities"):
            engine.read_folder(nights.lake.path(table), table)
        return dict(
            engine.rows(
                "select r.record_id, e.entity_id from entities as e"
                " join cleaned_records as r on r.record_no = e.record_no"
            )
        )


def count_ids(
    nights: Nights, old_ids: Mapping[str, int], untouched: set[str], counts: Counts
) -> None:
    """Count moved ids, those that no event of the night names, and ids that resolve to nothing."""
    new_ids = ids_of(nights)
    moved = {(old_ids[i], new_ids[i]) for i in untouched if old_ids[i] != new_ids[i]}
    with DuckDBEngine(threads=1) as engine:
        for table in ("entity_events", "entity_history"):
            engine.read_folder(nights.lake.path(table), table)
        named = set(
            engine.rows(
                "select entity_id, other_entity_id from entity_events"
                " where run_no = (select max(run_no) from entity_events)"
            )
        )
        (counts.retired,) = engine.row("select count(*) from entity_events where event = 'retired'")
        (unresolved,) = engine.row(
            "select count(*) from entity_events as e where event = 'retired' and not exists"
            " (select 1 from entity_history as h where h.entity_id = e.entity_id)"
        )
    counts.untouched += len(untouched)
    counts.moved += sum(old_ids[i] != new_ids[i] for i in untouched)
    counts.unnamed += sum((old, new) not in named and (new, old) not in named for old, new in moved)
    counts.unresolved += unresolved


def differing_tables(one: Lake, other: Lake) -> list[str]:
    """Name the tables of two lakes whose rows differ; moments aside."""
    differing = []
    with DuckDBEngine(threads=1) as engine:
        for name in one.plans:
            if name in LEFT_OUT:
                continue
            but = ["at"] if name == ENTITY_EVENTS.name else []
            sums = [sum_rows(engine, lake.path(name), but) for lake in (one, other)]
            if sums[0] != sums[1]:
                differing.append(name)
    return differing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all sets and print what was found; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=SETS)
    parser.add_argument("--records", type=int, default=5_000, help="at most so many of a set")
    given = parser.parse_args(arguments)
    show_machine()
    found: dict[str, Counts] = {}
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as folder:
        for name in given.sets:
            if name in KINDS and not (REAL_DATA / name).is_dir():
                print(f"{name}: left out, as {REAL_DATA / name} is not there")
                continue
            found[name] = run_set(
                name, given.nights, given.records, Path(folder) / name.replace(" ", "_")
            )
    show_table(
        (
            *("set", "records", "nights", "tables that differ from a rebuild's"),
            *("untouched records with another id", "of these without an event"),
            *("retired ids", "that resolve to nothing"),
        ),
        [
            (
                name,
                f"{c.records:,}",
                f"{c.nights}",
                f"{c.differing}",
                f"{c.moved / max(1, c.untouched):.3%}",
                f"{c.unnamed}",
                f"{c.retired:,}",
                f"{c.unresolved}",
            )
            for name, c in found.items()
        ],
    )
    wrong = [name for name, c in found.items() if c.differing or c.unnamed or c.unresolved]
    print(f"[{'FAILED' if wrong else 'ok'}] {len(found)} sets, wrong: {wrong or 'none'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
