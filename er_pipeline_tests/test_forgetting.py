import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from er_pipeline.blocking.labels.labels import Journal, Label, RecordName
from er_pipeline.blocking.records.data_docs import DATA_DOCS
from er_pipeline.blocking.records.tombstones import FORGOTTEN, read_tombstones
from er_pipeline.blocking.tables.errors import InputError, LakeError, SpecError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.locks import run_lock
from er_pipeline.evaluation.page.run_page import PAGE_FILE
from er_pipeline.forgetting import allow_again, forget
from er_pipeline_tests.faults.nights import OF_HISTORY
from er_pipeline_tests.nights import Nights

SETTINGS: dict[str, Any] = {
    "mode": "link_and_dedupe",
    "sources": [
        {"path": "0.csv", "record_id": "id", "name": "crm"},
        {"path": "1.csv", "record_id": "id", "name": "shop"},
    ],
    "fields": {"first": "person_name", "last": "person_name", "town": "text"},
    "strategies": {"last": "last", "town": "town"},
    "training_rules": {"town": "town", "last": "last"},
    "embedding": {"k": 2},
    "learning": {"promote": "always"},
    "matching": {"threshold": 0.5},
    "survivorship": True,
    "labels": {},
}
FIRSTS = ("anne", "bertram", "carla", "dietmar", "edda")
LASTS = ("smithers", "jonas", "miller", "baker", "cooper", "potter")
# Of crm:17: a last name and a town that nobody else has.
NAME, TOWN = "quillfeather", "ullapool"


