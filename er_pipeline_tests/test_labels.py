import csv
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from er_pipeline.blocking.labels.label_files import export_labels, import_labels
from er_pipeline.blocking.labels.labels import (
    RETRACTED,
    Journal,
    Label,
    RecordName,
    journal_of,
    labels_in_force,
    read_labels,
)
from er_pipeline.blocking.spec.declarations import declarations
from er_pipeline.blocking.tables.contracts import catalog_select, judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal, parquet_file
from er_pipeline.blocking.tables.errors import InputError, LakeError, SpecError
from er_pipeline.orchestration.checks import checked_tables
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline_tests.conftest import Dataset, Rows

PEOPLE: Rows = [
    {"id": "a", "name": "ann", "city": "ulm"},
    {"id": "b", "name": "anne", "city": None},
    {"id": "c", "name": "bob", "city": "bonn"},
    {"id": "d", "name": "<bo>", "city": "ulm, a b"},
]
NOON = "2026-11-03T12:00:00Z"
CITY = {"city": "city"}


def label(left: str, right: str, answer: str = "match", **more: str) -> Label:
    """A label of two records; another source than people is written before a colon: web:1."""
    names = [RecordName(*["people", *name.split(":")][-2:]) for name in (left, right)]
    return Label(*names, **{"answer": answer, "who": "eve", "at": NOON, **more})  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "labels.jsonl")


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    people = dataset(PEOPLE, strategies=CITY, labels={})
    people.clean()
    return people


@pytest.fixture
def shops(dataset: Callable[..., Dataset]) -> Dataset:
    """Two sources that use the same ids for different records."""
    shops = dataset(PEOPLE[:2], PEOPLE[:2], strategies=CITY, labels={})
    shops.clean()
    return shops


def read(people: Dataset) -> dict[str, Any]:
    with DuckDBEngine(threads=2) as engine:
        return read_labels(engine, people.lake, people.spec, people.folder)


def queue(people: Dataset, *pairs: tuple[int, int], reason: str = "audit") -> None:
    """Write label_queue as the pipeline does."""
    rows = ", ".join(f"({i}, {left}, {right})" for i, (left, right) in enumerate(pairs))
    fingerprint = people.lake.facts("cleaned_records")["fingerprint"]
    with (
        DuckDBEngine(threads=2) as engine,
        people.lake.writing("label_queue", {"fingerprint": fingerprint}) as draft,
    ):
        engine.write(
            f"select queue_no, left_no, right_no, {literal(reason)} as reason,"
            " null::double as weight, null::varchar[] as rules"
            f" from (values {rows}) as t(queue_no, left_no, right_no)",
            draft.file(),
        )


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
    ("line", "told"),
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
    journal: Journal, line: bytes, told: str
) -> None:
    journal.append([label("a", "b")])
    journal.path.write_bytes(journal.path.read_bytes() + line + b"\n")
    with pytest.raises(InputError) as error:
        journal.read()
    assert str(error.value).startswith(f"{journal.path}:2: {told}")
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
        journal_of(people.spec, people.folder)


def test_the_journal_lies_where_the_settings_say(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=CITY, labels={"path": "judged/ours.jsonl"})
    journal_of(people.spec, people.folder).append([label("a", "b")])
    assert (people.folder / "judged" / "ours.jsonl").is_file()


def test_no_journal_yet_is_an_empty_table_that_fits_its_contract(
    people: Dataset, engine: DuckDBEngine
) -> None:
    facts = read(people)
    assert (facts["labels"], facts["matches"], facts["unknown_records"]) == (0, 0, 0)
    assert people.rows("labels") == []
    verdict = judge_contract(engine, people.lake, people.spec, "labels")
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
    assert facts["fingerprint"] == people.lake.facts("cleaned_records")["fingerprint"]
    verdict = judge_contract(engine, people.lake, people.spec, "labels")
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
        engine.read(shops.lake, table)
    select = catalog_select("labels", shops.spec, {name: name for name in shops.lake.tables()})
    assert engine.rows(select) == [
        ("a", "b", "match", "eve", NOON, "human", "imported", "source0", "source1")
    ]
    described = [name for name, *_ in engine.rows(f"describe {select}")]
    assert described[:3] == ["left_id", "right_id", "answer"]


