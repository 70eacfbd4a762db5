"""Hostile sizes: files that are long, wide or deep, and that hide what they lose."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

from er_pipeline_tests.faults.hostile_files import PLAIN, Hostile

ROWS = 800_000


def people_with_quotes(*places: tuple[int, str]) -> Callable[[Path], object]:
    """Write many rows, with quotes in the names of some."""

    def write(path: Path) -> None:
        names = dict(places)
        with path.open("w") as file:
            file.write("id,name,zip\n")
            file.writelines(f"{i},{names.get(i, 'Ann')},z{i}\n" for i in range(ROWS))

    return write


def repeated(content: bytes, times: int, end: bytes = b"") -> Callable[[Path], object]:
    """Write a header and a content many times, packed where the file is."""

    def write(path: Path) -> None:
        with gzip.open(path, "wb", 1) if path.suffix == ".gz" else path.open("wb") as file:
            file.write(PLAIN.encode() + b"4,")
            for _ in range(times):
                file.write(content)
            file.write(end)

    return write


def sizes() -> Iterator[Hostile]:
    """Give files of some 10 to 100 MB."""
    allowed = {"cleaning": {"max_reject_rate": 0.01}}
    far = people_with_quotes((300_000, '"Ann'), (700_000, 'A"nn'))
    yield Hostile(
        "two stray quotes far apart",
        {"p.csv": far},
        error=r"line 300002: its quote is not closed within 500 lines",
    )
    closed = people_with_quotes((300_000, '"Ann'), (700_000, 'Ann"'))
    yield Hostile(
        "two quotes that fit each other, far apart",
        {"p.csv": closed},
        error=r"line 300002: its quote is not closed",
    )
    rows = [(str(i), "ann", f"z{i}") for i in range(ROWS) if i != 300_000]
    rows[699_999] = ("700000", "a nn", "z700000")
    yield Hostile(
        "two stray quotes, rejects allowed", {"p.csv": far}, settings=allowed, rows=sorted(rows)
    )
    chunk = b"x" * 1_000_000
    long = r"line 5: the line is longer than 4,000,000 characters"
    yield Hostile("a line of 100 MB", {"p.csv": repeated(chunk, 100, b",1\n")}, error=long)
    yield Hostile(
        "a quoted line of 100 MB", {"p.csv": repeated(b'"' + chunk[1:], 100, b",1\n")}, error=long
    )
    yield Hostile("a packed line of 500 MB", {"p.csv.gz": repeated(chunk, 500)}, error=long)
    yield Hostile(
        "a cell of 2,000,000 lines",
        {"p.csv": repeated(b"x\n" * 1000, 2000)},
        error=r"line 5: has 2 cells",
    )
    yield Hostile(
        "100,000 short lines",
        {"p.csv": repeated(b"x\n" * 1000, 100)},
        error=r"line 5",
    )
    yield Hostile("nul bytes", {"p.csv": repeated(b"\0" * 1_000_000, 20)}, error=long)
    record = f'[{{"id": 1, "name": "{"x" * 10_000_000}", "zip": 1}}]'
    yield Hostile(
        "json of one long record", {"p.json": record}, rows=[("1", "x" * 10_000_000, "1")]
    )
    yield Hostile(
        "json lists in lists",
        {"p.jsonl": b'{"id": 1, "name": ' + b"[" * 5_000 + b"]" * 5_000 + b', "zip": 1}\n'},
        error=r"p\.jsonl",
    )
    yield Hostile(
        "a header of 1 MB",
        {"p.csv": b"x" * 1_000_000},
        error=r"has no column 'id', 'name', 'zip'; it has 'x{80}'",
    )
    yield Hostile(
        "20,000 columns",
        {"p.csv": b",".join(b"c%d" % i for i in range(20_000)) + b"\n1\n"},
        error="has no column",
    )
