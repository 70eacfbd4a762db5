"""Hostile oddities: what looks alike and is not, looks other and is alike, or is no table."""

import gzip
import io
import os
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from er_pipeline_tests.faults.hostile_files import (
    CLEAN,
    PLAIN,
    Content,
    Hostile,
    csv_text,
    wide,
    with_column,
)
from er_pipeline_tests.faults.hostile_tables import parquet

HEADER_LINE = PLAIN.partition("\n")[0]
# Words of SQL, and columns of our own.
WORDS = ("select", "order", "true", "rowid", "filename", "record_no", "source_no", "block_key", "1")


def oddities() -> Iterator[Hostile]:
    """Give inputs that are read right."""

    def of(name: str, content: str | bytes, source: Any = None, **more: Any) -> Hostile:
        return Hostile(name, {"p.csv": content}, source or {}, **more)

    yield of("no width, in values", PLAIN.replace("Ann Lark", "A\u200bnn\u200d Lark\ufeff"))
    yield of("no width, in the header", PLAIN.replace("name", "na\u200bme"))
    yield of(
        "blanks that break no line, in the header", PLAIN.replace(",name", ",\u00a0name\u00a0")
    )
    yield of("two marks", "\ufeff\ufeff" + PLAIN)
    yield of("letters in two signs", unicodedata.normalize("NFD", PLAIN))
    column = PLAIN.replace("name", unicodedata.normalize("NFD", "namé"))
    yield of("letters in two signs, in the header", column, {"columns": {"name": "namé"}})
    for name, ids in {
        "case": ("a1", "A1"),
        "blanks": ("1", " 1"),
        "signs of no width": ("1", "1\u200b"),
        "forms of a letter": ("\u00e9", "e\u0301"),
    }.items():
        rows = [(ids[0], "ann", "1"), (ids[1], "bob", "2")]
        text = "id,name,zip\n" + "".join(",".join(row) + "\n" for row in rows)
        yield of(f"ids that differ by {name}", text, rows=rows)
    yield of("one record", "id,name,zip\n1,Ann,1\n", rows=[("1", "ann", "1")])
    for word in WORDS:
        yield of(f"column {word}", PLAIN.replace("name", word), {"columns": {"name": word}})
    more = PLAIN
    for name in ("record_id", "record_no", "source", "source_no", "filename"):
        more = with_column(name, more)
    yield of("more columns, called as ours", more)
    yield of("100,000 columns", wide(PLAIN, 100_000))
    yield of("code in a value", PLAIN.replace("Ann", "{Ann} $1 %s"), rows=_named("ann 1 s lark"))
    yield of("the null of MySQL", "id,name,zip\n1,\\N,7\n", rows=[("1", None, "7")])
    days = "id,name,zip\n1,Ann,10000-01-01\n2,Bob,0000-00-00\n3,Cy,9999-12-30\n"
    kinds = {"fields": {"name": "text", "zip": "date"}}
    right = [("1", "ann", None), ("2", "bob", None), ("3", "cy", "9999-12-30")]
    yield of("days beyond the calendar", days, settings=kinds, rows=right)
    far = parquet(zip=pa.array([3_000_000, -800_000, 2**31 - 1], pa.date32()))
    none: list[tuple[str, str | None, str | None]] = [(i, name, None) for i, name, _ in CLEAN]
    yield Hostile("days beyond, parquet", {"p.parquet": far}, settings=kinds, rows=none)
    parts: dict[str, Content] = {"t/1.parquet": _no_groups, "t/2.parquet": parquet()}
    yield Hostile("a parquet part without row groups", parts, {"path": "t"})


def _named(first: str) -> list[tuple[str, str | None, str | None]]:
    return [("1", first, "10115"), *CLEAN[1:]]


def _no_groups(path: Path) -> None:
    pq.write_table(pa.table({"id": [], "name": [], "zip": []}).cast(_schema()), path)


def _schema() -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in ("id", "name", "zip")])


def odd_faults() -> Iterator[Hostile]:
    """Give inputs that are not to be read, each with what the error says."""
    rule = r"p\.csv:2: is a rule of dashes"
    for name, content, error in (
        ("a header in two cases", '"ID","Name","Zip"\n' + PLAIN, r"line 2: repeats the header"),
        ("the header twice", f"{HEADER_LINE}\n{PLAIN}", r"line 2: repeats the header"),
        ("psql", " id | name | zip\n----+------+----\n 1 | Ann | 7\n", rule),
        ("markdown", "| id | name | zip |\n|---|:---|---:|\n| 1 | Ann | 7 |\n", rule),
        ("sqlcmd", "id,name,zip\n--,----,---\n1,Ann,7\n", rule),
        ("a count below", PLAIN + "(3 rows)\n", r"line 5: has 1 cells, the header 3"),
        ("an id of a blank", "id,name,zip\n\u00a0,Ann,1\n", r"1 records have no id"),
        ("statements", "INSERT INTO t VALUES (1,'Ann','7');\n", r"has no column 'id'"),
        ("bytes of nothing at the end", PLAIN + "\0" * 4096, r"line 5: has 1 cells"),
        ("backslashes", PLAIN + '4,"C \\"y\\" x",1\n', r"line 5: a quote \" stands within"),
    ):
        yield Hostile(name, {"p.csv": content}, error=error)
    packed = gzip.compress(PLAIN.encode())
    for name, file, whole, error in (
        ("gzip in a zip", "p.zip", _zipped(packed), r"p\.zip: is an archive; unpack it"),
        ("zip as gzip", "p.csv.gz", _zipped(PLAIN.encode()), r"is not packed as its ending says"),
        ("zip in a gzip", "p.csv.gz", gzip.compress(_zipped(packed)), r"or a zip archive"),
        ("gzip in a gzip", "p.csv.gz", gzip.compress(packed), r"p\.csv\.gz: is packed twice"),
        ("gzip of nothing", "p.csv.gz", gzip.compress(b""), r"p\.csv\.gz: is empty"),
        ("gzip and more", "p.csv.gz", packed + b"more", r"p\.csv\.gz: cannot be unpacked"),
    ):
        yield Hostile(name, {file: whole}, error=error)
    yield Hostile("no row groups", {"p.parquet": _no_groups}, error=r"p\.parquet: has no records")
    for name, write in {
        "a pipe": os.mkfifo,
        "a link to itself": lambda path: path.symlink_to(path),
        "a broken link": lambda path: path.symlink_to("nowhere"),
    }.items():
        for path in ("p.csv", "*.csv"):
            error = r"p\.csv: is a pipe, a device or a broken link; correct `path`"
            yield Hostile(f"{name}, {path}", {"p.csv": write}, {"path": path}, error=error)
    device = {"path": "/dev/zero", "format": "csv"}
    yield Hostile("a device", {}, device, error=r"/dev/zero: is a pipe, a device")
    sources = [{"path": "a.csv"}, {"path": "b.csv"}]
    two: dict[str, Content] = {"a.csv": csv_text(), "b.csv": "id,name,zip\n"}
    empty = r"b\.csv: has no records"
    yield Hostile("an empty source of two", two, settings={"sources": sources}, error=empty)


def _zipped(content: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("p.csv", content)
    return whole.getvalue()
