"""A look at a table: how its file is written, and what its columns hold, before it is declared."""

import codecs
import csv
import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb
from pydantic import ValidationError

from er_pipeline.blocking.records.column_guesses import ColumnValues
from er_pipeline.blocking.records.sources import read_source
from er_pipeline.blocking.spec.sources_section import CsvFormat, Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError, first_line
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.values.cleaning import PLACEHOLDERS

# Distinct values of a column that are looked at; a share of them is known to a percent or two.
SAMPLED = 2_000
# Of a larger csv file so much is read: some hundred thousand rows.
MOST_READ = 100_000_000
LINES_LOOKED_AT = 50
DELIMITERS = (",", ";", "\t", "|")
ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}


@dataclass(frozen=True)
class TableLook:
    """What was seen of a table.

    table: engine table of its columns, all VARCHAR. csv: settings that its file needs, by name,
    each with the evidence. is_whole: whether all rows were read.
    """

    file: Path
    table: str
    csv: dict[str, tuple[str, str]]
    columns: Sequence[ColumnValues]
    n_rows: int
    is_whole: bool


def look_at(engine: Engine, file: Path, table: str, scratch: Path) -> TableLook:
    """Read a file into an engine table, and count what every column holds.

    scratch: an existing folder for copies.
    Raises InputError if it cannot be read.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file; name a csv, parquet or json file")
    ending = next((e for e in reversed(file.suffixes) if e.lower() in ENDINGS), "").lower()
    if not ending:
        raise InputError(
            f"{file}: its ending names no format; save the table as csv, parquet or json"
        )
    settings: dict[str, tuple[str, str]] = {}
    read_from, is_whole = file.absolute(), True
    if ENDINGS[ending] == "csv":
        settings, names = _csv_settings(file)
        read_from, is_whole = _beginning(read_from, scratch)
    else:
        names = _column_names(engine, file, ENDINGS[ending])
    style = CsvFormat.model_validate({name: value for name, (value, _) in settings.items()})
    source = Source(path=str(read_from), record_id=names[0], csv=style)
    raw = read_source(engine, source, names, folder=scratch, scratch=scratch, table=table)
    columns = [_values(engine, table, name, raw.n_records) for name in names]
    return TableLook(file, table, settings, columns, raw.n_records, is_whole)


def _values(engine: Engine, table: str, name: str, n_rows: int) -> ColumnValues:
    value = f"trim({quoted(name)})"
    filled, distinct, length = engine.row(
        f"select count(nullif({value}, '')), count(distinct nullif({value}, '')),"
        f" coalesce(avg(length(nullif({value}, ''))), 0) from {table}"
    )
    # Drawn by a hash, so that a sorted table is seen as a whole, and the same table alike.
    sample = [
        str(text)
        for (text,) in engine.rows(
            f"select v from (select distinct {value} as v from {table}) where v <> ''"
            f" order by md5(v), v limit {SAMPLED}"
        )
    ]
    meant = [text for text in sample if text.lower() not in PLACEHOLDERS]
    return ColumnValues(name, n_rows, filled, distinct, float(length), meant)


def _beginning(file: Path, scratch: Path) -> tuple[Path, bool]:
    """Return a file, or a copy of its first lines where it is large; and whether it is whole."""
    if file.suffix.lower() == ".gz" or file.stat().st_size <= MOST_READ:
        return file, True
    copy = scratch / f"beginning_{file.name}"
    with file.open("rb") as whole, copy.open("wb") as part:
        part.writelines(whole.readlines(MOST_READ))
    return copy, False


def _csv_settings(file: Path) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Return what `csv:` must say of a file, and the names in its header."""
    settings: dict[str, tuple[str, str]] = {}
    encoding = _encoding(file, settings)
    try:
        with _opened(file) as content, codecs.getreader(encoding)(content, "replace") as text:
            lines = [line for _, line in zip(range(LINES_LOOKED_AT), text, strict=False)]
    except (OSError, EOFError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error
    if not lines or not lines[0].strip():
        raise InputError(f"{file}:1: has no header line; the first line must name the columns")
    unquoted = "".join(lines[0].split('"')[::2])
    in_header = max(DELIMITERS, key=unquoted.count)
    delimiter = max(DELIMITERS, key=lambda mark: _columns_by(lines, mark))
    if _columns_by(lines, delimiter) > _columns_by(lines, in_header):
        width = _columns_by(lines, delimiter)[1]
        settings["delimiter"] = (delimiter, f"divides most lines into {width} columns")
    else:
        delimiter = in_header
    names = next(csv.reader(lines, delimiter=delimiter), [])
    return settings, [name or f"column{i}" for i, name in enumerate(names)]


def _columns_by(lines: Sequence[str], delimiter: str) -> tuple[float, int]:
    """Return the share of lines with the commonest number of columns, and that number."""
    try:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
    except csv.Error:
        return 0.0, 0
    width, n = max(widths.items(), key=lambda found: (found[1], found[0]))
    return (n / widths.total() if width > 1 else 0.0), width


def _encoding(file: Path, settings: dict[str, tuple[str, str]]) -> str:
    """Return the encoding of a file, and note it where it is not UTF-8."""
    with _opened(file) as content:
        start = content.read(4)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        settings["encoding"] = ("utf-16", "the file begins with the mark of UTF-16")
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    n_read = 0
    with _opened(file) as content:
        try:
            while chunk := content.read(1 << 20):
                decoder.decode(chunk)
                n_read += len(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            evidence = f"byte 0x{byte:02X} is not UTF-8, and files of Windows hold it"
            settings["encoding"] = (_windows_encoding(), evidence)
            return settings["encoding"][0]
        except (OSError, EOFError) as error:
            raise InputError(f"{file}: cannot be read: {error}; is it complete?") from error
    return "utf-8-sig"


def _windows_encoding() -> str:
    try:
        CsvFormat.model_validate({"encoding": "windows-1252"})
    except ValidationError:
        return "latin-1"
    return "windows-1252"


def _opened(file: Path) -> IO[bytes]:
    opener: Any = gzip.open if file.suffix.lower() == ".gz" else open
    opened: IO[bytes] = opener(file, "rb")
    return opened


def _column_names(engine: Engine, file: Path, kind: str) -> list[str]:
    try:
        described = engine.described(f"select * from read_{kind}({literal(str(file.absolute()))})")
    except duckdb.Error as error:
        raise InputError(f"{file}: cannot be read as {kind}: {first_line(error)}") from error
    return [name for name, _ in described]