def test_labels_of_another_journal_are_of_other_settings(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(PEOPLE, strategies=CITY, labels={})
    other = people.spec.model_validate({**people.spec.model_dump(), "labels": {"path": "x.jsonl"}})
    before, after = declarations(people.spec), declarations(other)
    assert {table for table in before if before[table] != after[table]} >= {"labels"}
    assert before["cleaned_records"] == after["cleaned_records"]


def test_a_run_makes_the_table_and_shows_its_figures(people: Dataset, journal: Journal) -> None:
    journal.append([label("b", "a"), label("c", "d", "no_match"), label("gone", "a")])
    component = BlockingPipeline(people.spec, people.folder)
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
    assert "labels" not in checked_tables(people.spec)
    people = dataset(PEOPLE, strategies=CITY, labels={})
    assert "labels" in checked_tables(people.spec)


def importing(people: Dataset, name: str, text: str) -> dict[str, int]:
    file = people.folder / name
    file.write_text(text)
    return import_labels(journal_of(people.spec, people.folder), people.spec, file)


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        *((text, "match") for text in ("match", "Match", "1", "1.0", "TRUE", "yes")),
        *((text, "no_match") for text in ("no_match", "Non-Match", "no match", "0", "false", "No")),
        ("Unsure", "unsure"),
    ],
)
def test_answers_are_understood_in_many_spellings(
    people: Dataset, journal: Journal, written: str, answer: str
) -> None:
    importing(people, "given.csv", f"left_id,right_id,label\na,b,{written}\n")
    assert [(label.answer, label.source, label.reason) for label in journal.read()] == [
        (answer, "import", "imported")
    ]


def test_json_answers_may_be_numbers_or_truth_values(people: Dataset, journal: Journal) -> None:
    values = ("true", "0", "1.0", "false", '"unsure"')
    text = "".join(
        f'{{"left_id": "a", "right_id": {i}, "answer": {value}}}\n'
        for i, value in enumerate(values)
    )
    importing(people, "given.jsonl", text)
    assert [(label.right.record_id, label.answer) for label in journal.read()] == [
        ("0", "match"),
        ("1", "no_match"),
        ("2", "match"),
        ("3", "no_match"),
        ("4", "unsure"),
    ]


def test_who_and_when_are_kept_or_the_file_and_now(people: Dataset, journal: Journal) -> None:
    text = "left_id;right_id;answer;who;at\na;b;1;Zoë;2026-11-03T13:00:00+01:00\na;c;0;;\n"
    importing(people, "given.csv", "\ufeff" + text)
    first, second = journal.read()
    assert (first.who, first.at) == ("Zoë", NOON)
    assert second.who == "given.csv"
    assert second.at > NOON or second.at.endswith("Z")


def test_importing_twice_adds_nothing_new(people: Dataset, journal: Journal) -> None:
    text = "left_id,right_id,answer\na,b,match\na,b,no_match\nc,a,match\nc,d,\n"
    assert importing(people, "given.csv", text) == {"added": 3, "known": 0, "without_answer": 1}
    before = journal.read()
    assert importing(people, "given.csv", text) == {"added": 0, "known": 3, "without_answer": 1}
    assert journal.read() == before
    assert [label.answer for label in labels_in_force(before)[0]] == ["no_match", "match"]


def test_what_holds_already_is_not_appended_again(people: Dataset, journal: Journal) -> None:
    journal.append([label("b", "a", "match")])
    text = "left_id,right_id,answer\na,b,match\na,c,match\nc,a,match\n"
    assert importing(people, "given.csv", text) == {"added": 1, "known": 2, "without_answer": 0}
    assert len(journal.read()) == 2


