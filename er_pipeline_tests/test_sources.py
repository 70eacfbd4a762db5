import gzip
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from er_pipeline.blocking.records.sources import RawSource, read_source
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.tables.errors import InputError

Rows = list[tuple[Any, ...]]


@dataclass
class Reader:
    """A folder for files, and the engine that reads them."""

    folder: Path
    engine: DuckDBEngine

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
def reader(tmp_path: Path, engine: DuckDBEngine) -> Reader:
    return Reader(tmp_path, engine)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_of_a_csv_file_is_told_from_its_header(
    reader: Reader, delimiter: str
) -> None:
    content = f'id{delimiter}name\n1{delimiter}"Smith, Ann; |\t"\n'
    assert reader.csv(content) == [("1", "Smith, Ann; |\t")]


def test_a_delimiter_and_a_quote_can_be_given(reader: Reader) -> None:
    content = "id^name\n1^'a^b'\n"
    assert reader.csv(content, delimiter="^", quote="'") == [("1", "a^b")]


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


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfid,name\n1,Ann\n",
        b'\xef\xbb\xbf"id",name\r\n1,Ann\r\n',
        b"ID,Name\n1,Ann",
        b"id,name,,\n1,Ann,,x\n",
        b"id,name\n\n1,Ann\n\n",
    ],
    ids=["BOM", "BOM-quoted-CRLF", "other-case", "unnamed-columns", "blank-lines"],
)
def test_csv_files_as_other_programs_write_them_are_read(reader: Reader, content: bytes) -> None:
    assert reader.csv(content) == [("1", "Ann")]


