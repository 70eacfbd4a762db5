"""Hostile tables: the three people in parquet, DuckDB and SQLite, with the types others write."""

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from er_pipeline_tests.faults.hostile_files import HEADER, PEOPLE, PLAIN, Hostile

IDS, NAMES, ZIPS = ([person[i] for person in PEOPLE] for i in range(3))


def parquet(**columns: Any) -> Callable[[Path], object]:
    """Write the three people as parquet, some columns otherwise: an array each."""
    table = {"id": pa.array(IDS), "name": pa.array(NAMES), "zip": pa.array(ZIPS), **columns}
    return lambda path: pq.write_table(pa.table(table), path)


def of_duckdb(*statements: str) -> Callable[[Path], object]:
    """Write a DuckDB file by statements on the table people (id, name, zip)."""

    def write(path: Path) -> None:
        with duckdb.connect(str(path)) as con:
            con.execute("create table people (id varchar, name varchar, zip varchar)")
            con.executemany("insert into people values (?, ?, ?)", PEOPLE)
            for statement in statements:
                con.execute(statement)

    return write


def parquet_types() -> Iterator[Hostile]:
    """Give parquet files whose types say the same."""
    numbers = [int(z) for z in ZIPS]
    whole = [int(i) for i in IDS]
    for name, columns in (
        ("text", {}),
        ("integers", {"id": pa.array(whole), "zip": pa.array(numbers, pa.int32())}),
        ("unsigned", {"id": pa.array(whole, pa.uint8()), "zip": pa.array(numbers, pa.uint64())}),
        ("floats", {"id": pa.array([1.0, 2.0, 3.0]), "zip": pa.array(numbers, pa.float64())}),
        ("single floats", {"zip": pa.array(numbers, pa.float32())}),
        ("decimals", {"zip": pa.array([Decimal(f"{n}.00") for n in numbers])}),
        ("decimals of 38", {"zip": pa.array([Decimal(n) for n in numbers], pa.decimal128(38, 10))}),
        (
            "bytes",
            {
                "id": pa.array([i.encode() for i in IDS]),
                "name": pa.array([n.encode() for n in NAMES]),
            },
        ),
        ("bytes of fixed length", {"zip": pa.array([z.encode() for z in ZIPS], pa.binary(5))}),
        (
            "bytes filled with nul",
            {"zip": pa.array([z.encode() + b"\0\0" for z in ZIPS], pa.binary(7))},
        ),
        ("large text", {"name": pa.array(NAMES, pa.large_string())}),
        ("large bytes", {"name": pa.array([n.encode() for n in NAMES], pa.large_binary())}),
        ("categories", {"name": pa.array(NAMES).dictionary_encode()}),
        ("lists of one", {"name": pa.array([[n] for n in NAMES])}),
        ("lists of numbers", {"zip": pa.array([[n] for n in numbers])}),
        ("other columns nested", {"more": pa.array([{"a": 1}] * 3)}),
        ("a column in another case", {"NAME": pa.array(["x"] * 3)}),
    ):
        yield Hostile(f"parquet {name}", {"p.parquet": parquet(**columns)})
    two = pa.array([["Ann", "Lark"], ["Zoë", None, "Müller"], ["Bob", "O'Neil"]])
    yield Hostile("parquet names in lists", {"p.parquet": parquet(name=two)}, notes=1)
    nothing = pa.array([float("nan"), None, float("inf")])
    yield Hostile(
        "parquet NaN and infinity",
        {"p.parquet": parquet(zip=nothing)},
        rows=[
            (p[0], n, None)
            for p, n in zip(PEOPLE, ("ann lark", "zoe muller", "bob oneil"), strict=True)
        ],
    )
    born = [dt.datetime(1980, 3, 12, tzinfo=dt.UTC)] * 3
    for unit in ("s", "ms", "us", "ns"):
        yield Hostile(
            f"parquet instants in {unit}",
            {"p.parquet": parquet(zip=pa.array(born, pa.timestamp(unit, "America/New_York")))},
            settings={"fields": {"name": "text", "zip": "date"}},
            rows=[
                (p[0], n, "1980-03-12")
                for p, n in zip(PEOPLE, ("ann lark", "zoe muller", "bob oneil"), strict=True)
            ],
        )
    for name, column, error in (
        ("structs", [{"first": n} for n in NAMES], r"column 'name' holds objects .STRUCT"),
        ("lists of structs", [[{"first": n}] for n in NAMES], r"column 'name' holds objects"),
        (
            "bytes that are no text",
            [b"Ann", b"Zo\xeb", b"Bob"],
            r"column 'name' of record 2 holds bytes that are no UTF-8 text, 0x5A6FEB",
        ),
    ):
        yield Hostile(f"parquet {name}", {"p.parquet": parquet(name=pa.array(column))}, error=error)
    pairs = pa.array([[("first", n)] for n in NAMES], pa.map_(pa.string(), pa.string()))
    yield Hostile("parquet maps", {"p.parquet": parquet(name=pairs)}, error=r"holds objects .MAP")
    yield Hostile(
        "parquet torn", {"p.parquet": torn(0.6)}, error=r"p\.parquet: cannot be read as parquet"
    )
    yield Hostile(
        "parquet without rows", {"p.parquet": rows_of(0)}, error=r"p\.parquet: has no records"
    )
    yield Hostile("parquet columns twice", {"p.parquet": twice}, error=r"stands more than once")


