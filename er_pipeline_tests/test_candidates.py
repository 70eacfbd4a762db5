"""Nights on which people come, go and are edited, while what was learned stays in force."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from er_pipeline import candidates
from er_pipeline.blocking.labels.labels import Journal, Label, RecordName
from er_pipeline.blocking.tables.errors import InputError, LakeError
from er_pipeline.blocking.tables.in_force import read_sets
from er_pipeline.candidates import learn, promote_version
from er_pipeline.evaluation.learned_comparison import comparison_lines
from er_pipeline.flow import flow, open_lake, run
from er_pipeline.matching.splink_linker import ModelError
from er_pipeline_tests.conftest import Rows, made_up_people
from er_pipeline_tests.faults.nights import OF_HISTORY
from er_pipeline_tests.learned_people import KINDS
from er_pipeline_tests.nights import Nights

AT = "2026-11-03T10:15:00Z"
LEARNED = ("em_model", "learned_rules", "blocks_train", "pair_weights")
SETTINGS: Mapping[str, Any] = {
    "sources": [{"path": "0.csv", "record_id": "id"}],
    "fields": KINDS,
    "strategies": "auto",
    "learning": {"sample": 500, "max_rules": 6},
    "budget": {"pairs_per_record": 3},
    "training_rules": {"same_last": "soundex(last_name)", "same_birth": "year(birth_date)"},
    "matching": {"recall": False, "max_u_pairs": 20_000},
}


def people_of(folder: Path, n: int, seed: int = 20) -> Rows:
    folder.mkdir(parents=True, exist_ok=True)
    return made_up_people(folder, n, seed)


def without_truth(rows: Rows) -> Rows:
    return [{name: row[name] for name in ("id", *KINDS)} for row in rows]


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, Rows]:
    """Give the people of one night, and those of another: some gone, some new, some edited."""
    first = without_truth(people_of(tmp_path_factory.mktemp("made"), 500))
    draw = random.Random(3)
    second = [dict(row) for row in first if draw.random() > 0.05]
    for row in draw.sample(second, 30):
        row["city"] = "Ostend"
    second += [{**row, "id": f"0{row['id']}"} for row in draw.sample(second, 40)]
    return first, second


def versions(nights: Nights, tables: tuple[str, ...] = LEARNED) -> dict[str, str]:
    return {table: nights.lake.version(table) for table in tables}


@pytest.fixture
def nights(tmp_path: Path, some: tuple[Rows, Rows]) -> Nights:
    """Give a dataset that has learned on its first night."""
    nights = Nights(tmp_path / "n", SETTINGS)
    nights.night(some[0])
    return nights


def test_what_is_learned_stays_while_records_change(
    nights: Nights, some: tuple[Rows, Rows]
) -> None:
    before = versions(nights)
    pairs = nights.lake.stamp("unified_pairs")
    lake = nights.night(some[1])
    assert versions(nights) == before
    assert lake.stamp("unified_pairs") != pairs
    for table in LEARNED:
        lake.check(table)
    assert lake.facts("em_model")["learned_from"]["records"] == 500
    assert lake.before("em_model", "cleaned_records", "matches") is not None
    # A rebuild of all else with the same artefacts gives the same tables.
    tables = [table for step in flow(nights.spec) for table in step.writes]
    every = [t.name for t in tables if t.stays_in_force is None and t.name not in OF_HISTORY]
    stamps = {table: lake.stamp(table) for table in every}
    rows = {table: nights.rows(table) for table in every}
    for table in every:
        (lake.folder / table / "latest").unlink()
    for _ in run(flow(nights.spec), lake, threads=1):
        pass
    assert {table: lake.stamp(table) for table in every} == stamps
    assert {table: nights.rows(table) for table in every} == rows


def test_changed_settings_learn_anew_what_they_shape_and_what_hangs_on_it(
    nights: Nights, some: tuple[Rows, Rows]
) -> None:
    before = versions(nights)
    nights.settings["learning"] = {"sample": 500, "max_rules": 4}
    nights.night(some[1])
    changed = {table for table, version in versions(nights).items() if version != before[table]}
    assert changed == {"learned_rules", "blocks_train", "pair_weights"}
    before = versions(nights)
    nights.settings["matching"] = {**SETTINGS["matching"], "max_iterations": 40}
    nights.night(some[1])
    changed = {table for table, version in versions(nights).items() if version != before[table]}
    assert changed == set(LEARNED)
    before = versions(nights)
    nights.settings["sources"] = [{"path": "0.csv", "record_id": "id", "name": "register"}]
    nights.settings["lake"] = {"keep_days": 3}
    nights.night(some[1])
    assert versions(nights) == before


def test_with_promote_always_every_night_learns_anew_and_by_hand_goes_on_from_there(
    nights: Nights, some: tuple[Rows, Rows]
) -> None:
    first = versions(nights)
    learning = nights.settings["learning"]
    nights.settings["learning"] = {**learning, "promote": "always"}
    nights.night(some[1])
    second = versions(nights)
    assert all(second[table] != first[table] for table in LEARNED)
    assert read_sets(nights.lake.folder) == []
    with pytest.raises(LakeError, match="learns anew in every run"):
        learn(nights.spec, nights.lake)
    nights.settings["learning"] = {**learning, "promote": "by_hand"}
    nights.night(some[0])
    assert versions(nights) == second


def test_a_candidate_changes_nothing_until_it_is_promoted_and_can_be_rolled_back(
    nights: Nights, some: tuple[Rows, Rows]
) -> None:
    nights.night(some[1])
    spec, lake = nights.spec, nights.lake
    old = versions(nights)
    shown = lake.published()
    every = {table: lake.version(table) for table in lake.tables()}
    candidate = learn(spec, lake)
    assert {table: lake.version(table) for table in lake.tables()} == every
    assert lake.published() == shown
    comparison = candidate["comparison"]
    assert comparison["records"] == len(some[1])
    assert comparison["in_force"]["pairs"] == lake.facts("unified_pairs")["pairs"]
    assert comparison["in_force"]["matches"] == lake.facts("matches")["matches"]
    assert comparison["in_force"]["entities"] == lake.facts("entities")["entities"]
    assert comparison["in_force"]["cpu_seconds"] > 0 < comparison["candidate"]["cpu_seconds"]
    text = "\n".join(comparison_lines(comparison))
    assert "CPU seconds" in text
    assert "would get another id" in text
    assert candidates.candidates(lake) == [candidate]

    promote_version(spec, lake, candidate["version"][:-1])
    assert versions(nights) == {table: candidate["tables"][table] for table in LEARNED}
    assert lake.published() == shown
    assert candidates.candidates(lake) == []
    with pytest.raises(LakeError, match="unified_pairs is made of people/"):
        lake.check("unified_pairs")
    nights.night(some[1])
    assert lake.facts("unified_pairs")["pairs"] == comparison["candidate"]["pairs"]
    assert lake.facts("entities")["entities"] == comparison["candidate"]["entities"]

    first, second = read_sets(lake.folder)
    assert second["version"] == candidate["version"]
    promote_version(spec, lake, first["version"])
    assert versions(nights) == old
    nights.night(some[1])
    assert lake.facts("unified_pairs")["pairs"] == comparison["in_force"]["pairs"]


def test_a_share_is_of_whole_entities_and_learns_from_all(
    nights: Nights, some: tuple[Rows, Rows]
) -> None:
    everything = learn(nights.spec, nights.lake)
    part = learn(nights.spec, nights.lake, share=0.4)
    n_records = part["comparison"]["records"]
    assert 0.25 * len(some[0]) < n_records < 0.55 * len(some[0])
    noted = {
        (one["version"], table): json.loads(
            (
                nights.lake.folder
                / ".candidates"
                / one["version"]
                / table
                / one["tables"][table]
                / "facts.json"
            ).read_text("utf-8")
        )
        for one in (everything, part)
        for table in ("learned_rules", "em_model")
    }
    for table in ("learned_rules", "em_model"):
        assert noted[everything["version"], table] == noted[part["version"], table]
    # Nothing has changed since the night that learned, so both sides are the same.
    assert part["comparison"]["moves"] == {
        "entities_changed": 0,
        "records_in_changed_entities": 0,
        "ids_moved": 0,
    }
    with pytest.raises(InputError, match="take a larger one"):
        learn(nights.spec, nights.lake, share=1e-9)


def test_what_is_in_force_or_was_is_never_deleted(nights: Nights, some: tuple[Rows, Rows]) -> None:
    nights.settings["lake"] = {"keep_days": 0, "keep_versions": 1, "keep_learned": 2}
    lake = nights.lake
    sets = [versions(nights)]
    for _ in range(2):
        candidate = learn(nights.spec, lake)
        promote_version(nights.spec, lake, candidate["version"])
        nights.night(some[1])
        nights.night(some[1])
        sets.append(versions(nights))
    kept = {path.name for path in (lake.folder / "em_model").iterdir() if not path.is_symlink()}
    assert kept == {sets[1]["em_model"], sets[2]["em_model"]}
    promote_version(nights.spec, lake, read_sets(lake.folder)[0]["version"])
    nights.night(some[0])
    assert versions(nights) == sets[1]


def test_a_version_that_does_not_fit_is_refused(nights: Nights) -> None:
    candidate = learn(nights.spec, nights.lake)
    nights.settings["learning"] = {"sample": 500, "max_rules": 4}
    for version, text in (
        (candidate["version"], "learned_rules was made under other settings"),
        ("19", "no version '19'"),
        ("2", "several versions begin with"),
    ):
        with pytest.raises(LakeError, match=text):
            promote_version(nights.spec, nights.lake, version)
    with pytest.raises(LakeError, match="nothing is in force that a candidate"):
        learn(nights.spec, nights.lake)
    assert open_lake(nights.lake.root, nights.spec).version("em_model")


def test_new_labels_are_learned_from_by_hand(nights: Nights, some: tuple[Rows, Rows]) -> None:
    nights.settings["labels"] = {}
    nights.night(some[0])
    first = versions(nights)
    ids, source = [str(row["id"]) for row in some[0]], nights.spec.source_labels[0]
    Journal(nights.folder / "labels.jsonl").append(
        [
            Label(RecordName(source, a), RecordName(source, b), "no_match", "ann", AT)
            for a, b in zip(ids[:20:2], ids[1:20:2], strict=True)
        ]
    )
    lake = nights.night(some[0])
    assert versions(nights) == first
    assert lake.facts("learned_rules")["labelled_non_matches"] == 0
    candidate = learn(nights.spec, lake)
    promote_version(nights.spec, lake, candidate["version"])
    lake = nights.night(some[0])
    assert lake.facts("learned_rules")["labelled_non_matches"] == 10


def test_a_model_that_could_not_be_trained_is_trained_again(tmp_path: Path) -> None:
    nights = Nights(
        tmp_path / "n",
        {**SETTINGS, "strategies": {"mail": "email"}, "learning": None, "budget": None},
    )
    people = without_truth(people_of(tmp_path, 300))
    with pytest.raises(ModelError, match="nothing is scored"):
        nights.night(people[:3])
    lake = nights.lake
    assert lake.facts("em_model")["unusable"]
    nights.night(people)
    assert not lake.facts("em_model")["unusable"]