def test_an_import_corrects_what_a_person_said_but_not_the_other_way_round(
    people: Dataset, journal: Journal
) -> None:
    text = "left_id,right_id,answer\nb,a,match\n"
    journal.append([label("a", "b", "no_match")])
    assert importing(people, "given.csv", text)["added"] == 1
    journal.append([label("a", "b", "no_match")])
    assert importing(people, "given.csv", text)["added"] == 0
    assert [label.answer for label in labels_in_force(journal.read())[0]] == ["no_match"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.csv", "left_id,answer\na,1\n", ":1: has no column 'right_id'; it has 'left_id', 'ans"),
        ("x.csv", "left_id,right_id\na,b\n", ":1: has no column 'answer'; it has 'left_id', 'ri"),
        ("x.csv", "", ":1: has no column 'left_id', 'right_id', 'answer'; it has none."),
        ("x.csv", "left_id,right_id,answer\na,b,1\na,c,2\n", "line 3: answer '2' is none of match"),
        ("x.csv", "left_id,right_id,answer\na,,1\n", "line 2: has no right_id; fill it in"),
        ("x.csv", "left_id,right_id,answer\na,a,1\n", "line 2: names record 'a' twice; a pair"),
        ("x.csv", "left_id,right_id,answer\na,b,c,1\n", "line 2: has 4 cells, the header 3; quo"),
        (
            "x.csv",
            "left_id,right_id,answer,at\na,b,1,noon\n",
            "line 2: at 'noon' is no time; write",
        ),
        (
            "x.csv",
            "left_id,right_id,answer,left_source\na,b,1,web\n",
            "line 2: left_source 'web' is no source; there are people",
        ),
        ("x.jsonl", '{"left_id": "a"\n', "line 1: is not JSON (Expecting"),
        ("x.jsonl", "\n3\n", "line 2: is no JSON object; write one object per line"),
        (
            "x.jsonl",
            '{"left_id": 1.5, "right_id": "b", "answer": 1}\n',
            "line 1: left_id 1.5 is no text; write it in quotes",
        ),
        (
            "x.jsonl",
            '{"left_id": "\\ud800", "right_id": "b", "answer": 1}\n',
            "line 1: left_id '\\ud800' is not Unicode; correct it",
        ),
        ("x.json", "[{]\n", ":1: is not JSON (Expecting"),
        ("x.json", '{"tasks": []}', "is no list of tasks; export JSON from Label Studio"),
        ("x.json", "[1]", "task 1: is no task"),
        ("x.json", '[{"data": {}, "annotations": [{}]}]', "task 1: has an annotation without a"),
        ("x.txt", "", "the ending '.txt' tells no format; it must be .csv, .jsonl or .json"),
    ],
)
def test_a_wrong_row_is_told_and_nothing_is_imported(
    people: Dataset, journal: Journal, name: str, text: str, told: str
) -> None:
    with pytest.raises(InputError) as error:
        importing(people, name, text)
    assert str(error.value).startswith(f"{people.folder / name}:")
    assert told in str(error.value)
    assert not journal.path.exists()


def test_an_imported_label_must_name_records_of_the_last_run(
    people: Dataset, journal: Journal
) -> None:
    file = people.folder / "given.csv"
    file.write_text("left_id,right_id,answer\na,b,match\na,gone,match\n")
    told = r"given\.csv: 1 of 2 rows are wrong, .*: line 3: there is no record 'gone' of source"
    with pytest.raises(InputError, match=told):
        import_labels(journal, people.spec, file, lake=people.lake)
    assert journal.read() == []
    file.write_text("left_id,right_id,answer\na,b,match\n")
    assert import_labels(journal, people.spec, file, lake=people.lake)["added"] == 1


def test_many_wrong_rows_are_counted(people: Dataset) -> None:
    text = "left_id,right_id,answer\n" + "a,b,x\n" * 5 + "a,c,1\n"
    with pytest.raises(InputError, match=r"5 of 6 rows are wrong, so none .* line 4.*; and 2 more"):
        importing(people, "given.csv", text)


def test_a_file_that_is_not_there_or_not_utf_8_is_an_error(people: Dataset) -> None:
    journal = journal_of(people.spec, people.folder)
    with pytest.raises(InputError, match=r"none\.csv: cannot be read \(No such file"):
        import_labels(journal, people.spec, people.folder / "none.csv")
    (people.folder / "given.csv").write_bytes(b"left_id\xe4")
    with pytest.raises(InputError, match=r"given\.csv: is not UTF-8 text; save it as UTF-8"):
        import_labels(journal, people.spec, people.folder / "given.csv")


def test_when_linking_two_sources_the_left_id_is_the_first_ones(
    shops: Dataset, journal: Journal
) -> None:
    importing(shops, "given.csv", "left_id,right_id,answer\na,a,1\n")
    assert [label.pair for label in journal.read()] == [
        (RecordName("source0", "a"), RecordName("source1", "a"))
    ]


def test_where_the_sources_leave_a_choice_it_must_be_made(
    dataset: Callable[..., Dataset], journal: Journal
) -> None:
    shops = dataset(PEOPLE[:2], PEOPLE[:2], strategies=CITY, labels={}, mode="link_and_dedupe")
    with pytest.raises(InputError, match="has no left_source; write one of source0, source1"):
        importing(shops, "given.csv", "left_id,right_id,answer\na,b,1\n")
    text = "left_id,right_id,answer,left_source,right_source\na,b,1,source1,source1\n"
    importing(shops, "given.csv", text)
    assert journal.read()[0].left == RecordName("source1", "a")