def test_a_packed_csv_file_is_read(reader: Reader) -> None:
    reader.put("people.csv.gz", gzip.compress("id,name\n1,José\n".encode()))
    assert reader.rows(["id", "name"], path="people.csv.gz") == [("1", "José")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_csv_files_are_read_in_the_encoding_that_is_declared(reader: Reader, encoding: str) -> None:
    assert reader.csv("id,name\n1,José\n".encode(encoding), encoding=encoding) == [("1", "José")]


def test_a_quoted_value_may_hold_line_breaks_quotes_and_delimiters(reader: Reader) -> None:
    content = 'id,name\n1,"Ann\nSmith"\n2,"the ""real"" one, here"\n'
    assert reader.csv(content) == [("1", "Ann\nSmith"), ("2", 'the "real" one, here')]


def test_an_empty_cell_is_no_value(reader: Reader) -> None:
    assert reader.csv("id,name\n1,\n2,x\n") == [("1", None), ("2", "x")]


def test_a_glob_reads_several_files_in_the_order_of_their_names(reader: Reader) -> None:
    reader.put("part-2.csv", "id,name\n3,c\n")
    reader.put("part-1.csv", "id,name\n1,a\n2,b\n")
    rows = reader.rows(["id", "name"], path="part-*.csv")
    assert rows == [("1", "a"), ("2", "b"), ("3", "c")]


@pytest.mark.parametrize("header", ["name,id", "id,name,city", "id;name"])
def test_files_read_together_must_have_the_same_header(reader: Reader, header: str) -> None:
    reader.put("part-1.csv", "id,name\n1,a\n")
    reader.put("part-2.csv", f"{header}\n2,b\n")
    with pytest.raises(InputError, match=r"part-2\.csv:1: its header differs from that of .*-1\."):
        reader.read(["id", "name"], path="part-*.csv")


def test_rejected_rows_of_several_files_are_all_counted_and_name_their_file(
    reader: Reader,
) -> None:
    reader.put("part-1.csv", "id,name\n1,a\n2\n3,c\n")
    reader.put("part-2.csv", "id,name\n4,a\n5\n6,c\n")
    raw = reader.read(["id", "name"], path="part-*.csv")
    assert (raw.n_records, raw.n_rejects) == (4, 2)
    assert reader.rejects() == [
        (3, "missing columns in column name of part-1.csv", "2"),
        (3, "missing columns in column name of part-2.csv", "5"),
    ]


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


def sqlite_url(folder: Path) -> str:
    with sqlite3.connect(folder / "people.sqlite") as con:
        con.execute('create table people (id text, name text, "select" text, photo blob)')
        con.execute("insert into people values ('007', 'Ann', 'x', x'4a6f73c3a9')")
        con.execute("insert into people values ('1.0', 3.5, null, null)")
    con.close()
    return f"sqlite:///{folder}/people.sqlite"


def test_a_query_on_a_database_is_read(reader: Reader) -> None:
    url = sqlite_url(reader.folder)
    wanted = ["id", "name", "select", "photo"]
    assert reader.rows(wanted, url=url, query="select * from people order by id") == [
        ("007", "Ann", "x", "José"),
        ("1.0", "3.5", None, None),
    ]
    query = "select id, '12:30' as name from people where id like '0%' and name <> ':x'"
    assert reader.rows(["id", "name"], url=url, query=query) == [("007", "12:30")]


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


def test_a_cell_that_is_too_long_is_rejected_and_nothing_else(reader: Reader) -> None:
    rows = reader.csv(f"id,name\n1,a\n2,{'x' * 5_000_000}\n3,c\n")
    assert rows == [("1", "a"), ("3", "c")]
    assert [(line, reason) for line, reason, _ in reader.rejects()] == [
        (3, "line size over maximum")
    ]


def test_ragged_rows_are_rejected_with_line_reason_and_text(reader: Reader) -> None:
    rows = reader.csv("id,name\n1,a\n2\n3,c,d\n4,d\n")
    assert rows == [("1", "a"), ("4", "d")]
    assert reader.rejects() == [
        (3, "missing columns in column name", "2"),
        (4, "too many columns", "3,c,d"),
    ]


def test_every_line_that_an_open_quote_takes_in_is_a_reject(reader: Reader) -> None:
    rows = reader.csv('id,name\n1,"Ann\n2,b\n3,c\n4,"Eve, or so"\n5,"a\nb"\n6,f\n')
    assert rows == [("5", "a\nb"), ("6", "f")]
    taken = "taken in by the quote that opens in line 2"
    assert reader.rejects() == [
        (2, "unquoted value in column name, which takes in the lines below", '1,"Ann'),
        (3, taken, "2,b"),
        (4, taken, "3,c"),
        (5, taken, '4,"Eve, or so"'),
    ]


def test_a_row_of_the_wrong_encoding_is_rejected(reader: Reader) -> None:
    assert reader.csv(b"id,name\n1,Jos\xe9\n2,b\n") == [("2", "b")]
    ((line, reason, text),) = reader.rejects()
    assert (line, reason) == (2, "invalid encoding in column name")
    assert text.startswith("1,Jos")


def test_records_and_rejects_together_are_the_rows_of_the_file(reader: Reader) -> None:
    lines = [f'{i},"two\nlines {i}"' if i % 3 else f"{i}" for i in range(30_000)]
    reader.put("people.csv", "\n".join(["id,name", *lines, ""]))
    raw = reader.read(["id", "name"], path="people.csv")
    assert (raw.n_records, raw.n_rejects) == (20_000, 10_000)


def test_a_nul_byte_in_a_value_is_no_error(reader: Reader) -> None:
    assert reader.csv(b"id,name\n1,a\x00b\n") == [("1", "a\x00b")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"people\.csv: is empty; a header line and records are needed"),
        (b"\n", r"people\.csv:1: has no header line; the first line must name the columns"),
        (b"id,name\n", r"people\.csv: has no records"),
        (b"id,name", r"people\.csv: has no records"),
        (b"id,na\x00me\n1,a\n", r"people\.csv:1: the header is not utf-8 text; .*encoding"),
        (
            "id,name\n1,José\n".encode("utf-16"),
            r"people\.csv:1: the header is not utf-8 text; say `csv: {encoding: utf-16}`",
        ),
        (
            b"id,name,name\n1,a,b\n",
            r"people\.csv:1: column 'name', 'name' stands more than once .*; rename one",
        ),
        (b"id,name,NAME\n1,a,b\n", r"people\.csv:1: column 'name', 'NAME' stands more than once"),
        (
            b"id,nom\n1,a\n",
            r"people\.csv: has no column 'name'; it has 'id', 'nom'\. Correct `record_id`",
        ),
        (
            b'id,name\n1,a\n2,"b\n3,c\n4,d\n',
            r"people\.csv:3: a quote is opened in this row and never closed.*correct the row",
        ),
        (
            b"id,name\r\n1,a\r\n2,b\n3,c\r\n",
            r"people\.csv:3: this line ends in LF, those before in CRLF; give all lines",
        ),
        (
            b"id,name\n1,a\n2,b\r\n",
            r"people\.csv:3: this line ends in CRLF, those before in LF; give all lines",
        ),
        (
            b"x" * 200_000,
            r"people\.csv: has no column 'id', 'name'; it has 'x{80}'\. Is it one column only\?",
        ),
        (
            b"id,nmae\n1,a\n",
            r"has no column 'name'; it has 'id', 'nmae'\. Did you mean 'nmae' for 'name'\? Correct",
        ),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else "",
)
def test_a_bad_csv_file_is_an_error_that_says_where_and_what_to_do(
    reader: Reader, content: bytes, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        reader.csv(content)


def test_an_encoding_that_does_not_fit_is_an_error(reader: Reader) -> None:
    with pytest.raises(InputError, match=r"people\.csv:1: .*\(utf-16\): .*BOM; correct the file"):
        reader.csv("id,name\n1,a\n", encoding="utf-16")


def test_a_file_that_is_only_called_gz_is_an_error(reader: Reader) -> None:
    reader.put("people.csv.gz", "id,name\n1,a\n")
    with pytest.raises(InputError, match=r"people\.csv\.gz:1: .*Not a gzipped file"):
        reader.read(["id"], path="people.csv.gz")


def test_a_missing_file_is_an_error_that_names_it(reader: Reader) -> None:
    for path in ("people.csv", "no/such/*.parquet", "."):
        with pytest.raises(InputError, match=r"no such file; correct `path` in the dataset's defs"):
            reader.read(["id"], path=path)


def test_an_ending_that_tells_no_format_needs_one(reader: Reader) -> None:
    reader.put("people.data", "id\n1\n")
    with pytest.raises(InputError, match=r"the ending '\.data' tells no format; write `format: "):
        reader.read(["id"], path="people.data")
    assert reader.rows(["id"], path="people.data", format="csv") == [("1",)]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.parquet", "nonsense", r"p\.parquet: cannot be read as parquet: .*too small"),
        ("p.json", '[{"id": "1"', r"p\.json: cannot be read as json: Invalid Input Error: Malf"),
        ("p.jsonl", '{"id": 1}\n{"id": oops}\n', r"p\.jsonl: cannot be read as json: .*in line"),
        ("p.jsonl", '{"name": "Ann"}\n', r"p\.jsonl: has no column 'id'; it has 'name'"),
        ("p.json", "[]", r"p\.json: has no records; write one list of objects, or one object per"),
        ("p.json", " ", r"p\.json: has no records"),
    ],
)
def test_unreadable_parquet_and_json_are_errors_that_name_the_file(
    reader: Reader, name: str, content: str, told: str
) -> None:
    reader.put(name, content)
    with pytest.raises(InputError, match=told):
        reader.read(["id"], path=name)


