import fcntl
import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from er_pipeline.blocking.labels.labels import (
    LABELS,
    RETRACTED,
    Journal,
    RecordName,
    journal_of,
    labels_in_force,
    read_labels,
    steps,
)
from er_pipeline.blocking.tables.contract import judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, parquet_file
from er_pipeline.blocking.tables.errors import InputError, SpecError
from er_pipeline.blocking.tables.stamps import stale_tables
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.judged_people import CITY, NOON, PEOPLE, label
from er_pipeline_tests.judged_people import journal as journal
from er_pipeline_tests.judged_people import people as people
from er_pipeline_tests.judged_people import shops as shops


def read(people: Dataset) -> dict[str, Any]:
    with DuckDBEngine(threads=2) as engine:
        return read_labels(engine, people.lake, people.spec)


def test_a_journal_gives_back_what_was_appended(journal: Journal) -> None:
    assert journal.read() == []
    journal.append([label("a", "b"), label("ü'\"\\,\n", "\u2028", "unsure", who="Zoë")])
    journal.append([label("a", "b", RETRACTED)])
    assert journal.read() == [
        label("a", "b"),
        label("ü'\"\\,\n", "\u2028", "unsure", who="Zoë"),
        label("a", "b", RETRACTED),
    ]
    assert json.loads(journal.path.read_text("utf-8").split("\n")[0]) == {
        **{"left_source": "people", "left_id": "a", "right_source": "people", "right_id": "b"},
        **{"answer": "match", "who": "eve", "at": NOON, "source": "human", "reason": "imported"},
    }


def test_the_last_line_about_a_pair_wins_whichever_record_stands_left() -> None:
    lines = [label("a", "b", "match"), label("a", "c", "unsure"), label("b", "a", "no_match")]
    assert labels_in_force(lines) == ([lines[1], lines[2]], 0)


def test_a_retracted_answer_is_gone_until_the_pair_is_answered_again() -> None:
    lines = [label("a", "b", "match"), label("a", "b", RETRACTED)]
    assert labels_in_force(lines) == ([], 0)
    assert labels_in_force([*lines, label("b", "a", "unsure")])[0] == [label("b", "a", "unsure")]


def test_people_who_disagree_are_counted_and_the_last_one_wins() -> None:
    lines = [
        label("a", "b", "match", who="eve"),
        label("a", "b", "no_match", who="dan"),
        label("a", "c", "match", who="eve"),
        label("a", "c", "no_match", who="eve"),  # eve has changed her mind
        label("b", "c", "match", who="eve"),
        label("b", "c", "unsure", who="dan"),
    ]
    labels, conflicts = labels_in_force(lines)
    assert labels == [lines[1], lines[3], lines[5]]
    assert conflicts == 1


def test_a_torn_last_line_is_passed_over_with_a_warning(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    journal.append([label("a", "b"), label("a", "c")])
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole[:-20])
    assert journal.read() == [label("a", "b")]
    assert f"{journal.path}:2: the last line is torn" in caplog.text
    journal.append([label("b", "c")])
    caplog.clear()
    assert journal.read() == [label("a", "b"), label("b", "c")]
    assert caplog.text == ""


def test_a_last_line_that_lacks_only_its_end_is_kept(journal: Journal) -> None:
    journal.append([label("a", "b"), label("a", "c")])
    journal.path.write_bytes(journal.path.read_bytes().rstrip(b"\n"))
    assert journal.read() == [label("a", "b"), label("a", "c")]
    journal.append([label("b", "c")])
    assert journal.read() == [label("a", "b"), label("a", "c"), label("b", "c")]


def test_blank_lines_are_no_answers(journal: Journal) -> None:
    journal.append([label("a", "b")])
    journal.path.write_bytes(b"\n" + journal.path.read_bytes() + b" \n\n")
    assert journal.read() == [label("a", "b")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{oops}", "is not JSON (Expecting property name"),
        (b"\xff", "is not UTF-8 text"),
        (b"[1]", "is no JSON object"),
        (b'{"left_source": "people", "left_id": 1}', "has no text in left_id, right_source, rig"),
        (
            json.dumps(label("a", "b", "perhaps").row).encode(),
            "answer 'perhaps' is none of match, no_match, unsure, retracted",
        ),
    ],
)
def test_any_other_bad_line_is_an_error_that_says_where(
    journal: Journal, line: bytes, message: str
) -> None:
    journal.append([label("a", "b")])
    journal.path.write_bytes(journal.path.read_bytes() + line + b"\n")
    with pytest.raises(InputError) as error:
        journal.read()
    assert str(error.value).startswith(f"{journal.path}:2: {message}")
    assert str(error.value).endswith("correct the line, or delete it to forget the answer")


