"""Hostile files: the same three people written in many ways, and files that are not to be read.

An input gives its files, the settings of its source, and what is right: the three people, other
rows, or a sentence that names the place and the cure.
"""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PEOPLE = [("1", "Ann Lark", "10115"), ("2", "Zoë Müller", "90210"), ("3", "Bob O'Neil", "20095")]
HEADER = ("id", "name", "zip")


Content = bytes | str | Callable[[Path], object]


@dataclass(frozen=True)
class Hostile:
    """One input.

    files: by name below the dataset's folder, their content, or what writes them. source, settings:
    of the dataset. error: expression that the error matches; if empty, the records are right: these
    (id, name, zip), cleaned, or the three people if None. notes: how many assumptions are noted.
    """

    name: str
    files: Mapping[str, Content]
    source: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    rows: list[tuple[str, str | None, str | None]] | None = None
    notes: int = 0


def csv_text(delimiter: str = ",", end: str = "\n", quote: str = "") -> str:
    """Write the three people as csv."""
    lines = [HEADER, *PEOPLE]
    return "".join(delimiter.join(f"{quote}{c}{quote}" for c in line) + end for line in lines)


PLAIN = csv_text()


def csv_shapes() -> Iterator[Hostile]:
    """Give csv files that hold the three people, however they are written."""

    def of(name: str, content: str | bytes, notes: int = 0, **csv: Any) -> Hostile:
        return Hostile(f"csv {name}", {"p.csv": content}, {"csv": csv}, notes=notes)

    yield of("plain", PLAIN)
    for name, delimiter in (("semicolon", ";"), ("tab", "\t"), ("pipe", "|")):
        yield of(name, csv_text(delimiter))
    yield of("caret", csv_text("^"), delimiter="^")
    yield of("tab in words", csv_text("\t"), delimiter="tab")
    yield of("all quoted", csv_text(quote='"'))
    yield of("other quote", csv_text(quote="|"), quote="|")
    yield of("crlf", csv_text(end="\r\n"))
    yield of("cr", csv_text(end="\r"))
    yield of("mixed ends", csv_text(end="\r\n").replace("\r\n", "\n", 2))
    yield of("mixed ends, last", csv_text().removesuffix("\n") + "\r\n")
    yield of("no last end", PLAIN.rstrip())
    yield of("blank lines", PLAIN.replace("\n", "\n\n") + "\n\n")
    yield of("blank lines crlf", csv_text(end="\r\n\r\n"))
    yield of("lines of blanks", PLAIN.replace("\n2", "\n   \n2"))
    yield of("end of file sign", PLAIN + "\x1a")
    yield of("trailing delimiter", csv_text(end=",\n"))
    yield of("trailing delimiter below the header", csv_text(end=",\n").replace("zip,", "zip", 1))
    yield of("sep line", "sep=;\n" + csv_text(";"))
    yield of("sep line, tab", "SEP=\t\r\n" + csv_text("\t", "\r\n"))
    yield of("bom and sep line", "\ufeffsep=,\n" + PLAIN)
    yield of("title", "Customers\n" + PLAIN, notes=1)
    yield of("titles and blanks", "Customers,,\n2026-11-01,,\n,,\n\n" + PLAIN, notes=1)
    yield of("blank first lines", "\n\n" + PLAIN)
    yield of("header in capitals", PLAIN.replace("id,name,zip", "ID,NAME,ZIP"))
    yield of("blanks in the header", PLAIN.replace("id,name,zip", " id , name, zip "))
    yield of("header quoted", PLAIN.replace("id,name,zip", '"id","name","zip"'))
    yield of(
        "header over two lines",
        PLAIN.replace("zip\n", 'zip,"no\nmatter"\n').replace("5\n", "5,\n").replace("0\n", "0,\n"),
    )
    yield of("two columns alike, not wanted", with_column("more", with_column("MORE", PLAIN)))
    yield of("column in another case", with_column("Name", PLAIN))
    yield of("unnamed columns", with_column("", with_column("", PLAIN)))
    yield of("cell of two lines", PLAIN.replace("Ann Lark", '"Ann\nLark"'))
    yield of("cell of two lines crlf", PLAIN.replace("Ann Lark", '"Ann\r\nLark"'))
    yield of(
        "cell with lines that look like rows", with_column("note", PLAIN, '"a\n4,b,5,c\nx"'), 1
    )
    yield of("cell of 400 lines", with_column("note", PLAIN, '"' + "a\n" * 400 + '"'))
    yield of("cell of a megabyte", with_column("note", PLAIN, "x" * 1_000_000))
    yield of("doubled quotes", PLAIN.replace("Ann Lark", '"Ann ""Lark"""'))
    yield of("inches", with_column("size", PLAIN, "5' 10\""))
    yield of("no quotes", with_column("size", PLAIN, '"5'), quote="none")
    yield of("no quotes, null", with_column("size", PLAIN, '"5'), quote=None)
    yield of("nul in a cell", with_column("note", PLAIN, "a\x00b"))
    yield of("form feed", with_column("note", PLAIN, "a\x0cb\x1cc\u2028d"))
    yield of("carriage return in a cell", with_column("note", PLAIN, "a\rb"))
    yield of("2,000 columns", wide(PLAIN, 2_000))


