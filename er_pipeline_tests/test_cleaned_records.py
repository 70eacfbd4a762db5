from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.records.cleaned_records import clean_records, judge_cleaning
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline_tests.conftest import Dataset, Rows


@pytest.fixture
def dataset(dataset: Callable[..., Dataset]) -> Callable[..., Dataset]:
    """Make a dataset without saying how it is blocked, which does not matter here."""

    def make(*sources: Rows, **settings: Any) -> Dataset:
        first_field = list(sources[0][0])[1]
        return dataset(*sources, **{"strategies": {"same": first_field}, **settings})

    return make


class Declared:
    """A dataset whose files are written by hand."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.spec = PipelineSpec.model_validate(
            {
                "dataset": "people",
                "sources": [{"path": "people.csv", "record_id": "id"}],
                "fields": {"name": "text"},
                "strategies": {"name": "name"},
                "training_rules": {"rule": "name"},
                **settings,
            }
        ).located_in(folder)
        self.lake = Lake(folder / "lake", "people")

    def clean(self) -> dict[str, Any]:
        with DuckDBEngine(threads=2) as engine:
            return clean_records(engine, self.lake, self.spec)

    def rows(self, columns: str, table: str = "cleaned_records") -> list[tuple[Any, ...]]:
        with DuckDBEngine(threads=2) as engine:
            self.lake.open(engine, table)
            return engine.rows(f"select {columns} from {table}")


def test_every_kind_is_cleaned_in_its_own_way(dataset: Callable[..., Dataset]) -> None:
    raw = {
        "id": "007",
        "name": " Dr. Łukasz  O'BRIEN Jr. ",
        "email": "Lukasz.OBrien+news@Gmail.com",
        "phone": "(415) 555-2671",
        "company": "The Acme Company, Inc.",
        "born": "12 Mar 1980",
        "street": "12 Main Street, Apartment 4",
        "note": "Call  after SIX!",
        "passport": "AB-00.12/3",
    }
    kinds = {
        "name": "person_name",
        "email": "email",
        "phone": "phone",
        "company": "company",
        "born": "date",
        "street": "address",
        "note": "text",
        "passport": "identifier",
    }
    people = dataset([raw], fields=kinds)
    people.clean()
    assert people.rows("cleaned_records", "record_id, * exclude (record_no, record_id)") == [
        (
            "007",
            "people",
            0,
            "lukasz obrien",
            "lukaszobrien@gmail.com",
            "+14155552671",
            "acme",
            "1980-03-12",
            "12 main st apt 4",
            "call after six",
            "ab00123",
        )
    ]


def test_settings_of_cleaning_reach_every_field(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        [{"id": "1", "email": "a.b+c@gmail.com", "phone": "030 1234567", "born": "03/04/2020"}],
        fields={"email": "email", "phone": "phone", "born": "date"},
        cleaning={
            "gmail_dots": False,
            "plus_tags": False,
            "phone_region": "DE",
            "day_first": True,
        },
    )
    people.clean()
    assert people.rows("cleaned_records", "email, phone, born") == [
        ("a.b+c@gmail.com", "+49301234567", "2020-04-03")
    ]


def test_blank_and_placeholder_values_become_null(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        [
            {"id": "1", "name": "N/A", "email": "test@test.com", "born": "1900-01-01", "no": "000"},
            {"id": "2", "name": " ", "email": "", "born": None, "no": "--"},
            {"id": "3", "name": "Nobody Here", "email": "a@x.org", "born": "1999-02-30", "no": "7"},
        ],
        fields={"name": "text", "email": "email", "born": "date", "no": "identifier"},
        cleaning={"placeholders": ["nobody here"]},
    )
    facts = people.clean()
    assert people.rows("cleaned_records", "name, email, born, no", "record_no") == [
        (None, None, None, None),
        (None, None, None, None),
        (None, "a@x.org", None, "7"),
    ]
    assert facts["values_of_field"]["name"] == {
        "filled": 0,
        "distinct": 0,
        "cleaned_away": 1,
        "null_marks": 1,
        "cells_of_several": 0,
        "examples": {"Nobody Here": 1, "N/A": 1},
    }


def test_marks_of_no_value_and_orders_of_dates_are_seen_source_by_source(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        [
            {"id": "1", "name": "Ann", "born": "25/12/1980"},
            {"id": "2", "name": "NULL", "born": "03/04/1990"},
        ],
        [
            {"id": "3", "name": "Null", "born": "12/25/1980"},
            {"id": "4", "name": "\\N", "born": "04/03/1990"},
        ],
        fields={"name": "person_name", "born": "date"},
    )
    facts = people.clean()
    assert people.rows("cleaned_records", "name, born", "record_no") == [
        ("ann", "1980-12-25"),
        (None, "1990-04-03"),
        ("null", "1980-12-25"),
        (None, "1990-04-03"),
    ]
    verdicts = {verdict.check: verdict for verdict in judge_cleaning(facts, people.spec)}
    assert verdicts["day_order_is_clear"].passed
    assert "read day first; born of source1" in verdicts["day_order_is_clear"].text


def test_a_field_that_cleaning_empties_is_a_warning_with_raw_values(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        [{"id": "1", "born": "soon"}, {"id": "2", "born": "soon"}, {"id": "3", "born": "\\N"}],
        fields={"born": "date"},
    )
    kept, *_ = judge_cleaning(people.clean(), people.spec)
    assert not kept.passed
    assert "born (date) lost 100% of its values, such as 'soon' (2)" in kept.text


def test_several_values_of_a_cell_are_counted_and_kept_by_the_kinds_that_hold_them(
    dataset: Callable[..., Dataset],
) -> None:
    mails, phones = "jo@lark.org; al@home.org", "415-555-2671 / 415-555-2672"
    row = {"id": "1", "mail": mails, "mails": mails, "tel": phones, "tels": phones}
    people = dataset(
        [row, {"id": "2", "mail": "jo@lark.org", "mails": "", "tel": "4155552671", "tels": ""}],
        fields={"mail": "email", "mails": "emails", "tel": "phone", "tels": "phones"},
        training_rules={"same": "mail"},
    )
    facts = people.clean()
    assert people.rows("cleaned_records", "mail, mails, tel, tels", "record_no")[0] == (
        "jo@lark.org",
        "al@home.org jo@lark.org",
        "+14155552671",
        "+14155552671 +14155552672",
    )
    verdicts = {verdict.check: verdict for verdict in judge_cleaning(facts, people.spec)}
    assert not verdicts["cells_hold_one_value"].passed
    assert "mail in 1 records, tel in 1 records." in verdicts["cells_hold_one_value"].text


def test_a_full_name_is_two_fields_whichever_way_it_is_written(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        [{"id": "1", "name": "Smith, Dr. John"}, {"id": "2", "name": "\\N"}],
        [{"id": "3", "name": "John SMITH"}, {"id": "4", "name": "Cher"}],
        fields={"name": "full_name"},
        strategies={"same": ["first_name", "last_name"]},
        training_rules={"same": "last_name"},
    )
    facts = people.clean()
    assert people.rows("cleaned_records", "first_name, last_name", "record_no") == [
        ("john", "smith"),
        (None, None),
        ("john", "smith"),
        (None, "cher"),
    ]
    assert {
        name: (values["filled"], values["cleaned_away"], values["null_marks"])
        for name, values in facts["values_of_field"].items()
    } == {"first_name": (2, 0, 0), "last_name": (3, 0, 1)}


def test_records_are_numbered_by_source_and_id_whatever_the_order_of_the_files(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        [{"id": "b", "name": "x"}, {"id": "10", "name": "y"}, {"id": "9", "name": "z"}],
        [{"id": "b", "name": "u"}, {"id": "a", "name": "v"}],
    )
    facts = people.clean()
    assert people.rows("cleaned_records", "record_no, source, record_id, name", "record_no") == [
        (0, "source0", "10", "y"),
        (1, "source0", "9", "z"),
        (2, "source0", "b", "x"),
        (3, "source1", "a", "v"),
        (4, "source1", "b", "u"),
    ]
    assert facts["records_of_source"] == {"source0": 3, "source1": 2}


@pytest.mark.parametrize("written", ["007", "1.0", " 8 ", "😀", "o'br\"ien", "a,b", "select"])
def test_ids_stay_as_the_user_wrote_them(dataset: Callable[..., Dataset], written: str) -> None:
    people = dataset([{"id": written, "name": "x"}])
    people.clean()
    assert people.rows("cleaned_records", "record_id") == [(written,)]


def test_a_nul_byte_in_a_value_is_cleaned_away(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_bytes(b"id,name\n1,jo\x00hn\n")
    people = Declared(tmp_path)
    people.clean()
    assert people.rows("name") == [("john",)]


def test_a_cell_of_a_megabyte_is_cleaned(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(f"id,name\n1,{'Word ' * 200_000}\n2,b\n")
    people = Declared(tmp_path)
    people.clean()
    assert people.rows("length(name)") == [(200_000 * 5 - 1,), (1,)]


def test_a_column_without_any_value_is_all_null(dataset: Callable[..., Dataset]) -> None:
    people = dataset([{"id": "1", "name": "x", "city": None}, {"id": "2", "name": "y", "city": ""}])
    facts = people.clean()
    assert people.rows("cleaned_records", "name, city") == [("x", None), ("y", None)]
    assert facts["values_of_field"]["city"]["filled"] == 0


def test_one_record_is_a_table(dataset: Callable[..., Dataset]) -> None:
    people = dataset([{"id": "only", "name": "x"}])
    assert people.clean()["records"] == 1
    assert people.rows("cleaned_records") == [(0, "only", "people", 0, "x")]


def test_the_cluster_column_becomes_true_cluster(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        [
            {"id": "1", "name": "x", "person_id": "P-1"},
            {"id": "2", "name": "y", "person_id": " P-1 "},
            {"id": "3", "name": "z", "person_id": None},
        ],
        truth={"cluster_column": "person_id"},
    )
    people.clean()
    assert people.rows("true_clusters", "record_no, true_cluster") == [(0, "P-1"), (1, "P-1")]


RAGGED = "id,name\n1,a\n2\n3,c,c\n" + "".join(f"{i},n{i}\n" for i in range(4, 101))


def test_rows_within_the_allowed_rate_go_to_rejected_records(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(RAGGED)
    people = Declared(tmp_path, cleaning={"max_reject_rate": 0.02})
    facts = people.clean()
    assert people.rows("source, line, reason, text", "rejected_records") == [
        ("people", 3, "has 1 cells, the header 2", "2"),
        ("people", 4, "has 3 cells, the header 2; quote cells with ',' in them", "3,c,c"),
    ]
    assert (facts["records"], facts["rejected_rows"]) == (98, 2)
    assert people.rows("count(*)") == [(98,)]


def test_a_failed_source_leaves_the_tables_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,name\n1,a\n")
    people = Declared(tmp_path)
    people.clean()
    before = {table: people.lake.version(table) for table in people.lake.tables()}
    assert sorted(before) == ["cleaned_records", "record_contents", "rejected_records"]
    for content in ("", "id,name\n", "id\n1\n", "id,name\n1,a\n1,b\n", "id,name\n1\n"):
        (tmp_path / "people.csv").write_text(content)
        with pytest.raises(InputError):
            people.clean()
    assert {table: people.lake.version(table) for table in people.lake.tables()} == before
    assert people.rows("record_id, name") == [("1", "a")]
    leftovers = [path.name for path in people.lake.folder.rglob("*.tmp")]
    assert leftovers == []


def test_the_same_records_have_the_same_stamp(dataset: Callable[..., Dataset]) -> None:
    def stamp(*rows: Mapping[str, str | None]) -> str:
        people = dataset(rows)
        people.clean()
        return people.lake.stamp("cleaned_records")

    one, two = {"id": "1", "name": "a"}, {"id": "2", "name": "b"}
    assert stamp(one, two) == stamp(two, one)
    for changed in ({"id": "3", "name": "b"}, {"id": "2", "name": "c"}, {"id": "2", "name": None}):
        assert stamp(one, changed) != stamp(one, two)