SAID = [
    label("a", "b", "match", reason="audit"),
    label("c", 'd,"\n ü', "no_match", who="Zoë", at="2026-11-04T00:00:00.250000Z"),
    label("gone", "a", "unsure", source="model"),
]


@pytest.mark.parametrize("name", ["labels.csv", "out/labels.jsonl", "labels.json"])
def test_what_is_exported_reads_back_the_same_answers(
    people: Dataset, journal: Journal, tmp_path: Path, name: str
) -> None:
    journal.append([label("b", "d"), *SAID, label("b", "d", RETRACTED)])
    queue(people, (0, 1), (1, 2))
    file = tmp_path / name
    exported = export_labels(journal, people.spec, people.lake, file)
    n_open = 1 if name == "labels.json" else 0
    assert exported == {"labels": 3, "without_answer": n_open}
    again = Journal(tmp_path / "again.jsonl")
    counts = {"added": 3, "known": 0, "without_answer": n_open}
    assert import_labels(again, people.spec, file) == counts
    told = [(said.pair, said.answer, said.who, said.at, said.reason) for said in SAID]
    assert [(s.pair, s.answer, s.who, s.at, s.reason) for s in again.read()] == told
    assert import_labels(journal, people.spec, file)["added"] == 0


def test_an_old_export_does_not_undo_what_was_said_since(
    people: Dataset, journal: Journal, tmp_path: Path
) -> None:
    journal.append([label("a", "b", "match")])
    export_labels(journal, people.spec, people.lake, tmp_path / "old.csv")
    journal.append([label("a", "b", "no_match", at="2026-12-24T12:00:00Z")])
    assert import_labels(journal, people.spec, tmp_path / "old.csv")["added"] == 0
    assert labels_in_force(journal.read())[0][0].answer == "no_match"


def test_an_export_never_overwrites_the_journal(people: Dataset, journal: Journal) -> None:
    journal.append([label("a", "b"), label("a", "b", RETRACTED)])
    own = journal_of(people.spec, people.folder)
    with pytest.raises(InputError, match="is the journal itself"):
        export_labels(own, people.spec, people.lake, own.path)
    assert len(journal.read()) == 2


def test_a_csv_export_has_one_named_column_per_part(
    people: Dataset, journal: Journal, tmp_path: Path
) -> None:
    journal.append(SAID)
    export_labels(journal, people.spec, people.lake, tmp_path / "labels.csv")
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [said.row for said in SAID]


def test_tasks_show_the_values_of_labelled_and_of_queued_pairs(
    people: Dataset, journal: Journal, tmp_path: Path
) -> None:
    journal.append([label("b", "a")])
    queue(people, (0, 1), (2, 3), reason="likely_uncovered")
    export_labels(journal, people.spec, people.lake, tmp_path / "tasks.json")
    labelled, queued = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert labelled["data"]["left_id"] == "b"
    assert labelled["data"]["left_name"] == "anne"
    assert labelled["data"]["right_city"] == "ulm"
    assert labelled["data"]["left_city"] == ""
    (annotation,) = labelled["annotations"]
    assert annotation["result"] == [
        {
            "from_name": "answer",
            "to_name": "pair",
            "type": "choices",
            "value": {"choices": ["match"]},
        }
    ]
    assert "completed_by" not in annotation
    assert "annotations" not in queued
    assert queued["data"]["reason"] == "likely_uncovered"
    assert (
        "<tr><th>city</th><td><b>bonn</b></td><td><b>ulm a b</b></td></tr>"
        in (queued["data"]["pair"])
    )


def test_values_cannot_break_out_of_the_shown_table(
    dataset: Callable[..., Dataset], journal: Journal, tmp_path: Path
) -> None:
    rows: Rows = [{"id": "a", "url": "<i>x"}, {"id": "b", "url": "<i>x"}]
    people = dataset(rows, fields={"url": "identifier"}, strategies={"url": "url"}, labels={})
    people.clean()
    queue(people, (0, 1))
    export_labels(journal, people.spec, people.lake, tmp_path / "tasks.json")
    (task,) = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert "&lt;i&gt;x" in task["data"]["pair"]


def test_a_field_called_id_does_not_hide_the_records_id(
    dataset: Callable[..., Dataset], journal: Journal, tmp_path: Path
) -> None:
    people = dataset(
        [{"id": "A1", "x": "a"}, {"id": "B-2", "x": "b"}],
        **{
            "fields": {"id": "identifier"},
            "strategies": {"id": "id"},
            "training_rules": {"r": "id"},
        },
        labels={},
    )
    people.clean()
    queue(people, (0, 1))
    export_labels(journal, people.spec, people.lake, tmp_path / "tasks.json")
    (task,) = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert (task["data"]["left_id"], task["data"]["right_id"]) == ("A1", "B-2")


