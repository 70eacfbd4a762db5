import csv
from pathlib import Path

import pytest

from er_pipeline.blocking.labels.label_files import export_labels, import_labels
from er_pipeline.blocking.labels.labels import (
    RETRACTED,
    Journal,
    journal_of,
    labels_in_force,
)
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.judged_people import importing, label, queue
from er_pipeline_tests.judged_people import journal as journal
from er_pipeline_tests.judged_people import people as people


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
    ("name", "text", "message"),
    [
        ("x.csv", "left_id,answer\na,1\n", ":1: has no column 'right_id'; it has 'left_id', 'ans"),
        ("x.csv", "left_id,right_id\na,b\n", ":1: has no column 'answer'; it has 'left_id', 'ri"),
        ("x.csv", "", ": is empty; a header line and records are needed"),
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
        ("x.odd", "", "the ending '.odd' names no format; it must be .csv, .jsonl or .json"),
    ],
)
def test_a_wrong_row_is_reported_and_nothing_is_imported(
    people: Dataset, journal: Journal, name: str, text: str, message: str
) -> None:
    with pytest.raises(InputError) as error:
        importing(people, name, text)
    assert str(error.value).startswith(f"{people.folder / name}:")
    assert message in str(error.value)
    assert not journal.path.exists()


def test_an_imported_label_must_name_records_of_the_last_run(
    people: Dataset, journal: Journal
) -> None:
    file = people.folder / "given.csv"
    file.write_text("left_id,right_id,answer\na,b,match\na,gone,match\n")
    message = r"given\.csv: 1 of 2 rows are wrong, .*: line 3: there is no record 'gone' of source"
    with pytest.raises(InputError, match=message):
        import_labels(journal, people.spec, file, lake=people.lake)
    assert journal.read() == []
    file.write_text("left_id,right_id,answer\na,b,match\n")
    assert import_labels(journal, people.spec, file, lake=people.lake)["added"] == 1


def test_many_wrong_rows_are_counted(people: Dataset) -> None:
    text = "left_id,right_id,answer\n" + "a,b,x\n" * 5 + "a,c,1\n"
    with pytest.raises(InputError, match=r"5 of 6 rows are wrong, so none .* line 4.*; and 2 more"):
        importing(people, "given.csv", text)


def test_a_file_that_is_not_there_or_not_utf_8_is_an_error(people: Dataset) -> None:
    journal = journal_of(people.spec)
    with pytest.raises(InputError, match=r"none\.csv: cannot be read \(No such file"):
        import_labels(journal, people.spec, people.folder / "none.csv")
    (people.folder / "given.csv").write_bytes(b"left_id\xe4,right_id,answer\n")
    with pytest.raises(InputError, match=r"given\.csv:1: the header is not utf-8 text; say how"):
        import_labels(journal, people.spec, people.folder / "given.csv")
    (people.folder / "given.jsonl").write_bytes(b'{}\n{"left_id": "\xe4"}')
    with pytest.raises(InputError, match=r"given\.jsonl:2: byte 0xE4 is not utf-8 text; save the"):
        import_labels(journal, people.spec, people.folder / "given.jsonl")


def test_labels_are_read_as_sources_are(people: Dataset, journal: Journal) -> None:
    (people.folder / "given.tsv").write_bytes(
        'sep=\t\nLEFT_ID\tRight_ID \tLabel\r\na\t"b"\t1\n\n'.encode("utf-16")
    )
    assert import_labels(journal, people.spec, people.folder / "given.tsv")["added"] == 1
    (people.folder / "zoe.csv").write_bytes(
        "left_id;right_id;answer;who\na;c;no;Zoë\n".encode("cp1252")
    )
    with pytest.raises(InputError, match=r"line 2: byte 0xEB after 'a;c;no;Zo' is not utf-8 text"):
        import_labels(journal, people.spec, people.folder / "zoe.csv")
    spec = people.spec.changed({"labels": {"csv": {"encoding": "windows-1252"}}})
    assert import_labels(journal, spec, people.folder / "zoe.csv")["added"] == 1
    assert [(said.pair[1].record_id, said.who) for said in journal.read()] == [
        ("b", "given.tsv"),
        ("c", "Zoë"),
    ]


def test_an_error_names_the_first_line_of_its_row(people: Dataset, journal: Journal) -> None:
    text = 'left_id,right_id,answer\na,b,match\n\n"c\n\n",d,perhaps\n'
    with pytest.raises(InputError, match=r"line 4: answer 'perhaps' is none of"):
        importing(people, "given.csv", text)


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
    expected = [(said.pair, said.answer, said.who, said.at, said.reason) for said in SAID]
    assert [(s.pair, s.answer, s.who, s.at, s.reason) for s in again.read()] == expected
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
    own = journal_of(people.spec)
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
