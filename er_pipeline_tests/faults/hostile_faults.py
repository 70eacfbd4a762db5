"""Hostile faults: files that are not to be read, each with the sentence that says why."""

import gzip
from collections.abc import Iterator
from typing import Any

from er_pipeline_tests.faults.hostile_files import PLAIN, Hostile, csv_text, with_column


def faults() -> Iterator[Hostile]:
    """Give files that are not to be read, each with what the error says."""

    def of(name: str, file: str, content: str | bytes, error: str, **source: Any) -> Hostile:
        return Hostile(name, {file: content}, source, error=error)

    for name, file, content, error in (
        ("empty", "p.csv", "", r"p\.csv: is empty; a header line"),
        ("line ends only", "p.csv", "\n\n\n", r"p\.csv:1: has no header line"),
        ("header only", "p.csv", "id,name,zip\n", r"p\.csv: has no records"),
        ("no header", "p.csv", PLAIN.partition("\n")[2], r"has no column 'id', 'name', 'zip'"),
        ("a short row", "p.csv", PLAIN + "4,Cy\n", r"line 5: has 2 cells, the header 3"),
        ("a long row", "p.csv", PLAIN + "4,Cy,1,2\n", r"line 5: has 4 cells.*quote cells"),
        (
            "a second header",
            "p.csv",
            PLAIN + "id,name,zip\n",
            r"line 5: repeats the header",
        ),
        (
            "an open quote",
            "p.csv",
            PLAIN + '4,"Cy,1\n5,Di,2\n',
            r"line 5: its quote \" is opened and never",
        ),
        ("a stray quote", "p.csv", PLAIN + '4,"C"y,1\n', r"line 5: a quote \" stands within"),
        ("latin-1", "p.csv", PLAIN.encode("latin-1"), r"line 3: byte 0xEB .*windows-1252"),
        (
            "one row of latin-1",
            "p.csv",
            PLAIN.encode() + b"4,Jos\xe9,1\n",
            r"line 5: byte 0xE9 after '4,Jos'",
        ),
        ("half a sign at the end", "p.csv", PLAIN.encode() + b"4,Jos\xc3", r"line 5: "),
        (
            "a byte Windows does not know",
            "p.csv",
            b"id,name,zip\n1,a\x81,1\n",
            r"line 2: byte 0x81",
        ),
        ("binary", "p.csv", bytes(range(256)) * 40, r"p\.csv:\d+: |p\.csv: has no column"),
        (
            "two columns alike",
            "p.csv",
            with_column("name", PLAIN),
            r"'name', 'name' stands more than once",
        ),
        ("no id column", "p.csv", PLAIN.replace("id", "no"), r"has no column 'id'; it has 'no'"),
        (
            "a misspelt column",
            "p.csv",
            PLAIN.replace("name", "nmae"),
            r"Did you mean 'nmae' for 'name'",
        ),
        ("ids twice", "p.csv", PLAIN + "1,Cy,1\n", r"ids stand more than once in column 'id': '1'"),
        (
            "no id",
            "p.csv",
            PLAIN + ",Cy,1\n",
            r"records have no id in column 'id' .first: record 4",
        ),
        ("rows of nothing", "p.csv", PLAIN + ",,\n,,\n", r"2 records have no id"),
        ("wrong delimiter", "p.csv", csv_text("^"), r"Is it one column only"),
        (
            "a line of 5 MB",
            "p.csv",
            PLAIN + f"4,{'x' * 5_000_000},1\n",
            r"line 5: the line is longer than 4,000,000",
        ),
        ("workbook", "p.xlsx", b"PK\x03\x04", r"p\.xlsx: is a workbook; save its sheet as CSV"),
        (
            "workbook as csv",
            "p.csv",
            b"PK\x03\x04\x14\x00",
            r"p\.csv: is an Excel workbook or a zip",
        ),
        ("old workbook as csv", "p.csv", b"\xd0\xcf\x11\xe0\xa1\xb1", r"is an old Excel workbook"),
        ("web page as csv", "p.csv", "<!DOCTYPE html><table>", r"is HTML or XML; export"),
        ("pdf as csv", "p.csv", "%PDF-1.7", r"is a PDF; export the table as csv"),
        ("parquet as csv", "p.csv", b"PAR1", r"is parquet; write `format: parquet`"),
        ("sqlite as csv", "p.csv", b"SQLite format 3\x00", r"is a SQLite database; write `url"),
        ("archive", "p.zip", b"PK\x03\x04", r"is an archive; unpack it"),
        ("pickle", "p.pkl", b"\x80\x04", r"is in a format that is not read; write it as parquet"),
        ("no ending", "people", PLAIN, r"the ending '' names no format; write `format: csv`"),
        ("git-lfs", "p.csv", "version https://git-lfs.github.com/spec/v1\n", r"git lfs pull"),
        (
            "torn gzip",
            "p.csv.gz",
            gzip.compress(PLAIN.encode() * 9)[:-20],
            r"p\.csv\.gz: cannot be unpacked",
        ),
        (
            "damaged gzip",
            "p.csv.gz",
            gzip.compress(PLAIN.encode())[:15] + b"xxxxxx" * 9,
            r"cannot be unpacked",
        ),
        ("not gzip", "p.csv.gz", PLAIN, r"is not packed as its ending says"),
        ("no parquet", "p.parquet", PLAIN, r"p\.parquet: cannot be read as parquet"),
        ("json torn", "p.json", '[{"id": 1,\n "name"', r"p\.json:2: cannot be read as json"),
        (
            "json line torn",
            "p.jsonl",
            '{"id": 1}\n\n{"id": 2, "name"\n',
            r"p\.jsonl:3: cannot be read as json",
        ),
        (
            "json latin-1",
            "p.jsonl",
            '{"id": "1", "name": "Zoë"}\n'.encode("latin-1"),
            r"p\.jsonl:1: .*0xEB is not UTF-8",
        ),
        (
            "json objects",
            "p.json",
            '[{"id": 1, "name": {"first": "Ann"}, "zip": 1}]',
            r"column 'name' of record 1 holds an object",
        ),
        (
            "json lists of objects",
            "p.json",
            '[{"id": 1, "name": [{"first": "Ann"}], "zip": 1}]',
            r"holds an object",
        ),
        ("json numbers", "p.json", "[1, 2]", r"has no records; it has U?BIGINT values"),
        ("json one number", "p.json", "5", r"has no records"),
        ("json empty list", "p.json", "[]", r"has no records"),
        (
            "json wrapped",
            "p.json",
            '{"data": [{"id": 1}]}',
            r"is one object, of 'data', and no list of records",
        ),
        (
            "json by row, as pandas",
            "p.json",
            '{"0": {"id": 1}, "1": {"id": 2}}',
            r"is one object, of '0', '1'.*orient='records'",
        ),
        (
            "json split, as pandas",
            "p.json",
            '{"columns": ["id"], "index": [0], "data": [[1]]}',
            r"is one object, of 'columns'",
        ),
        ("json deep", "p.json", "[" * 200_000, r"p\.json: cannot be read as json|p\.json:1:"),
        (
            "json without a key",
            "p.json",
            '[{"id": 1, "nmae": "a", "zip": 1}]',
            r"Did you mean 'nmae' for 'name'",
        ),
        ("csv as json", "p.json", PLAIN, r"p\.json:1: cannot be read as json"),
    ):
        source = {"csv": {"encoding": "windows-1252"}} if "Windows" in name else {}
        yield of(name, file, content, error, **source)
    yield Hostile(
        "no such file", {}, {"path": "p.csv"}, error=r"p\.csv: no such file; correct `path`"
    )
    yield Hostile("no such glob", {}, {"path": "*.tsv"}, error=r"no such file; correct `path`")
    yield Hostile("no such folder", {}, {"path": "parts/"}, error=r"no such file; correct `path`")
    yield Hostile(
        "empty folder", {"parts/_SUCCESS": ""}, {"path": "parts"}, error=r"parts: has no files"
    )
    yield Hostile(
        "a torn Delta table",
        {"t/_delta_log/0.json": "{}", "t/p.parquet": "x"},
        {"path": "t"},
        error=r"t: cannot be read: .*; correct `path` or `format`",
    )
    yield Hostile(
        "all parts empty",
        {"t/1.csv": "", "t/2.csv": ""},
        {"path": "t"},
        error="all 2 files are empty",
    )