def with_column(name: str, text: str, cell: str = "x") -> str:
    """Add a column at the end of a csv text without quotes."""
    first, *rest = text.rstrip("\n").split("\n")
    if cell.startswith('"') and "\n" in "".join(rest).replace("\r", ""):
        raise ValueError("cells of several lines must come last")
    return "\n".join([f"{first},{name}", *(f"{line},{cell}" for line in rest)]) + "\n"


def wide(text: str, n: int) -> str:
    """Add n columns to a csv text."""
    first, *rest = text.rstrip("\n").split("\n")
    names = ",".join(f"c{i}" for i in range(n))
    return "\n".join([f"{first},{names}", *(line + ",x" * n for line in rest)]) + "\n"


def encodings() -> Iterator[Hostile]:
    """Give the three people in many encodings, packed and not."""

    def of(name: str, file: str, content: bytes, **csv: Any) -> Hostile:
        return Hostile(name, {file: content}, {"csv": csv})

    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        yield of(f"{encoding} undeclared", "p.csv", PLAIN.encode(encoding))
    yield of("utf-16-be with its mark", "p.csv", b"\xfe\xff" + PLAIN.encode("utf-16-be"))
    for encoding in ("latin-1", "windows-1252", "iso-8859-15", "cp850", "mac_roman", "utf-16"):
        yield of(f"{encoding} declared", "p.csv", PLAIN.encode(encoding), encoding=encoding)
    yield of(
        "utf-8 with mark, declared latin-1", "p.csv", PLAIN.encode("utf-8-sig"), encoding="latin-1"
    )
    for name, content in (
        ("p.csv.gz", gzip.compress(PLAIN.encode())),
        ("p.csv.bz2", bz2.compress(PLAIN.encode())),
        ("p.csv.xz", lzma.compress(PLAIN.encode())),
        ("p.csv", gzip.compress(PLAIN.encode())),
        ("P.CSV.GZ", gzip.compress(PLAIN.encode("utf-16"))),
        ("p.tsv.gz", gzip.compress(csv_text("\t").encode())),
    ):
        yield of(f"packed {name}", name, content)
    yield of(
        "gzip in two pieces",
        "p.csv.gz",
        gzip.compress(PLAIN[:20].encode()) + gzip.compress(PLAIN[20:].encode()),
    )
    quotes = "id,name,zip\n1,Ann Lark ’Š€–,10115\n".encode("cp1252")
    yield Hostile(
        "signs of Windows in latin-1",
        {"p.csv": quotes},
        {"csv": {"encoding": "latin-1"}},
        rows=[("1", "ann lark seur", "10115")],
    )


