import gzip
from pathlib import Path

import duckdb
import pytest

from er_pipeline.blocking.records.table_look import TableLook, look_at
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError

ROWS = "id;name;city\n1;Ann;Rome\n2;Bob;\n3;Ann;Bonn\n"


def look(engine: Engine, folder: Path, name: str, content: bytes) -> TableLook:
    file = folder / name
    file.write_bytes(content)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return look_at(engine, file, "looked", scratch)


def test_columns_are_counted(engine: Engine, tmp_path: Path) -> None:
    seen = look(engine, tmp_path, "a.csv", ROWS.encode())
    assert seen.n_rows == 3
    assert seen.csv == {}
    assert [(c.name, c.filled, c.distinct) for c in seen.columns] == [
        ("id", 3, 3),
        ("name", 3, 2),
        ("city", 2, 2),
    ]
    assert seen.columns[0].is_unique
    assert set(seen.columns[1].sample) == {"Ann", "Bob"}


def test_a_placeholder_is_no_example_of_a_column(engine: Engine, tmp_path: Path) -> None:
    seen = look(engine, tmp_path, "a.csv", b"id,name\n1,Ann\n2,unknown\n")
    assert seen.columns[1].sample == ["Ann"]


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("a.csv", ROWS.replace("Ann", "Zoë").encode(), set()),
        ("a.csv", ROWS.replace("Ann", "Zoë").encode("utf-8-sig"), set()),
        ("a.csv", ROWS.replace("Ann", "Zoë").encode("utf-16"), set()),
        ("a.csv", ROWS.replace("Ann", "Zoë").encode("latin-1"), {"encoding"}),
        ("a.csv.gz", gzip.compress(ROWS.encode(), mtime=0), set()),
        ("a.tsv", b"id, or no\tname\n1\ta\n2\tb\n3\tc\n", set()),
        ("a.csv", b"id;a, b, c\n1;x\n2;y\n3;z\n", set()),
        ("a.tsv", b'id\tname\n1\t"Ann\n2\tBob\n3\tCy"\n', {"quote"}),
        ("a.csv", b"Customers, 2026\n\nid;name\n1;a\n2;b\n3;c\n", set()),
    ],
)
def test_what_a_csv_file_needs_is_found(
    engine: Engine, tmp_path: Path, name: str, content: bytes, settings: set[str]
) -> None:
    seen = look(engine, tmp_path, name, content)
    assert set(seen.csv) == settings
    assert seen.n_rows == 3
    assert len(seen.columns) >= 2


def test_parquet_and_json_are_looked_at(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    with duckdb.connect() as con:
        con.execute(f"copy (select 1 as id, 'Ann' as name) to '{file}'")
    assert [c.name for c in look_at(engine, file, "p", tmp_path).columns] == ["id", "name"]
    seen = look(engine, tmp_path, "a.jsonl", b'{"id": 1, "name": "Ann"}\n{"id": 2, "name": "B"}\n')
    assert [c.name for c in seen.columns] == ["id", "name"]


@pytest.mark.parametrize(("name", "content"), [("a.xlsx", b"PK"), ("a.csv", b"")])
def test_what_is_no_table_is_refused(
    engine: Engine, tmp_path: Path, name: str, content: bytes
) -> None:
    with pytest.raises(InputError, match=name):
        look(engine, tmp_path, name, content)


def test_a_column_that_cannot_be_read_is_left_out_with_the_reason(
    engine: Engine, tmp_path: Path
) -> None:
    record = b'{"id": 1, "name": "Ann", "more": {"city": "Rome"}}\n'
    seen = look(engine, tmp_path, "a.jsonl", 2 * record)
    assert [c.name for c in seen.columns] == ["id", "name"]
    assert list(seen.unreadable) == ["more"]
    assert "holds an object" in seen.unreadable["more"]


def test_rows_that_cannot_be_read_are_counted(engine: Engine, tmp_path: Path) -> None:
    seen = look(engine, tmp_path, "a.csv", b"id,name\n1,Ann\n2,Bob,x\n3,Cy\n")
    assert (seen.n_rows, seen.n_rejects) == (2, 1)
    assert seen.first_reject.startswith("line 3: ")


def test_a_missing_file_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        look_at(engine, tmp_path / "nobody.csv", "looked", tmp_path)
