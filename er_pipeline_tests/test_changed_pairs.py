"""Random nights: the pairs gained and lost are those that a comparison of all pairs finds."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline_tests.conftest import made_up_people
from er_pipeline_tests.nights import Nights

Person = dict[str, str | None]
FIELDS = ["first_name", "last_name", "email", "phone", "birth_date", "city"]
NAME = ["left(last_name, 3)", "left(first_name, 1)"]
KEYS: Mapping[str, Any] = {
    "name": NAME,
    "birth": "birth_date",
    "city": ["city", "left(first_name, 1)"],
    "mail": "email",
}
TOKENS = {"tokens": "qgrams(last_name, 4)"}
PLAIN: Mapping[str, Any] = {
    "fields": {name: "text" for name in FIELDS},
    "strategies": KEYS,
    "weights": False,
    "blocks": {"max_size": 6},
    "checks": {"max_pairs": 10**9, "max_pairs_drop": 1},
}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "caps": {},
    "lists": {"strategies": {**KEYS, **TOKENS}},
    "least size": {"blocks": {"min_size": 3, "max_size": 6}},
    "refined": {"blocks": {"max_size": 6, "oversized": "refine"}},
    "refined by given keys": {
        "blocks": {"max_size": 6, "oversized": "refine", "refine_by": ["phone", "birth_date"]},
        "strategies": {**KEYS, **TOKENS},
    },
    "learned": {"strategies": "auto", "learning": {"sample": 100}},
    "budget": {"weights": True, "budget": {"pairs_per_record": 1.5}},
    "budget and lists": {
        "weights": True,
        "budget": {"pairs_per_record": 2},
        "strategies": {**KEYS, **TOKENS},
        "embedding": {"k": 3},
    },
    "neighbours": {"embedding": {"k": 3, "whole_record": False}},
    "second pass": {
        "second_pass": {"strategies": {"town": "city"}, "embedding": {"k": 2}},
        "strategies": {"mail": "email", "birth": "birth_date"},
    },
}
MODES = ("dedupe", "link", "link_and_dedupe")
# Every kind in one mode, and all modes in one kind.
CASES = {(kind, MODES[(no + 1) % 3]) for no, kind in enumerate(KINDS)} | {
    ("refined", m) for m in MODES
}


def edited(rows: Sequence[Person], rng: random.Random, pool: list[Person]) -> list[Person]:
    """Change, take away and add a few records."""
    kept = [dict(row) for row in rows if rng.random() > 0.03]
    for row in kept:
        if rng.random() < 0.05:
            row[rng.choice(FIELDS)] = rng.choice(rows)[rng.choice(FIELDS)]
    return kept + [pool.pop() for _ in range(min(len(pool), rng.randrange(6)))]


def named_pairs(lake: Lake) -> set[tuple[str, ...]]:
    """Give the pairs of a night by the names of their records."""
    with DuckDBEngine(threads=1) as engine:
        for table in ("cleaned_records", "unified_pairs"):
            engine.read_folder(lake.path(table), table)
        return set(
            engine.rows(
                "select l.source, l.record_id, r.source, r.record_id from unified_pairs as p"
                " join cleaned_records as l on l.record_no = p.left_no"
                " join cleaned_records as r on r.record_no = p.right_no"
            )
        )


def changes(lake: Lake) -> dict[str, list[tuple[str, ...]]]:
    with DuckDBEngine(threads=1) as engine:
        engine.read_folder(lake.path("pair_changes"), "pair_changes")
        found: dict[str, list[tuple[str, ...]]] = {"gained": [], "lost": []}
        for change, *pair in engine.rows(
            "select change, left_source, left_id, right_source, right_id from pair_changes"
        ):
            found[change].append(tuple(pair))
        return found


@pytest.mark.parametrize(("kind", "mode"), sorted(CASES))
def test_gained_and_lost_pairs_are_those_of_a_whole_comparison(
    tmp_path: Path, kind: str, mode: str
) -> None:
    rng = random.Random(f"{kind} {mode}")
    people = made_up_people(tmp_path, 260)
    pool = people[200:]
    n_sources = 1 if mode == "dedupe" else 2
    sources = [{"path": f"{i}.csv", "record_id": "id", "name": f"s{i}"} for i in range(n_sources)]
    nights = Nights(tmp_path, {**PLAIN, "mode": mode, "sources": sources, **KINDS[kind]})
    files = [people[i:200:n_sources] for i in range(n_sources)]
    before: set[tuple[str, ...]] = set()
    seen: Counter[str] = Counter()
    for night in range(4):
        lake = nights.night(*files, until="pair_changes")
        pairs, found = named_pairs(lake), changes(lake)
        if night:
            assert sorted(found["gained"]) == sorted(pairs - before)
            assert sorted(found["lost"]) == sorted(before - pairs)
            seen += Counter({change: len(rows) for change, rows in found.items()})
        else:
            assert found == {"gained": [], "lost": []}
        before = pairs
        files = [edited(rows, rng, pool) for rows in files]
    assert seen["gained"]
    assert seen["lost"]
