import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from er_pipeline.blocking.records.sources import RawSource, read_source
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.sql import quoted

Rows = list[tuple[Any, ...]]


@dataclass
class Reader:
    """A folder for files, and the engine that reads them."""

    folder: Path
    engine: Engine

    def put(self, name: str, content: str | bytes) -> Path:
        file = self.folder / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def read(self, wanted: Sequence[str], **source: Any) -> RawSource:
        return read_source(
            self.engine,
            Source.model_validate(source),
            wanted,
            folder=self.folder,
            scratch=self.folder,
            table="raw",
        )

    def rows(self, wanted: Sequence[str], **source: Any) -> Rows:
        raw = self.read(wanted, **source)
        columns = ", ".join(map(quoted, wanted))
        return self.engine.rows(f"select {columns} from {raw.table} order by rowid")

    def csv(self, content: str | bytes, wanted: Sequence[str] = ("id", "name"), **csv: Any) -> Rows:
        self.put("people.csv", content)
        return self.rows(wanted, path="people.csv", csv=csv)

    def rejects(self) -> Rows:
        return self.engine.rows("select line, reason, text from raw_rejects order by all")


@pytest.fixture
def reader(tmp_path: Path, engine: Engine) -> Reader:
    return Reader(tmp_path, engine)


@pytest.mark.parametrize(
    ("name", "content"),
    [("p.csv", "id,name\n1,a\n"), ("p.json", '{"id": "1", "name": "a"}\n')],
)
def test_the_name_of_a_folder_never_takes_the_place_of_a_column(
    reader: Reader, name: str, content: str
) -> None:
    (reader.folder / "name=2026").mkdir()
    reader.put(f"name=2026/{name}", content)
    assert reader.rows(["id", "name"], path=f"name=2026/{name}") == [("1", "a")]


@pytest.mark.parametrize("written", ["007", "1.0", " 8 ", "1e5", "😀", "o'br\"ien", "2020-01-01"])
def test_ids_stay_as_they_were_written(reader: Reader, written: str) -> None:
    quoted_id = written.replace('"', '""')
    assert reader.csv(f'id,name\n"{quoted_id}",Ann\n') == [(written, "Ann")]
    reader.put("people.json", json.dumps([{"id": written, "name": "Ann"}]))
    assert reader.rows(["id", "name"], path="people.json") == [(written, "Ann")]


def test_columns_may_be_called_like_sql_words_and_hold_quotes(reader: Reader) -> None:
    wanted = ["id", "select", 'a"b', "it's"]
    content = 'id,select,"a""b",it\'s\n1,x,y,z\n'
    assert reader.csv(content, wanted) == [("1", "x", "y", "z")]
    reader.put("people.jsonl", json.dumps({"id": 1, "select": "x", 'a"b': "y", "it's": "z"}))
    assert reader.rows(wanted, path="people.jsonl") == [("1", "x", "y", "z")]


def test_parquet_becomes_text(reader: Reader) -> None:
    reader.engine.execute(
        "copy (select 7 as id, date '2020-01-02' as born, 1.50::decimal(5, 2) as paid,"
        f" null as name) to '{reader.folder}/people.parquet' (format parquet)"
    )
    rows = reader.rows(["id", "born", "paid", "name"], path="people.parquet")
    assert rows == [("7", "2020-01-02", "1.50", None)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", '[{"id": "007", "name": "a"},\n {"id": 12345678901234567890}]'),
        ("p.jsonl", '{"id": "007", "name": "a", "more": 1}\n{"id": 12345678901234567890}\n'),
        ("p.ndjson", '{"ID": "007", "Name": "a"}\n{"ID": 12345678901234567890}\n'),
        ("p.txt", '{"id": "007", "name": "a"}\n{"id": 12345678901234567890}\n'),
    ],
)
def test_json_is_read_as_a_list_or_line_by_line(reader: Reader, name: str, content: str) -> None:
    reader.put(name, content)
    rows = reader.rows(["id", "name"], path=name, format="json")
    assert rows == [("007", "a"), ("12345678901234567890", None)]