def test_tasks_need_the_queue(people: Dataset, journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="dataset 'people' has no label_queue in the lake"):
        export_labels(journal, people.spec, people.lake, tmp_path / "tasks.json")


def annotated(*choices: str, **more: Any) -> dict[str, Any]:
    """An annotation as Label Studio exports it."""
    part = {
        "id": "x",
        "from_name": "answer",
        "to_name": "pair",
        "type": "choices",
        "origin": "manual",
        "value": {"choices": list(choices)},
    }
    return {
        **{"id": 7, "completed_by": 3, "created_at": "2026-11-03T12:00:00.000000Z"},
        **{"was_cancelled": False, "ground_truth": False, "lead_time": 4.2, "result": [part]},
        **more,
    }


def task(right: str, *annotations: Any, **more: Any) -> dict[str, Any]:
    """A task as Label Studio exports it."""
    data = {"left_id": "a", "right_id": right, "left_name": "ann"}
    return {"id": 1, "data": data, "annotations": list(annotations), "predictions": [], **more}


def test_what_label_studio_exports_is_read(people: Dataset, journal: Journal) -> None:
    who = {"id": 4, "email": "dan@acme.org", "first_name": "Dan", "last_name": ""}
    confidence = {"from_name": "how_sure", "type": "choices", "value": {"choices": ["very"]}}
    rating = {"from_name": "stars", "type": "rating", "value": {"rating": 4}}
    two = annotated("no_match", completed_by=who)
    two["result"] = [confidence, rating, *two["result"]]
    skipped = annotated("match", was_cancelled=True)
    tasks = [
        task("b", annotated("match")),
        task("c", two),
        task("d", skipped),
        task("e"),
        task("f", annotated("match", result=[])),
        {"data": {"left_id": "a", "right_id": "g"}, "completions": [annotated("unsure")]},
        {"data": {"left_id": "a", "right_id": "h"}, "completions": [annotated("match", skipped=1)]},
    ]
    counts = importing(people, "export.json", json.dumps(tasks))
    assert counts == {"added": 3, "known": 0, "without_answer": 4}
    assert [(said.right.record_id, said.answer, said.who, said.at) for said in journal.read()] == [
        ("b", "match", "3", NOON),
        ("c", "no_match", "dan@acme.org", NOON),
        ("g", "unsure", "3", NOON),
    ]


def test_of_several_annotations_the_newest_wins(people: Dataset, journal: Journal) -> None:
    new = annotated("no_match", created_at="2026-11-04T00:00:00Z", completed_by=9)
    tasks = [task("b", new, annotated("match"))]
    importing(people, "export.json", json.dumps(tasks))
    labels, conflicts = labels_in_force(journal.read())
    assert [(label.answer, label.who) for label in labels] == [("no_match", "9")]
    assert conflicts == 1


def test_the_oldest_completions_tell_the_time_in_seconds(people: Dataset, journal: Journal) -> None:
    old = {"data": {"left_id": "a", "right_id": "b"}}
    old["completions"] = [annotated("match", created_at=1_762_171_200)]  # type: ignore[assignment]
    importing(people, "export.json", json.dumps([old]))
    assert journal.read()[0].at == "2025-11-03T12:00:00Z"


def test_label_studios_short_export_is_read_too(people: Dataset, journal: Journal) -> None:
    flat = {"left_id": "a", "right_id": "b", "answer": "match", "annotator": 2, "id": 1}
    flat["created_at"] = NOON
    importing(people, "export.json", json.dumps([flat]))
    assert [(label.answer, label.who, label.at) for label in journal.read()] == [
        ("match", "2", NOON)
    ]


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (annotated("match", "unsure"), "task 2: has several answers at once, match, unsure; leave"),
        (annotated("perhaps"), "task 2: answer 'perhaps' is none of match"),
        ({"result": [{"type": "choices"}]}, "task 2: has an annotation that Label Studio did not"),
        ({"result": "match"}, 'task 2: has an annotation without a list "result"'),
    ],
)
def test_a_wrong_annotation_is_told_by_its_task(
    people: Dataset, journal: Journal, annotation: Any, told: str
) -> None:
    with pytest.raises(InputError) as error:
        importing(
            people,
            "export.json",
            json.dumps([task("b", annotated("match")), task("c", annotation)]),
        )
    assert told in str(error.value)
    assert not journal.path.exists()