def test_a_bad_duckdb_source_is_an_error_that_names_file_and_table(reader: Reader) -> None:
    with duckdb.connect(str(reader.folder / "people.duckdb")) as con:
        con.execute("create table people (id integer)")
    reader.put("text.duckdb", "hello " * 2_000)
    for database, table, told in (
        ("none.duckdb", "people", r"none\.duckdb: no such DuckDB file; correct `database`"),
        ("text.duckdb", "people", r"text\.duckdb, table people: .* not a valid DuckDB database"),
        ("people.duckdb", "person", r"table person: .*does not exist.*correct .*`table`"),
        ("people.duckdb", "people", r"people\.duckdb, table people: has no records"),
    ):
        with pytest.raises(InputError, match=told):
            reader.read(["id"], database=database, table=table)
    with pytest.raises(InputError, match="table people: has no column 'zip'; it has 'id'"):
        reader.read(["id", "zip"], database="people.duckdb", table="people")


def test_a_bad_query_is_an_error_that_names_the_database(reader: Reader) -> None:
    url = sqlite_url(reader.folder)
    for query, told in (
        ("select * from person", r"query on sqlite:.*: .*no such table: person"),
        ("select name from people", r"query on sqlite:.*: has no column 'id'; it has 'name'"),
        ("select * from people where 1 = 0", r"query on sqlite:.*: has no records"),
        ("delete from people where 1 = 0", r"query on sqlite:.*: .*does not return rows"),
    ):
        with pytest.raises(InputError, match=told):
            reader.read(["id"], url=url, query=query)


@pytest.mark.parametrize(
    "url",
    [
        "no url: hunter2",
        "nodialect://ann:hunter2@host/name",
        "oracle+cx_oracle://ann:hunter2@host/name",
        "postgresql://ann:x@host:hunter2/name",
        "sqlite:////no/such/folder/x.sqlite?password=hunter2",
        "sqlite://ann:hunter2@host/name",
    ],
)
@pytest.mark.filterwarnings("ignore:Query string argument")
def test_a_wrong_url_is_an_error_that_never_shows_the_password(reader: Reader, url: str) -> None:
    with pytest.raises(
        InputError, match=r"`url` is no usable SQLAlchemy URL|query on sqlite:"
    ) as e:
        reader.read(["id"], url=url, query="select 1 as id")
    assert "hunter2" not in str(e.value)


def test_the_origin_of_a_query_hides_the_password(reader: Reader) -> None:
    url = sqlite_url(reader.folder) + "?mode=hunter2"
    with pytest.warns(match="Query string argument"):
        raw = reader.read(["id"], url=url, query="select id from people")
    assert raw.origin == f"query on sqlite:///{reader.folder}/people.sqlite"
