import re
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.records.raw_records import RawRecords, read_raw_records
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.conftest import write_csv
from er_pipeline_tests.small_spec import small_spec


def read(engine: Engine, folder: Path, **settings: Any) -> RawRecords:
    """Read the sources of a declaration; if none are given, people.csv with a name."""
    return read_raw_records(engine, small_spec(**settings).located_in(folder))


def people_of(folder: Path, *ids: str | None) -> None:
    write_csv(folder / "people.csv", [{"id": record_id, "name": "x"} for record_id in ids])


def test_all_sources_are_one_table_of_texts(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "crm.csv").write_text('key,select,"a""b"\n1,Ann,Berlin\n')
    (tmp_path / "erp.csv").write_text("id,name,city,mail\n1,Bob,Rome,bob@x.org\n2, ,,\n")
    crm = {
        "path": "crm.csv",
        "record_id": "key",
        "columns": {"name": "select", "city": 'a"b', "mail": None},
    }
    raw = read(
        engine,
        tmp_path,
        sources=[crm, {"path": "erp.csv"}],
        fields={"name": "text", "city": "text", "mail": "email"},
    )
    columns = "record_id, source, source_no, name, city, mail"
    assert engine.rows(f"select {columns} from {raw.table} order by all") == [
        ("1", "crm", 0, "Ann", "Berlin", None),
        ("1", "erp", 1, "Bob", "Rome", "bob@x.org"),
        ("2", "erp", 1, " ", None, None),
    ]
    assert (raw.n_records, raw.n_rejects) == (3, 0)
    assert raw.records_of_source == {"crm": 1, "erp": 2}


def test_rows_without_an_id_are_numbered(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("name\nEve\nAnn\nAnn\n")
    raw = read(engine, tmp_path, sources=[{"path": "b.csv", "record_id": None}])
    assert engine.rows(f"select record_id, name from {raw.table} order by 1") == [
        ("1", "Eve"),
        ("2", "Ann"),
        ("3", "Ann"),
    ]


def test_duplicate_ids_are_an_error_that_names_them(engine: Engine, tmp_path: Path) -> None:
    people_of(tmp_path, "007", "7", "a'b", "007", "a'b", "007")
    with pytest.raises(
        InputError,
        match=r"people\.csv: 2 ids stand more than once in column 'id': '007' \(3 times\),"
        r" \"a'b\" \(2 times\); ids must be unique within a source",
    ):
        read(engine, tmp_path)


def test_missing_ids_are_an_error_that_names_the_records(engine: Engine, tmp_path: Path) -> None:
    people_of(tmp_path, "1", None, "2", "  ")
    with pytest.raises(
        InputError,
        match=r"people\.csv: 2 records have no id in column 'id' \(first: record 2, 4 of the",
    ):
        read(engine, tmp_path)


RAGGED = "id,name\n1,a\n2\n3,c,c\n" + "".join(f"{i},n{i}\n" for i in range(4, 101))


def test_no_row_may_be_unreadable_by_default(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(RAGGED)
    with pytest.raises(InputError) as caught:
        read(engine, tmp_path)
    assert str(caught.value).startswith(
        f"{tmp_path}/people.csv: 2 of 100 rows cannot be read"
        " (line 3: has 1 cells, the header 2: '2'; line 4: has 3 cells, the header 2; quote cells"
        " with ',' in them: '3,c,c')."
        " Correct them, or allow a share of rejects: cleaning: {max_reject_rate: 0.01}"
    )


def test_rows_within_the_allowed_rate_are_listed_as_rejects(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(RAGGED)
    raw = read(engine, tmp_path, cleaning={"max_reject_rate": 0.02})
    assert engine.rows(raw.rejects) == [
        ("people", 3, "has 1 cells, the header 2", "2"),
        ("people", 4, "has 3 cells, the header 2; quote cells with ',' in them", "3,c,c"),
    ]
    assert (raw.n_records, raw.n_rejects) == (98, 2)


def test_one_row_more_than_allowed_stops(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(RAGGED)
    with pytest.raises(InputError, match="2 of 100 rows cannot be read"):
        read(engine, tmp_path, cleaning={"max_reject_rate": 0.019})


def test_a_file_without_one_readable_row_is_an_error(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,name\n1\n2\n")
    with pytest.raises(InputError, match=r"people\.csv: not one row can be read"):
        read(engine, tmp_path, cleaning={"max_reject_rate": 1.0})


def test_a_declared_encoding_that_is_wrong_is_not_advised_again(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "people.csv").write_bytes(b"id,name\n1,J\x81rgen\n")
    source = {"path": "people.csv", "csv": {"encoding": "windows-1252"}}
    with pytest.raises(InputError, match=r"line 2: byte 0x81 .* another encoding than cp1252"):
        read(engine, tmp_path, sources=[source])


@pytest.mark.parametrize(
    "cell", ['"{""first"": ""Ann"", ""last"": null}"', "\"{'first': 'Ann', 'last': None}\""]
)
def test_objects_written_as_text_are_an_error(engine: Engine, tmp_path: Path, cell: str) -> None:
    (tmp_path / "people.csv").write_text(f"id,name\n1,{cell}\n2,{cell}\n3,Bob\n")
    with pytest.raises(InputError, match=r"column 'name' holds objects, such as \{.first.: "):
        read(engine, tmp_path)


def test_a_text_in_braces_is_no_object(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,name\n1,{Ann}\n2,{Bob: the first}\n")
    assert read(engine, tmp_path).n_records == 2


@pytest.mark.parametrize("encoding", [None, "latin-1"])
def test_the_wrong_encoding_stops_with_the_advice_to_declare_it(
    engine: Engine, tmp_path: Path, encoding: str | None
) -> None:
    (tmp_path / "people.csv").write_bytes("id,name\n1,José\n2,b\n".encode("latin-1"))
    if encoding is None:
        with pytest.raises(InputError, match=r"line 2: byte 0xE9 .*{encoding: windows-1252}"):
            read(engine, tmp_path)
        return
    raw = read(engine, tmp_path, sources=[{"path": "people.csv", "csv": {"encoding": encoding}}])
    assert engine.rows(f"select name from {raw.table} order by record_id") == [("José",), ("b",)]


def test_a_vector_that_is_none_is_an_error_that_names_its_record(
    engine: Engine, tmp_path: Path
) -> None:
    vectors = {"1": "[0.1, 2]", "2": "", "3": "[1, nan]"}
    rows = [{"id": i, "name": "x", "v": vector} for i, vector in vectors.items()]
    write_csv(tmp_path / "people.csv", rows)
    wrong = "source people: column 'v' of record '3' holds no vector: '[1, nan]'"
    with pytest.raises(InputError, match=re.escape(wrong)):
        read(engine, tmp_path, embedding={"encoder": "column", "column": "v"})