def torn(share: float) -> Callable[[Path], object]:
    """Write the first share of a parquet file."""

    def write(path: Path) -> None:
        parquet()(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return write


def rows_of(n: int) -> Callable[[Path], object]:
    """Write the first n people."""
    return lambda path: pq.write_table(
        pa.table(
            {
                name: pa.array([p[i] for p in PEOPLE][:n], pa.string())
                for i, name in enumerate(HEADER)
            }
        ),
        path,
    )


def twice(path: Path) -> None:
    """Write a column twice under one name."""
    arrays = [pa.array(IDS), pa.array(NAMES), pa.array(NAMES), pa.array(ZIPS)]
    pq.write_table(pa.Table.from_arrays(arrays, names=["id", "name", "name", "zip"]), path)


def part(i: int, **columns: Sequence[Any]) -> Callable[[Path], object]:
    """Write one person as parquet, some columns otherwise."""
    person = dict(zip(HEADER, PEOPLE[i], strict=True))
    table = {name: [value] for name, value in person.items()} | columns
    return lambda path: pq.write_table(pa.table(table), path)


def without_zip(person: Sequence[str]) -> Callable[[Path], object]:
    """Write one person as parquet, whose zip the folder's name says."""
    table = {"id": [person[0]], "name": [person[1]]}
    return lambda path: pq.write_table(pa.table(table), path)


def parquet_parts() -> Iterator[Hostile]:
    """Give the three people in parquet files of different types, columns and order."""
    text = {f"t/{i}.parquet": part(i) for i in range(3)}
    for name, first in (
        ("integers first", part(0, id=[1], zip=[10115])),
        ("floats first", part(0, id=[1.0], zip=[10115.0])),
        ("bytes first", part(0, name=[b"Ann Lark"])),
        (
            "another order",
            lambda p: pq.write_table(
                pa.table({"zip": ["10115"], "NAME": ["Ann Lark"], "Id": [1]}), p
            ),
        ),
        ("more columns", part(0, more=[{"a": 1}])),
    ):
        yield Hostile(
            f"parquet parts, {name}", {**text, "t/0.parquet": first}, {"path": "t/*.parquet"}
        )
    written = {
        "t/0.parquet": part(0, id=[7], zip=[12345]),
        "t/1.parquet": part(1, id=["007"], zip=["01234"]),
        "t/2.parquet": part(2, id=["A7"]),
    }
    yield Hostile(
        "parquet parts, ids as written",
        written,
        {"path": "t"},
        rows=[
            ("007", "zoe muller", "01234"),
            ("7", "ann lark", "12345"),
            ("A7", "bob oneil", "20095"),
        ],
    )
    folders = {f"t/zip={p[2]}/p.parquet": without_zip(p) for p in PEOPLE}
    yield Hostile("parquet folders that say a column", folders, {"path": "t"})


def databases() -> Iterator[Hostile]:
    """Give the three people in DuckDB and SQLite files."""
    source = {"path": None, "database": "p.duckdb", "table": "people"}
    for name, statements in (
        ("text", []),
        ("bytes", ["alter table people alter name type blob using encode(name)"]),
        ("doubles", ["alter table people alter zip type double"]),
        ("lists", ["alter table people alter name type varchar[] using [name]"]),
        ("json", ["alter table people alter name type json using to_json(name)"]),
        (
            "enum",
            [
                "create type n as enum (select name from people)",
                "alter table people alter name type n",
            ],
        ),
    ):
        yield Hostile(f"duckdb {name}", {"p.duckdb": of_duckdb(*statements)}, source)
    for name, statements, error in (
        (
            "structs",
            ["alter table people alter name type struct(a varchar) using {a: name}"],
            r"table people: column 'name' holds objects",
        ),
        (
            "maps",
            ["alter table people alter name type map(varchar, varchar) using map {'a': name}"],
            r"holds objects",
        ),
        (
            "json objects",
            ["alter table people alter name type json using to_json({a: name})"],
            r"of record 1 holds an object",
        ),
        (
            "bytes that are no text",
            [r"alter table people alter name type blob using '\xE9'::blob"],
            r"holds bytes that are no UTF-8 text",
        ),
        (
            "no table",
            ["drop table people"],
            r"table people: cannot be read: .*correct `database` or `table`",
        ),
        (
            "a broken view",
            [
                "create table o as from people",
                "drop table people",
                "create view people as from o",
                "drop table o",
            ],
            r"table people: cannot be read",
        ),
    ):
        yield Hostile(f"duckdb {name}", {"p.duckdb": of_duckdb(*statements)}, source, error=error)
    yield Hostile(
        "duckdb as path", {"p.db": PLAIN}, {"path": "p.db"}, error=r"is a database; write `url"
    )
    yield Hostile(
        "duckdb that is csv",
        {"p.duckdb": PLAIN * 400},
        source,
        error=r"p\.duckdb, table people: cannot be read",
    )
    yield Hostile("duckdb that is not there", {}, source, error=r"p\.duckdb: no such DuckDB file")
    url = {"path": None, "url": "sqlite:///{folder}/p.sqlite", "query": "select * from people"}
    for name, types, values in (
        ("text", "id text, name text, zip text", PEOPLE),
        ("reals", "id real, name text, zip real", [(float(i), n, float(z)) for i, n, z in PEOPLE]),
        ("bytes", "id blob, name blob, zip blob", [tuple(v.encode() for v in p) for p in PEOPLE]),
    ):
        yield Hostile(f"sqlite {name}", {"p.sqlite": of_sqlite(types, values)}, url)
    yield Hostile(
        "sqlite bytes that are no text",
        {"p.sqlite": of_sqlite("id, name, zip", [("1", b"Zo\xeb", "1")])},
        url,
        error=r"column 'name' of row 1 holds bytes that are no UTF-8 text",
    )


def of_sqlite(types: str, values: Sequence[Sequence[Any]]) -> Callable[[Path], object]:
    """Write a SQLite file with a table people."""

    def write(path: Path) -> None:
        con = sqlite3.connect(path)
        con.execute(f"create table people ({types})")
        con.executemany("insert into people values (?, ?, ?)", values)
        con.commit()
        con.close()

    return write