def people(place: int) -> list[dict[str, str]]:
    rows = [
        {
            "id": str(i),
            "first": FIRSTS[i % 5],
            "last": LASTS[i % 6] if i % 7 else LASTS[(i + place) % 6],
            "town": ("york", "leeds", "ripon")[i % 3],
        }
        for i in range(60)
    ]
    if place == 0:
        rows[17] |= {"last": NAME.title(), "town": TOWN}
    return rows


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two sources of sixty people; both have a record 17. Two nights have been run, and copied."""
    folder = tmp_path_factory.mktemp("forgetting")
    nights = Nights(folder / "at_work", SETTINGS)
    journal = Journal(nights.folder / "labels.jsonl")
    seventeen, other = RecordName("crm", "17"), RecordName("shop", "18")
    for left, right in ((seventeen, other), (RecordName("shop", "17"), other)):
        journal.append([Label(left, right, "match", "ann", "2026-11-03T10:15:00Z")])
    for _ in range(2):
        nights.night(people(0), people(1))
    shutil.copytree(nights.folder, folder / "copy", symlinks=True)
    return nights.folder, folder / "copy"


@pytest.fixture
def nights(kept: tuple[Path, Path]) -> Nights:
    """The two nights as they were; the catalog names their place, so they lie there again."""
    at_work, copy = kept
    shutil.rmtree(at_work)
    shutil.copytree(copy, at_work, symlinks=True)
    return Nights(at_work, SETTINGS)


def texts_of(lake: Lake) -> Iterator[tuple[str, str]]:
    """Give every text in every file of a lake, with the file: by another way than forget looks."""
    for path in sorted(lake.root.rglob("*")):
        if path.is_dir() or path.suffix == ".npy":
            continue
        if path.suffix == ".parquet":
            with duckdb.connect() as con:
                yield from (
                    (str(path), repr(row))
                    for row in con.execute(f"from read_parquet('{path}')").fetchall()
                )
        else:
            yield str(path), path.read_bytes().decode("utf-8", "replace")


def holding(lake: Lake, *words: str) -> set[str]:
    return {path for path, text in texts_of(lake) for word in words if word.lower() in text.lower()}


def views(lake: Lake) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(str(lake.root / "catalog.duckdb"), read_only=True) as con:
        names = con.execute(
            "select view_name from duckdb_views() where schema_name = 'people'"
        ).fetchall()
        return {n: con.execute(f'from people."{n}"').fetchall() for (n,) in names}


def test_nothing_of_a_record_is_left_in_any_file(nights: Nights) -> None:
    lake = nights.lake
    page = lake.folder / PAGE_FILE
    docs = lake.folder / DATA_DOCS / "cleaned_records.html"
    docs.parent.mkdir()
    for file in (page, docs):
        file.write_text(f"<td>{NAME}</td>", "utf-8")
    assert str(page) in holding(lake, NAME, TOWN), "the search of this test can find something"
    done = forget(nights.spec, lake, "crm", ["17"])
    assert done.left == []
    assert not page.exists()
    assert not docs.parent.exists()
    assert holding(lake, NAME, TOWN) == set()
    assert done.rows["cleaned_records"] == 1
    assert done.labels == 1
    assert done.files > 50
    assert [line.left for line in Journal(nights.folder / "labels.jsonl").read()] == [
        RecordName("shop", "17")
    ]


def test_people_read_all_other_records_as_before(nights: Nights) -> None:
    before = views(nights.lake)
    forget(nights.spec, nights.lake, "crm", ["17"])
    after = views(nights.lake)
    assert after.keys() == before.keys()

    def is_of(row: tuple[Any, ...]) -> bool:
        """Say whether a row of the views names crm:17 by its id."""
        return any(("17" in row[i : i + 2] and "crm" in row) for i in range(len(row) - 1))

    others = [row for row in before["cleaned_records"] if row[:2] != ("17", "crm")]
    assert after["cleaned_records"] == others
    assert len(after["entities"]) == len(before["entities"]) - 1
    assert sorted(r[:2] for r in after["entities"]) == sorted(r[:2] for r in others)
    for view in ("unified_pairs", "matches"):
        lost = [row for row in before[view] if row not in after[view]]
        assert all(is_of(row) for row in lost)
        assert not any(
            row[:2] == ("17", "17") and row[-2:] == ("crm", "shop") for row in after[view]
        )


def test_the_next_night_equals_one_that_never_had_the_record(
    nights: Nights, tmp_path: Path
) -> None:
    forget(nights.spec, nights.lake, "crm", ["17"])
    lake = nights.night(people(0), people(1))  # the source still holds it
    other = Nights(tmp_path / "other", SETTINGS)
    shutil.copy(nights.folder / "labels.jsonl", other.folder)
    without = [row for row in people(0) if row["id"] != "17"]
    other.night(without, people(1))
    for table in other.lake.tables():
        if table not in ("run_metrics", "blocking_report", *OF_HISTORY):
            assert nights.rows(table) == other.rows(table), table
    assert holding(lake, NAME, TOWN) == set()
    for table in ("pair_changes", "match_changes"):  # pairs that were thinned cannot be compared
        assert lake.facts(table)["since"] == ""
    assert lake.facts("cleaned_records")["forgotten_of_source"] == {"crm": 1}
    assert ("run", "", "forgotten_records", 1.0) in nights.rows("blocking_report")


def test_entities_keep_their_ids_and_their_past(nights: Nights) -> None:
    before = {(row[1], row[2]) for row in nights.rows("entities")}
    n_events = len(nights.rows("entity_events"))
    forget(nights.spec, nights.lake, "crm", ["17"])
    assert len(nights.rows("entity_events")) == n_events
    lake = nights.night(people(0), people(1))
    after = {row[2] for row in nights.rows("entities")}
    assert after <= {entity_id for _, entity_id in before}
    assert holding(lake, NAME, TOWN) == set()


def test_until_the_next_night_no_program_takes_the_tables_for_whole(nights: Nights) -> None:
    forget(nights.spec, nights.lake, "crm", ["17"])
    with pytest.raises(LakeError, match=r"has lost records that were forgotten.*whole dataset"):
        nights.lake.check("unified_pairs")
    seen = nights.lake.for_step(["cleaned_records"], ["unified_pairs"])
    assert seen.before("cleaned_records", "entities") is None
    of_history = nights.lake.for_step(["cleaned_records"], ["labels"])
    assert of_history.before("cleaned_records", "entities") is not None


def test_a_record_comes_back_only_when_it_is_allowed_to(nights: Nights) -> None:
    before = {table: nights.rows(table) for table in ("cleaned_records", "unified_pairs")}
    forget(nights.spec, nights.lake, "crm", ["17"])
    assert allow_again(nights.spec, nights.lake, "crm", ["17"]) == 1
    nights.night(people(0), people(1))
    assert {table: nights.rows(table) for table in before}["cleaned_records"] == before[
        "cleaned_records"
    ]
    with pytest.raises(InputError, match="was not forgotten"):
        allow_again(nights.spec, nights.lake, "crm", ["17"])


def test_a_renamed_source_does_not_bring_it_back(nights: Nights) -> None:
    forget(nights.spec, nights.lake, "crm", ["17"])
    nights.settings["sources"] = [{**SETTINGS["sources"][0], "name": "c"}, SETTINGS["sources"][1]]
    lake = nights.night(people(0), people(1))
    assert lake.facts("cleaned_records")["forgotten_of_source"] == {"c": 1}


def test_a_dry_run_counts_and_changes_nothing(nights: Nights) -> None:
    before = sorted((path, text) for path, text in texts_of(nights.lake))
    counted = forget(nights.spec, nights.lake, "crm", ["17"], dry_run=True)
    after = [(path, text) for path, text in texts_of(nights.lake) if ".lock" not in path]
    assert sorted(after) == [(path, text) for path, text in before if ".lock" not in path]
    done = forget(nights.spec, nights.lake, "crm", ["17"])
    assert (counted.rows, counted.labels) == (done.rows, done.labels)
    assert counted.versions > 0


def test_asked_again_it_finds_nothing_more(nights: Nights) -> None:
    forget(nights.spec, nights.lake, "crm", ["17"])
    again = forget(nights.spec, nights.lake, "crm", ["17"])
    assert (again.rows, again.left) == ({}, [])


def test_an_id_that_nobody_knows_is_refused_and_nothing_is_forgotten(nights: Nights) -> None:
    with pytest.raises(InputError, match="source crm has no record '170'"):
        forget(nights.spec, nights.lake, "crm", ["17", "170"])
    assert not (nights.lake.folder / FORGOTTEN).exists()
    with pytest.raises(SpecError, match="there are crm, shop"):
        forget(nights.spec, nights.lake, "cmr", ["17"])


def test_it_refuses_while_a_run_is_at_work(nights: Nights) -> None:
    with (
        run_lock(nights.lake.folder, lambda line: None),
        pytest.raises(LakeError, match="another run of people is at work"),
    ):
        forget(nights.spec, nights.lake, "crm", ["17"])


def test_the_tombstone_holds_no_word_of_the_record(nights: Nights) -> None:
    forget(nights.spec, nights.lake, "crm", ["17"])
    path = nights.lake.folder / FORGOTTEN
    noted = json.loads(path.read_text())
    (stone,) = noted["forgotten"]
    assert set(stone) == {"source", "source_no", "record", "at", "is_erased"}
    assert len(stone["record"]) == 64
    assert stone["is_erased"]
    assert path.stat().st_mode & 0o077 == 0
    assert read_tombstones(nights.lake.folder).of("crm", "17")
    assert read_tombstones(nights.lake.folder).of("shop", "17") is None


def test_what_is_left_is_found(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("er_pipeline.forgetting.thin_file", lambda *_: None)
    done = forget(nights.spec, nights.lake, "crm", ["17"])
    assert any("cleaned_records" in place for place in done.left)
    assert any("unified_pairs" in place for place in done.left)
    with pytest.raises(LakeError, match="not wholly forgotten"):
        allow_again(nights.spec, nights.lake, "crm", ["17"])


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("at", [1, 7, 16, 28])
def test_killed_at_any_moment_it_does_the_rest_when_asked_again(
    nights: Nights, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    n_renames, rename = 0, os.replace

    def killing(*names: Any, **options: Any) -> None:
        nonlocal n_renames
        n_renames += 1
        if n_renames == at:
            raise Killed
        rename(*names, **options)

    expected = views(nights.lake)["matches"]
    with monkeypatch.context() as patched:
        patched.setattr("os.replace", killing)
        try:
            forget(nights.spec, nights.lake, "crm", ["17"])
        except Killed:
            views(nights.lake)  # people can go on reading
    done = forget(nights.spec, nights.lake, "crm", ["17"])
    assert done.left == []
    assert holding(nights.lake, NAME, TOWN) == set()
    assert {row[:2] for row in views(nights.lake)["matches"]} <= {row[:2] for row in expected}