def test_a_journal_that_cannot_be_written_is_an_error_not_a_silent_loss(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/labels\.jsonl: cannot be written \("):
        Journal(tmp_path / "file" / "labels.jsonl").append([label("a", "b")])
    with pytest.raises(InputError, match="cannot be read"):
        Journal(tmp_path).read()


def test_a_dataset_without_labels_says_what_to_declare(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=CITY)
    with pytest.raises(SpecError, match=r"write `labels: \{path: labels\.jsonl\}`"):
        journal_of(people.spec)


def test_the_journal_lies_where_the_settings_say(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=CITY, labels={"path": "judged/ours.jsonl"})
    journal_of(people.spec).append([label("a", "b")])
    assert (people.folder / "judged" / "ours.jsonl").is_file()


def test_no_journal_yet_is_an_empty_table_that_fits_its_contract(
    people: Dataset, engine: DuckDBEngine
) -> None:
    facts = read(people)
    assert (facts["labels"], facts["matches"], facts["unknown_records"]) == (0, 0, 0)
    assert people.rows("labels") == []
    verdict = judge_contract(engine, people.lake, [LABELS])
    assert verdict.passed, verdict.text


def test_labels_become_sorted_pairs_of_record_numbers(
    people: Dataset, journal: Journal, engine: DuckDBEngine
) -> None:
    journal.append(
        [
            label("d", "c", "unsure", who="dan", source="model", reason="audit"),
            label("b", "a"),
            label("a", "b", "no_match"),
            label("c", "a", who="eve"),
            label("a", "c", "match", who="dan", at="2026-11-04T12:00:00Z"),
        ]
    )
    facts = read(people)
    assert people.rows("labels", order="1, 2") == [
        (0, 1, "no_match", "eve", NOON, "human", "imported"),
        (0, 2, "match", "dan", "2026-11-04T12:00:00Z", "human", "imported"),
        (2, 3, "unsure", "dan", NOON, "model", "audit"),
    ]
    numbers = ("labels", "matches", "non_matches", "unsure", "conflicts")
    assert [facts[name] for name in numbers] == [3, 1, 1, 1, 0]
    verdict = judge_contract(engine, people.lake, [LABELS])
    assert verdict.passed, verdict.text


def test_the_rows_of_the_table_lie_sorted_in_its_file(people: Dataset, journal: Journal) -> None:
    journal.append([label("d", "c"), label("d", "a"), label("c", "a"), label("b", "a")])
    read(people)
    (file,) = people.lake.path("labels").glob("*.parquet")
    with DuckDBEngine(threads=1) as engine:
        pairs = engine.rows(f"select left_no, right_no from {parquet_file(file)}")
    assert pairs == [(0, 1), (0, 2), (0, 3), (2, 3)]


def test_labels_that_fit_no_pair_are_counted_and_logged(
    people: Dataset, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    journal.append([label("a", "gone"), label("a", "web:b"), label("c", "c"), label("a", "d")])
    with caplog.at_level(logging.WARNING):
        facts = read(people)
    assert people.rows("labels", "left_no, right_no") == [(0, 3)]
    assert (facts["unknown_records"], facts["same_record"], facts["labels"]) == (2, 1, 1)
    assert "labels left out: 2 (unknown records)" in caplog.text
    assert "labels left out: 1 (same record)" in caplog.text


def test_labels_survive_new_numbers_of_the_records(people: Dataset, journal: Journal) -> None:
    journal.append([label("b", "c")])
    read(people)
    assert people.rows("labels", "left_no, right_no") == [(1, 2)]
    path = people.folder / "people.csv"
    path.write_text(path.read_text() + "0,first,\n")
    people.clean()
    read(people)
    assert people.rows("labels", "left_no, right_no") == [(2, 3)]


def test_the_same_id_in_two_sources_is_two_records(shops: Dataset, journal: Journal) -> None:
    journal.append(
        [
            label("source1:a", "source0:a"),
            label("source0:a", "source1:b", "no_match"),
            label("source0:b", "source1:a", "unsure"),
            label("source0:a", "source0:b"),
        ]
    )
    facts = read(shops)
    assert shops.rows("labels", "left_no, right_no, answer") == [
        (0, 2, "match"),
        (0, 3, "no_match"),
        (1, 2, "unsure"),
    ]
    assert (facts["within_one_source"], facts["unknown_records"]) == (1, 0)


def test_labels_within_a_source_count_where_it_is_deduplicated_too(
    dataset: Callable[..., Dataset], journal: Journal
) -> None:
    shops = dataset(PEOPLE[:2], PEOPLE[:2], strategies=CITY, labels={}, mode="link_and_dedupe")
    shops.clean()
    journal.append([label("source0:a", "source0:b")])
    assert read(shops)["labels"] == 1


def test_the_catalog_shows_labels_by_the_ids_of_their_records(
    shops: Dataset, journal: Journal, engine: DuckDBEngine
) -> None:
    journal.append([label("source1:b", "source0:a")])
    read(shops)
    for table in ("labels", "cleaned_records"):
        shops.lake.open(engine, table)
    assert LABELS.view
    select = LABELS.view({name: name for name in shops.lake.tables()})
    assert engine.rows(select) == [
        ("a", "b", "match", "eve", NOON, "human", "imported", "source0", "source1")
    ]
    described = [name for name, *_ in engine.rows(f"describe {select}")]
    assert described[:3] == ["left_id", "right_id", "answer"]


def test_labels_of_another_journal_are_of_other_settings(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(PEOPLE, strategies=CITY, labels={})
    before = people.lake.plans
    people.spec = people.spec.changed({"labels": {"path": "x.jsonl"}})
    stale = stale_tables(before, people.lake.plans)
    assert stale >= {"labels", "label_queue"}
    assert not stale & {"cleaned_records", "blocks_city"}


def test_another_answer_is_another_table(people: Dataset, journal: Journal) -> None:
    stamps = []
    for answer in ("match", "no_match", "no_match"):
        journal.append([label("a", "b", answer)])
        read(people)
        stamps.append(people.lake.stamp("labels"))
    assert stamps[0] != stamps[1] == stamps[2]


def test_a_run_makes_the_table_and_shows_its_figures(people: Dataset, journal: Journal) -> None:
    journal.append([label("b", "a"), label("c", "d", "no_match"), label("gone", "a")])
    component = BlockingPipeline(people.spec)
    job = component.definitions(people.lake.root).resolve_job_def("people_nightly")
    keys = [dg.AssetKey(["people", table]) for table in ("labels", "cleaned_records")]
    keys.append(dg.AssetKey(["people", "rejected_records"]))
    result = job.execute_in_process(asset_selection=keys)
    assert all(check.passed for check in result.get_asset_check_evaluations())
    (made,) = [
        event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(["people", "labels"])
    ]
    shown = {name: made[name].value for name in ("labels", "non_matches", "unknown_records")}
    assert shown == {"labels": 2, "non_matches": 1, "unknown_records": 1}
    lineage = made.get("dagster/column_lineage")
    assert lineage is None  # its source is no record's source
    assert people.rows("labels", "left_no, right_no") == [(0, 1), (2, 3)]


def test_without_the_setting_there_is_no_labels_asset(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=CITY)
    assert steps(people.spec) == []
    people = dataset(PEOPLE, strategies=CITY, labels={})
    assert [table.name for step in steps(people.spec) for table in step.assets] == ["labels"]


def test_a_journal_forgets_every_line_that_names_a_record(journal: Journal) -> None:
    journal.append([label("a", "b"), label("c", "d"), label("b", "c"), label("aa", "c")])
    with journal.path.open("ab") as file:
        file.write(
            b'{"left_source": "people", "left_id": "a", "right'
        )  # torn, as a crash leaves it
    names = [RecordName("people", "a"), RecordName("people", "d"), RecordName("other", "aa")]
    assert journal.lines_of(names) == 3
    assert journal.forget(names) == 3
    assert journal.forget(names) == 0
    assert journal.read() == [label("b", "c"), label("aa", "c")]


def test_who_waits_for_a_journal_that_is_written_anew_appends_to_the_new_one(
    journal: Journal,
) -> None:
    journal.append([label("a", "b"), label("c", "d")])
    with journal.path.open("rb") as old:
        fcntl.flock(old, fcntl.LOCK_EX)  # as forget holds it
        appending = threading.Thread(target=journal.append, args=[[label("e", "f")]])
        appending.start()
        whole = journal.path.with_suffix(".new")
        whole.write_bytes(journal.path.read_bytes().splitlines(keepends=True)[1])
        whole.rename(journal.path)
    appending.join(timeout=60)
    assert journal.read() == [label("c", "d"), label("e", "f")]
