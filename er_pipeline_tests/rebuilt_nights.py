"""Nights of random edits, each held against a rebuild in an empty lake: the tables are equal.

    python -m er_pipeline_tests.rebuilt_nights --nights 10 --seeds 3 --folder /tmp/nights

What was learned is the same in both: it stays in force, and the rebuild is given it. Tables about
the history of a dataset differ by what they are, and are left out.
"""

import argparse
import random
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.files import point
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.publications import LATEST
from er_pipeline.matching.scores_before import DONE_IN_FULL, TAKEN_OVER
from er_pipeline_tests.conftest import made_up_people
from er_pipeline_tests.faults.nights import OF_HISTORY as TABLES_OF_HISTORY
from er_pipeline_tests.nights import Nights

Person = dict[str, str | None]
FIELDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "phone": "phone",
    "birth_date": "date",
    "city": "text",
}
NAME = ["left(last_name, 3)", "left(first_name, 1)"]
KEYS: Mapping[str, Any] = {
    "name": NAME,
    "birth": "birth_date",
    "town": ["city", "left(first_name, 1)"],
    "mail": "email",
}
TOKENS = {"tokens": "qgrams(last_name, 4)"}
# Blocks are small, so that they cross the cap both ways.
PLAIN: Mapping[str, Any] = {
    "fields": FIELDS,
    "strategies": KEYS,
    "weights": False,
    "blocks": {"max_size": 6},
    "training_rules": {"name": ["first_name", "last_name"], "mail": "email"},
    "matching": {"recall": False, "min_probability": 0.001},
    "truth": {"cluster_column": "person_id"},
    "checks": {"max_pairs": 10**9, "max_pairs_drop": 1, "match_share_fail": [0, 1]},
}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "caps": {"labels": {}, "matching": {"min_probability": 0.001}},
    "lists": {"strategies": {**KEYS, **TOKENS}, "weights": True},
    "refined": {"blocks": {"max_size": 6, "oversized": "refine"}},
    "learned": {"strategies": "auto", "learning": {"sample": 100}, "weights": True},
    "budget": {"weights": True, "budget": {"pairs_per_record": 1.5}},
    "neighbours": {"embedding": {"k": 3}, "strategies": {**KEYS, **TOKENS}, "weights": True},
    "recall": {
        "matching": {
            "min_probability": 0.001,
            "recall": {"records": 100, "comparisons": 1_000, "min_probability": 0.01},
        }
    },
    "second pass": {"second_pass": {"strategies": {"last": "last_name"}}},
    "second pass, weighed": {
        "second_pass": {"strategies": {"last": "last_name"}, "embedding": {"k": 2}},
        "embedding": {"k": 2},
        "weights": True,
    },
}
MODES = ("dedupe", "link", "link_and_dedupe")
# Notes on what a night took over, which a rebuild has not.
OF_HISTORY = {
    *(TAKEN_OVER, DONE_IN_FULL, "compared", "texts_encoded", "texts_reused"),
    *("lists_taken_over", "lists_searched", "digest"),
}


def give_learned(giver: Lake, taker: Lake) -> None:
    """Put what one lake has learned into another one."""
    for name, plan in giver.plans.items():
        if plan.stays_in_force and giver.has(name):
            version = giver.version(name)
            shutil.copytree(giver.path(name), taker.folder / name / version, dirs_exist_ok=True)
            point(taker.folder / name / LATEST, version)


def edited(rows: Sequence[Person], rng: random.Random, pool: list[Person]) -> list[Person]:
    """Change, take away and add a few records; the order of all is another."""
    kept = [dict(row) for row in rows if rng.random() > 0.02]
    for row in kept:
        if rng.random() < 0.03:
            field = rng.choice(list(FIELDS))
            row[field] = rng.choice([rng.choice(rows)[field], None, "Zoltan"])
    kept += [pool.pop() for _ in range(min(len(pool), rng.randrange(5)))]
    rng.shuffle(kept)
    return kept


def settings_of(kind: str, mode: str) -> dict[str, Any]:
    """Declare a kind of dataset in a mode."""
    n_sources = 1 if mode == "dedupe" else 2
    sources = [{"path": f"{i}.csv", "record_id": "id", "name": f"s{i}"} for i in range(n_sources)]
    return {**PLAIN, "mode": mode, "sources": sources, **KINDS[kind]}


def differing_tables(one: Lake, other: Lake) -> list[str]:
    """Name the tables of two lakes that differ, in their rows or in what is noted beside them."""
    differing = []
    with DuckDBEngine(threads=1) as engine:
        for name, plan in one.plans.items():
            if plan.stays_in_force or name in TABLES_OF_HISTORY:
                continue
            noted, rows = [], []
            for lake in (one, other):
                facts = lake.facts(name)
                noted.append({k: v for k, v in facts.items() if k not in OF_HISTORY})
                engine.read_folder(lake.path(name), "some_rows")
                rows.append(sorted(engine.rows("from some_rows"), key=repr))
            if noted[0] != noted[1]:
                keys = [k for k in noted[0] if noted[0].get(k) != noted[1].get(k)]
                differing.append(f"{name}: facts {keys}")
            if repr(rows[0]) != repr(rows[1]):
                differing.append(f"{name}: {len(rows[0])} and {len(rows[1])} rows")
    return differing


def run_nights(folder: Path, kind: str, mode: str, n_nights: int, seed: int) -> list[str]:
    """Run nights of a kind and a rebuild of each but the first; list what differs.

    Raises AssertionError if no score was taken over.
    """
    rng = random.Random(f"{kind} {mode} {seed}")
    folder.mkdir(parents=True, exist_ok=True)
    people: list[Person] = made_up_people(folder, 300)
    pool = people[240:]
    n_sources = 1 if mode == "dedupe" else 2
    files = [people[i:240:n_sources] for i in range(n_sources)]
    nights = Nights(folder / "nights", settings_of(kind, mode))
    wrong, taken_over = [], 0
    for night in range(n_nights):
        lake = nights.night(*files)
        if night:
            shutil.rmtree(folder / "rebuilt", ignore_errors=True)
            rebuilt = Nights(folder / "rebuilt", settings_of(kind, mode))
            give_learned(lake, rebuilt.lake)
            differing = differing_tables(lake, rebuilt.night(*files, publish=False, threads=1))
            wrong += [f"{kind}, {mode}, seed {seed}, night {night}: {text}" for text in differing]
            taken_over += lake.facts("matches").get(TAKEN_OVER, 0)
        files = [edited(rows, rng, pool) for rows in files]
    assert taken_over, f"{kind}, {mode}, seed {seed}: no score was taken over"
    return wrong


def main() -> int:
    """Run all kinds in all modes; return 1 if a table differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, required=True, help="a new folder to work in")
    given = parser.parse_args()
    failed = False
    for seed in range(given.seeds):
        for kind in KINDS:
            for mode in MODES:
                place = given.folder / f"{kind} {mode} {seed}"
                wrong = run_nights(place, kind, mode, given.nights, seed)
                shutil.rmtree(place)
                failed |= bool(wrong)
                print("\n".join(wrong) or f"{kind}, {mode}, seed {seed}: equal", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