def test_a_json_key_may_begin_late_in_the_file(reader: Reader) -> None:
    lines = [json.dumps({"id": i}) for i in range(30_000)]
    reader.put("p.jsonl", "\n".join([*lines, '{"id": "last", "name": "Ann"}']))
    assert reader.rows(["id", "name"], path="p.jsonl")[-1] == ("last", "Ann")


@pytest.mark.parametrize("table", ["people", "hr.staff", "odd name", "hr.seen"])
def test_tables_and_views_of_a_duckdb_file_are_read(reader: Reader, table: str) -> None:
    with duckdb.connect(str(reader.folder / "people.duckdb")) as con:
        con.execute("create table people as select 7 as id, 'Ann' as name")
        con.execute('create table "odd name" as from people')
        con.execute("create schema hr")
        con.execute("create table hr.staff as from people")
        con.execute("create view hr.seen as from people")
    assert reader.rows(["id", "name"], database="people.duckdb", table=table) == [("7", "Ann")]


def test_generated_people_are_a_source(reader: Reader) -> None:
    wanted = ["id", "first_name", "person_id"]
    rows = reader.rows(wanted, generate={"records": 50, "seed": 3})
    assert len({record_id for record_id, *_ in rows}) == 50
    assert rows == reader.rows(wanted, generate={"records": 50, "seed": 3})
    assert rows != reader.rows(wanted, generate={"records": 50, "seed": 4})


def test_a_cell_of_a_megabyte_is_read(reader: Reader) -> None:
    long = "x" * 1_000_000
    assert reader.csv(f"id,name\n1,{long}\n2,b\n") == [("1", long), ("2", "b")]
    reader.put("p.jsonl", json.dumps({"id": "1", "name": long}))
    assert reader.rows(["id", "name"], path="p.jsonl") == [("1", long)]


def test_a_missing_file_is_an_error_that_names_it(reader: Reader) -> None:
    for path in ("people.csv", "no/such/*.parquet", "."):
        with pytest.raises(
            InputError, match=r"(no such file|has no files); correct `path` in the dataset's defs"
        ):
            reader.read(["id"], path=path)


def test_an_ending_that_names_no_format_needs_one(reader: Reader) -> None:
    reader.put("people.data", "id\n1\n")
    with pytest.raises(InputError, match=r"the ending '\.data' names no format; write `format: "):
        reader.read(["id"], path="people.data")
    assert reader.rows(["id"], path="people.data", format="csv") == [("1",)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.parquet", "nonsense", r"p\.parquet: cannot be read as parquet: .*too small"),
        ("p.json", '[{"id": "1"', r"p\.json:1: cannot be read as json: Expecting ','"),
        ("p.jsonl", '{"id": 1}\n{"id": oops}\n', r"p\.jsonl:2: cannot be read as json: Expecting"),
        ("p.jsonl", '{"name": "Ann"}\n', r"p\.jsonl: has no column 'id'; it has 'name'"),
        ("p.json", "[]", r"p\.json: has no records; write one list of objects, or one object per"),
        ("p.json", " ", r"p\.json: has no records"),
    ],
)
def test_unreadable_parquet_and_json_are_errors_that_name_the_file(
    reader: Reader, name: str, content: str, message: str
) -> None:
    reader.put(name, content)
    with pytest.raises(InputError, match=message):
        reader.read(["id"], path=name)


def test_a_bad_duckdb_source_is_an_error_that_names_file_and_table(reader: Reader) -> None:
    with duckdb.connect(str(reader.folder / "people.duckdb")) as con:
        con.execute("create table people (id integer)")
    reader.put("text.duckdb", "hello " * 2_000)
    for database, table, message in (
        ("none.duckdb", "people", r"none\.duckdb: no such DuckDB file; correct `database`"),
        ("text.duckdb", "people", r"text\.duckdb, table people: .* not a valid DuckDB database"),
        ("people.duckdb", "person", r"table person: .*does not exist.*correct .*`table`"),
        ("people.duckdb", "people", r"people\.duckdb, table people: has no records"),
    ):
        with pytest.raises(InputError, match=message):
            reader.read(["id"], database=database, table=table)
    with pytest.raises(InputError, match="table people: has no column 'zip'; it has 'id'"):
        reader.read(["id", "zip"], database="people.duckdb", table="people")