def json_shapes() -> Iterator[Hostile]:
    """Give json files that hold the three people."""
    people = [dict(zip(HEADER, person, strict=True)) for person in PEOPLE]
    lines = "".join(json.dumps(person, ensure_ascii=False) + "\n" for person in people)
    columns = {n: {str(i): p[n] for i, p in enumerate(people)} for n in HEADER}
    numbers = [{"id": float(p["id"]), "name": p["name"], "zip": float(p["zip"])} for p in people]
    lists = [{**p, "name": p["name"].split()} for p in people]
    shapes: tuple[tuple[str, str, Content], ...] = (
        ("list", "p.json", json.dumps(people)),
        ("list over lines", "p.json", json.dumps(people, indent=2)),
        ("lines", "p.jsonl", lines),
        ("lines in .json", "p.json", lines),
        ("lines crlf and blank", "p.ndjson", lines.replace("\n", "\r\n\r\n")),
        ("objects over lines", "p.json", "\n".join(json.dumps(p, indent=1) for p in people)),
        ("bom", "p.json", "\ufeff" + json.dumps(people)),
        ("bom lines", "p.jsonl", "\ufeff" + lines),
        ("utf-16", "p.json", json.dumps(people, ensure_ascii=False).encode("utf-16")),
        ("utf-16 unmarked", "p.json", json.dumps(people, ensure_ascii=False).encode("utf-16-le")),
        ("gzip", "p.json.gz", gzip.compress(json.dumps(people).encode())),
        ("bz2", "p.jsonl.bz2", bz2.compress(lines.encode())),
        ("of columns, as pandas", "p.json", json.dumps(columns)),
        (
            "keys in other cases",
            "p.jsonl",
            lines.replace('"name": "Z', '"NAME": "Z').replace('{"id": "3', '{"Id": "3'),
        ),
        (
            "keys in another order",
            "p.json",
            json.dumps([dict(reversed(p.items())) for p in people]),
        ),
        ("whole numbers as floats", "p.json", json.dumps(numbers)),
        ("escaped", "p.json", json.dumps(people, ensure_ascii=True)),
        ("more keys, nested", "p.json", json.dumps([{**p, "more": {"a": [1]}} for p in people])),
    )
    for name, file, content in shapes:
        yield Hostile(f"json {name}", {file: content})
    yield Hostile("json names in lists", {"p.json": json.dumps(lists)}, notes=1)
    late = "".join(json.dumps({"id": f"{i}"}) + "\n" for i in range(4, 25_000)) + lines
    rows = [(str(i), None, None) for i in range(4, 25_000)]
    yield Hostile("json keys that begin late", {"p.jsonl": late}, rows=[*rows, *CLEAN])
    holes = [
        {"id": 1, "name": None, "zip": float("nan")},
        {"id": 2},
        {"id": 3, "name": [], "zip": ""},
    ]
    yield Hostile(
        "json null, NaN, lacking, empty",
        {"p.json": json.dumps(holes)},
        rows=[(str(i), None, None) for i in (1, 2, 3)],
    )
    big = '[{"id": 123456789012345678901234567890, "name": "Ann", "zip": 1e3}]'
    yield Hostile(
        "json large numbers",
        {"p.json": big},
        rows=[("123456789012345678901234567890", "ann", "1000")],
    )


CLEAN: list[tuple[str, str | None, str | None]] = [
    ("1", "ann lark", "10115"),
    ("2", "zoe muller", "90210"),
    ("3", "bob oneil", "20095"),
]


