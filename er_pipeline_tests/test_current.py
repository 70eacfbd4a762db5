"""What a run makes again after one thing has changed, and what it leaves as it is."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from er_pipeline.blocking.labels.labels import Label, RecordName, journal_of
from er_pipeline.blocking.tables import current
from er_pipeline.blocking.tables.current import reasons_to_run, unchanged_since, why_to_run
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.outside import library_versions
from er_pipeline.blocking.tables.runs import run
from er_pipeline.blocking.tables.stamps import STAMP
from er_pipeline.blocking.tables.step import Step, plans_of
from er_pipeline.blocking.tables.verdict_notes import note_failure, note_verdicts
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.flow import flow, open_lake
from er_pipeline_tests.conftest import Dataset, Rows, write_csv
from er_pipeline_tests.test_runs import STEPS

PEOPLE: Rows = [
    {"id": "1", "last": "Smith", "first": "John", "phone": "0211 123456"},
    {"id": "2", "last": "Smyth", "first": "Jon", "phone": "0211 123456"},
    {"id": "3", "last": "Jones", "first": "Ann", "phone": None},
]
SETTINGS: Mapping[str, Any] = {
    "fields": {"last": "person_name", "first": "person_name", "phone": "phone"},
    "strategies": {"soundex": "soundex(last)", "same_first": "first"},
    "training_rules": {"same_phone": "phone"},
    "truth": {"path": "truth.csv"},
    "labels": {"path": "labels.jsonl"},
}
# What is made of records, truth or labels alone, or of one strategy.
OF_TRUTH = {"true_pairs"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    """Three people, run once, and a copy of their folder."""
    folder = tmp_path_factory.mktemp("current")
    write_csv(folder / "truth.csv", [{"left_id": "1", "right_id": "2"}])
    made = Dataset(folder, [PEOPLE], **SETTINGS)
    assert made_again(made) == [step.name for step in flow(made.spec)]
    copy = tmp_path_factory.mktemp("copy") / "copy"
    return made, Path(shutil.copytree(folder, copy, symlinks=True))


@pytest.fixture
def people(kept: tuple[Dataset, Path]) -> Dataset:
    """The people as they were after their run, in the place where they were."""
    made, copy = kept
    shutil.rmtree(made.folder)
    shutil.copytree(copy, made.folder, symlinks=True)
    return Dataset.of(made.spec, made.root)


def made_again(people: Dataset, *, full: bool = False) -> list[str]:
    """Run the whole flow; name the steps whose tables have got another version."""
    lake = open_lake(people.lake.root, people.spec)
    steps = flow(people.spec)
    before = {step.name: lake.version(step.name) for step in steps if lake.has(step.name)}
    for _ in run(steps, lake, full=full, threads=1):
        pass
    return [step.name for step in steps if before.get(step.name) != lake.version(step.name)]


def readers_of(people: Dataset, *tables: str, learns: bool = False) -> list[str]:
    """Name the steps that read a table at any remove, and its own; learns: also those in force."""
    found = set(tables)
    for step in flow(people.spec):
        if found & set(step.reads) and (learns or not step.writes[0].stays_in_force):
            found |= {table.name for table in step.writes}
    return [step.name for step in flow(people.spec) if step.name in found]


def source(people: Dataset) -> Path:
    return people.spec.resolved(people.spec.sources[0].path or "")


def test_a_run_of_which_nothing_has_changed_makes_nothing_and_gives_the_kept_facts(
    people: Dataset,
) -> None:
    lake = open_lake(people.lake.root, people.spec)
    facts = {step.name: lake.facts(step.name) for step in flow(people.spec)}
    assert made_again(people) == []
    given = {step.name: facts for step, facts in run(flow(people.spec), lake)}
    assert given == facts


def test_full_makes_everything_again_but_what_is_in_force(people: Dataset) -> None:
    in_force = {"pair_weights"}
    steps = [step.name for step in flow(people.spec)]
    assert made_again(people, full=True) == [step for step in steps if step not in in_force]
    assert made_again(people) == []


def test_a_changed_record_makes_all_again_that_hangs_on_records(people: Dataset) -> None:
    write_csv(source(people), [*PEOPLE[:2], {**PEOPLE[2], "last": "Jonas"}])
    assert made_again(people) == readers_of(people, "cleaned_records")


def test_a_touched_file_changes_nothing(people: Dataset) -> None:
    os.utime(source(people), (1, 1))
    write_csv(source(people), PEOPLE)
    assert made_again(people) == []


def test_a_changed_file_with_equal_records_is_read_and_nothing_else_is_made(
    people: Dataset,
) -> None:
    write_csv(source(people), PEOPLE[::-1])
    assert made_again(people) == ["cleaned_records"]
    assert made_again(people) == []


def test_a_changed_strategy_makes_itself_and_what_hangs_on_it(people: Dataset) -> None:
    strategies = {"soundex": "soundex(last)", "same_first": "first[1:3]"}
    changed = Dataset.of(people.spec.changed({"strategies": strategies}), people.root)
    made = made_again(changed)
    assert made == readers_of(changed, "blocks_same_first", learns=True)
    assert not {"cleaned_records", "blocks_soundex", "true_pairs", "labels"} & set(made)


def test_changed_limits_of_checks_make_no_table(people: Dataset) -> None:
    checks = {**people.spec.checks.model_dump(), "max_records_drop": 0.1, "max_cleaned_away": 0.3}
    changed = Dataset.of(people.spec.changed({"checks": checks}), people.root)
    assert changed.spec != people.spec
    assert made_again(changed) == []


def test_a_new_label_makes_labels_and_what_reads_them(people: Dataset) -> None:
    names = RecordName("people", "1"), RecordName("people", "2")
    label = Label(*names, answer="match", who="ann", at="2026-11-03T10:15:00Z")
    journal_of(people.spec).append([label])
    made = made_again(people)
    assert made == readers_of(people, "labels")
    assert not {"cleaned_records", "blocks_soundex", "true_pairs"} & set(made)


def test_a_changed_truth_file_makes_no_pair_again(people: Dataset) -> None:
    write_csv(people.spec.resolved("truth.csv"), [{"left_id": "1", "right_id": "3"}])
    made = made_again(people)
    assert made == readers_of(people, "true_pairs")
    assert "unified_pairs" not in made


def test_a_run_that_was_killed_goes_on_where_it_was(people: Dataset) -> None:
    write_csv(source(people), [*PEOPLE, {"id": "4", "last": "Smith", "first": "John"}])
    steps, lake = flow(people.spec), open_lake(people.lake.root, people.spec)
    for step, _ in run(steps, lake, threads=1):
        if step.name == "filtered_blocks":
            break
    finished = [step.name for step in steps[: steps.index(step) + 1]]
    made = made_again(people)
    assert not set(made) & set(finished)
    assert "unified_pairs" in made


def of_sources(
    dataset: Callable[..., Dataset], sources: list[dict[str, str]], **settings: Any
) -> Dataset:
    made = dataset(PEOPLE, **{**SETTINGS, **settings})
    return Dataset.of(made.spec.changed({"sources": sources}), made.root)


def test_a_new_file_of_a_folder_is_read(dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    write_csv(folder / "a.csv", PEOPLE[:2])
    people = of_sources(dataset, [{"path": "parts"}], truth=None)
    made_again(people)
    assert made_again(people) == []
    write_csv(folder / "b.csv", PEOPLE[2:])
    assert why(people, "cleaned_records") == "parts/b.csv is new"
    assert "unified_pairs" in made_again(people)
    (folder / "a.csv").unlink()
    assert why(people, "cleaned_records") == "parts/a.csv is gone"


def test_a_database_is_read_every_night(dataset: Callable[..., Dataset], tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "people.duckdb")) as con:
        con.execute("create table people as select 1 as id, 'Smith' as last, 'Ann' as first")
    sources = [{"database": "people.duckdb", "table": "people"}]
    fields = {"last": "person_name", "first": "person_name"}
    people = of_sources(dataset, sources, fields=fields, training_rules=None, truth=None)
    made_again(people)
    reason = why(people, "cleaned_records")
    assert reason == (
        "people.duckdb, table people may have changed: that shows only when it is read"
    )
    assert made_again(people) == ["cleaned_records"]  # it had not


def why(people: Dataset, table: str) -> str | None:
    (step,) = [step for step in flow(people.spec) if step.name == table]
    return why_to_run(step, open_lake(people.lake.root, people.spec))


def test_a_table_that_lost_a_file_or_a_part_of_it_is_made_again(people: Dataset) -> None:
    (file,) = people.lake.path("blocks_soundex").glob("*.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert why(people, "blocks_soundex") == "files of blocks_soundex are missing or cut short"
    file.unlink()
    assert why(people, "blocks_soundex") == "files of blocks_soundex are missing or cut short"
    file.write_bytes(whole)
    assert why(people, "blocks_soundex") is None


def test_a_table_made_with_other_libraries_is_made_again(
    people: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = {**library_versions(), "phonenumbers": "0.0"}
    monkeypatch.setattr(current, "library_versions", lambda: now)
    assert why(people, "labels") == (
        "labels was made with another version of phonenumbers than 0.0"
    )


def test_a_table_made_before_libraries_were_noted_is_made_again(people: Dataset) -> None:
    file = people.lake.path("labels") / STAMP
    noted = json.loads(file.read_text())
    for name in ("outside", "libraries", "files"):
        del noted[name]
    file.write_text(json.dumps(noted))
    assert why(people, "labels") is not None


def test_a_step_that_failed_or_broke_its_contract_runs_again(people: Dataset) -> None:
    bad = Verdict("fits_contract", False, "error", "Does not fit.")
    note_verdicts(people.lake, "labels", [bad])
    assert why(people, "labels") == "labels breaks its contract"
    note_verdicts(people.lake, "labels", [replace(bad, check="another")])
    assert why(people, "labels") is None  # it would come out the same
    note_failure(people.lake, "labels", "no space left")
    assert why(people, "labels") == "it failed when it last ran"


def test_a_source_that_is_gone_is_left_to_the_step_to_refuse(people: Dataset) -> None:
    source(people).unlink()
    assert "no such file" in (why(people, "cleaned_records") or "")


def lake_of(steps: list[Step], folder: Path) -> Lake:
    lake = Lake(folder / "lake", "people", plans_of(steps))
    for _ in run(steps, lake, threads=1):
        pass
    return lake


def test_of_steps_after_one_that_runs_no_reason_is_known_yet(tmp_path: Path) -> None:
    outside = {"file": "1"}
    first = replace(STEPS[1], outside=lambda lake: outside)  # truth
    steps = [STEPS[0], first, *STEPS[2:]]
    lake = lake_of(steps, tmp_path)
    assert reasons_to_run(steps, lake) == {}
    outside["file"] = "2"
    assert reasons_to_run(steps, lake) == {"truth": "file has changed", "report": None}


def test_what_stays_in_force_waits_for_nothing(tmp_path: Path) -> None:
    learned = replace(STEPS[1].writes[0], stays_in_force=True)
    outside = {"file": "1"}
    first = replace(STEPS[0], outside=lambda lake: outside)
    steps = [first, replace(STEPS[1], writes=[learned]), *STEPS[2:]]
    lake = lake_of(steps, tmp_path)
    outside["file"] = "2"
    reasons = reasons_to_run(steps, lake)
    assert reasons["records"] == "file has changed"
    assert "truth" not in reasons
    assert {"blocks", "pairs", "report"} < set(reasons)


def test_steps_are_unchanged_since_the_last_of_their_tables(tmp_path: Path) -> None:
    lake = lake_of(STEPS, tmp_path)
    version = lake.version("report")
    text = unchanged_since(STEPS, lake)
    assert (
        text == f"{version[:4]}-{version[4:6]}-{version[6:8]} {version[9:11]}:{version[11:13]} UTC"
    )
