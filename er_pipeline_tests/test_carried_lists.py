"""Nights of changed records: what is taken over is what a search of everything finds."""

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.neighbours import common_terms, neighbour_lists, sparse_search
from er_pipeline.blocking.neighbours.carried_lists import NEIGHBOUR_CANDIDATES
from er_pipeline.blocking.neighbours.common_terms import CommonTerms
from er_pipeline.blocking.neighbours.embedding_blocks import neighbour_facts
from er_pipeline.blocking.neighbours.encoder_statistics import ENCODER_STATISTICS
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.runs import run_step
from er_pipeline.flow import flow, run
from er_pipeline_tests.conftest import Rows, write_csv
from er_pipeline_tests.nights import Nights

NAMES = ["ann", "anna", "anne", "bob", "rob", "robert", "carla", "karla", "dora", "eve"]
TOWNS = ["york", "new york", "leeds", "bath", "hull"]
TABLES = ("record_embeddings", "embedding_blocks", "second_pass_pairs")
DECLARED: dict[str, Any] = {
    "fields": {"first": "text", "last": "text", "town": "text"},
    "strategies": {"same": ["first", "last", "town"]},
    "embedding": {"encoder": "lexical", "k": 3, "min_share_of_best": 0.2},
    "second_pass": {"embedding": {"k": 2}},
}


def person(rng: random.Random, number: int) -> dict[str, str]:
    first, last = rng.choice(NAMES), rng.choice(NAMES) + rng.choice(["son", "sen", ""])
    return {"id": str(number), "first": first, "last": last, "town": rng.choice(TOWNS)}


def edited(rng: random.Random, people: list[dict[str, str]], n: int) -> list[dict[str, str]]:
    """Change, remove and add some, and write the file in another order."""
    kept = [dict(one) for one in people if rng.random() > 0.06]
    for one in kept:
        if rng.random() < 0.08:
            one[rng.choice(["first", "last", "town"])] = rng.choice([*NAMES, *TOWNS, "zoë", ""])
    highest = max((int(one["id"]) for one in people), default=0)
    kept += [person(rng, highest + 1 + i) for i in range(n)]
    rng.shuffle(kept)
    return kept


def searched(nights: Nights, sources: Sequence[Rows]) -> dict[str, Any]:
    """Run a night as far as its neighbours; give their tables."""
    for place, rows in enumerate(sources):
        write_csv(nights.folder / f"{place}.csv", rows)
    for _ in run(flow(nights.spec), nights.lake, until="second_pass_pairs", threads=2):
        pass
    return {table: nights.rows(table) for table in TABLES}


def rebuilt(nights: Nights, folder: Path, sources: Sequence[Rows]) -> dict[str, Any]:
    """Search the same records in an empty lake that holds the same statistics."""
    empty = Nights(folder, nights.settings)
    of_dataset = nights.lake.folder / ENCODER_STATISTICS
    shutil.copytree(of_dataset, empty.lake.folder / ENCODER_STATISTICS, symlinks=True)
    return searched(empty, sources)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("mode", "embedding"),
    [
        ("dedupe", {}),
        ("dedupe", {"max_work_per_record": 1_000, "whole_record": False}),
        ("link", {"k": 2}),
        ("link_and_dedupe", {"whole_record": False}),
    ],
)
def test_tables_of_every_night_are_those_of_a_rebuild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, embedding: dict[str, Any], seed: int
) -> None:
    # Few columns may be searched by, and few candidates are kept, so that lists run short.
    monkeypatch.setattr(neighbour_lists, "SPARE_FOR_COMMON", 2)
    monkeypatch.setattr(neighbour_lists, "SPARE_FOR_PAIRS", 2)
    monkeypatch.setattr(sparse_search, "SPARE", 2)
    monkeypatch.setattr(sparse_search, "SPARSE_SLICE", 37)
    # Common terms are learned of so few texts, too.
    monkeypatch.setattr(common_terms, "LEARNED_FROM", 1)
    monkeypatch.setattr(common_terms, "LEAST_SEEN", 3)
    limits = "max_work_per_record" in embedding  # and so few texts cost less than it may be
    if limits:
        monkeypatch.setattr(neighbour_lists, "most_texts", lambda *_: 12)
    rng = random.Random(seed)
    n_sources = 1 if mode == "dedupe" else 2
    people = [[person(rng, i) for i in range(60)] for _ in range(n_sources)]
    settings = {
        **DECLARED,
        "mode": mode,
        "embedding": {**DECLARED["embedding"], **embedding},
        "sources": [{"path": f"{place}.csv", "record_id": "id"} for place in range(n_sources)],
    }
    nights = Nights(tmp_path / "nights", settings)
    searched(nights, people)
    for night in range(3):
        people = [edited(rng, rows, n=2) for rows in people]
        found = searched(nights, people)
        facts = neighbour_facts(nights.lake)
        assert facts["lists_taken_over"] > facts["lists_searched"]
        assert bool(facts["common_ngrams_left_out"]) == limits
        assert not CommonTerms.load(nights.lake.path(ENCODER_STATISTICS)).is_empty
        assert found == rebuilt(nights, tmp_path / f"rebuilt_{night}", people)


def test_lists_of_other_settings_or_statistics_are_not_taken_over(tmp_path: Path) -> None:
    rng = random.Random(3)
    people = [[person(rng, i) for i in range(30)]]
    nights = Nights(tmp_path, {**DECLARED, "sources": [{"path": "0.csv", "record_id": "id"}]})
    first = searched(nights, people)
    (step,) = (step for step in flow(nights.spec) if step.name == "embedding_blocks")
    with DuckDBEngine(threads=2) as engine:  # a run would skip it
        run_step(step, engine, nights.lake)
    assert {table: nights.rows(table) for table in TABLES} == first
    assert neighbour_facts(nights.lake)["lists_searched"] == 0
    nights.settings["embedding"] = {**DECLARED["embedding"], "k": 4}
    searched(nights, people)
    assert neighbour_facts(nights.lake)["lists_taken_over"] == 0
    nights.settings["learning"] = {"promote": "always"}
    searched(nights, [[*people[0], person(rng, 99)]])
    assert neighbour_facts(nights.lake)["lists_taken_over"] == 0


def test_damaged_lists_are_searched_anew(tmp_path: Path) -> None:
    rng = random.Random(4)
    people = [[person(rng, i) for i in range(30)]]
    nights = Nights(tmp_path, {**DECLARED, "sources": [{"path": "0.csv", "record_id": "id"}]})
    first = searched(nights, people)
    file = next(nights.lake.path(NEIGHBOUR_CANDIDATES).glob("words_*_border.npy"))
    file.write_bytes(file.read_bytes()[:-2])
    assert searched(nights, people) == first
    assert neighbour_facts(nights.lake)["lists_taken_over"] == 0