def many_files() -> Iterator[Hostile]:
    """Give the three people in several files, and in files with odd names."""
    lines = PLAIN.splitlines(keepends=True)
    parts: dict[str, Content] = {
        f"t/part-{i}.csv": lines[0] + line for i, line in enumerate(lines[1:])
    }
    spark = {**parts, "t/_SUCCESS": "", "t/.part-0.csv.crc": b"\x00crc"}
    yield Hostile("parts", parts, {"path": "t/*.csv"})
    yield Hostile("a folder", parts, {"path": "t"})
    yield Hostile("a folder of Spark", spark, {"path": "t"})
    yield Hostile(
        "a glob over folders",
        {f"{i}/{n}": c for i, (n, c) in enumerate(parts.items())},
        {"path": "**/part-*.csv"},
    )
    yield Hostile("one part is empty", {**parts, "t/part-9.csv": ""}, {"path": "t/*.csv"}, notes=1)
    yield Hostile(
        "parts in other order",
        {**parts, "t/part-0.csv": "zip;ID;name\n10115;1;Ann Lark\n"},
        {"path": "t"},
    )
    yield Hostile(
        "parts of other encodings",
        {**parts, "t/part-0.csv": (lines[0] + lines[1]).encode("utf-16")},
        {"path": "t"},
    )
    yield Hostile(
        "parts of other formats",
        {
            "t/1.json": '{"id": 1, "name": "Ann Lark", "zip": 10115}',
            "t/2.csv": lines[0] + lines[2],
            "t/3.tsv.gz": gzip.compress((lines[0] + lines[3]).replace(",", "\t").encode()),
        },
        {"path": "t"},
    )
    folders = {f"t/zip={p[2]}/p.csv": f"id,name\n{p[0]},{p[1]}\n" for p in PEOPLE}
    yield Hostile("folders that say a column", folders, {"path": "t"})
    yield Hostile("folders that say a column, glob", folders, {"path": "t/*/*.csv"})
    many = {f"t/{i:04}.csv": f"id,name,zip\n{i},x,{i}\n" for i in range(300)}
    yield Hostile(
        "300 parts",
        many,
        {"path": "t"},
        rows=[(str(i), "x", str(i) if i else None) for i in range(300)],
    )
    lacking = {**parts, "t/part-9.csv": "id,name\n4,Cy\n"}
    yield Hostile(
        "a part without a column", lacking, {"path": "t"}, rows=[*CLEAN, ("4", "cy", None)], notes=1
    )
    without_id = {**parts, "t/part-9.csv": "name,zip\nCy,1\n"}
    yield Hostile(
        "a part without ids", without_id, {"path": "t"}, error=r"part-9\.csv: has no column 'id'"
    )
    torn = {**parts, "t/part-1.csv": "id,name,zip\n9,x\n"}
    yield Hostile(
        "a part with a short row", torn, {"path": "t"}, error=r"line 2: part-1\.csv: has 2 cells"
    )
    for name in (
        "p[1].csv",
        "p*.csv",
        "p?.csv",
        "it's.csv",
        'q"uote.csv',
        "ü ñ.csv",
        "a,b;c.csv",
        "-p.csv",
        "p;drop.csv",
    ):
        yield Hostile(f"file {name}", {name: PLAIN}, {"path": name, "name": "people"})
    yield Hostile("folder [a]", {"[a]/p.csv": PLAIN}, {"path": "[a]/p.csv"})
    yield Hostile("folder name=2026", {"name=2026/p.csv": PLAIN}, {"path": "name=2026/p.csv"})
    yield Hostile("ending in capitals", {"P.CSV": PLAIN}, {"path": "P.CSV"})
    yield Hostile("text ending", {"p.txt": csv_text("|")}, {"path": "p.txt"})
    yield Hostile("format declared", {"p.dat": PLAIN}, {"path": "p.dat", "format": "csv"})
    zeros = "id,name,zip\n007,Ann,01234\n1.0,Bob,10115.50\n1e5,Cy,\n"
    yield Hostile(
        "ids as written",
        {"p.csv": zeros},
        rows=[("007", "ann", "01234"), ("1.0", "bob", "1011550"), ("1e5", "cy", None)],
    )
