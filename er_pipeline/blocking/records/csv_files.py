"""Csv files: read as text with the rows that cannot be read beside them."""

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import duckdb

from er_pipeline.blocking.records.wanted_columns import find_columns, keep_wanted
from er_pipeline.blocking.spec.sources_section import CsvFormat
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import OWN_COLUMNS
from er_pipeline.blocking.tables.errors import InputError, first_line
from er_pipeline.blocking.tables.sql import literal

csv.field_size_limit(1 << 31)  # of Python's own reader, which only judges header and quotes

DELIMITERS = (",", ";", "\t", "|")
# One cell may hold so much; DuckDB keeps 16 lines of this length in memory per thread.
MAX_LINE_BYTES = 4_000_000


def read_csv(
    engine: Engine,
    files: Sequence[Path],
    style: CsvFormat,
    wanted: Sequence[str],
    table: str,
    rejects: str,
    origin: str,
) -> None:
    """Read the wanted columns of csv files into a table, and what cannot be read into rejects.

    files: of one header; several are read as one. origin: what to call them in messages.
    Raises InputError if a file as a whole cannot be read, or lacks a wanted column.
    """
    header, delimiter = _header(files[0], style)
    for file in files[1:]:
        if _header(file, style) != (header, delimiter):
            raise InputError(
                f"{file}:1: its header differs from that of {files[0]}; files read together must"
                " have the same columns in the same order"
            )
    lower = [name.lower() for name in header]
    repeated = [name for name in header if lower.count(name.lower()) > 1]
    if repeated:
        raise InputError(
            f"{files[0]}:1: column {', '.join(map(repr, repeated))} stands more than once (upper"
            " and lower case are the same); rename one"
        )
    find_columns(wanted, header, origin)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    listed = "[" + ", ".join(literal(str(file)) for file in files) + "]"
    scan = (
        f"read_csv({listed}, columns = {{{columns}}}, auto_detect = false, header = true,"
        f" delim = {literal(delimiter)}, quote = {literal(style.quote)},"
        f" escape = {literal(style.quote)}, encoding = {literal(style.encoding)},"
        f" max_line_size = {MAX_LINE_BYTES}, store_rejects = true,"
        f" rejects_table = {literal(table + '_errors')},"
        f" rejects_scan = {literal(table + '_scans')}, rejects_limit = 0, {OWN_COLUMNS})"
    )
    try:
        keep_wanted(engine, scan, wanted, table, origin)
    except duckdb.Error as error:
        for file in files:
            _check_line_ends(file)
        raise InputError(
            f"{origin}: cannot be read as csv ({style.encoding}): {first_line(error)}"
        ) from error
    # A row can have several errors; the first one in the line is kept.
    where = " || ' of ' || parse_filename(file_path)" if len(files) > 1 else ""
    # A quote that is opened by mistake takes in all lines up to the next one: each is a row lost.
    engine.make_table(
        rejects,
        f"""
        select line + i - 1 as line,
            case when i > 1 then 'taken in by the quote that opens in line ' || line
                when len(lines) > 1 then reason || ', which takes in the lines below'
                else reason end as reason,
            rtrim(lines[i], chr(13)) as text
        from (
            select *, unnest(range(1, len(lines) + 1)) as i
            from (
                select cast(line as bigint) as line, lower(error_type::varchar)
                    || coalesce(' in column ' || column_name, ''){where} as reason,
                    case when error_type::varchar = 'UNQUOTED VALUE'
                        then string_split(coalesce(csv_line, ''), chr(10))
                        else [coalesce(csv_line, '')] end as lines
                from {table}_errors
                join (select distinct file_id, file_path from {table}_scans) using (file_id)
                qualify row_number() over (partition by file_id, line order by byte_position) = 1
            )
        )
        """,
    )
    for file in files:
        _check_quotes(file, style, delimiter)


def _header(file: Path, style: CsvFormat) -> tuple[list[str], str]:
    """Read the column names of a csv file and its delimiter."""
    try:
        with _text(file, style.encoding) as lines:
            first = lines.readline(MAX_LINE_BYTES)
            unquoted = "".join(first.split(style.quote)[::2])
            counts = {mark: unquoted.count(mark) for mark in DELIMITERS}
            delimiter = style.delimiter or max(DELIMITERS, key=lambda mark: counts[mark])
            reader = csv.reader(
                _from_line(first, lines), delimiter=delimiter, quotechar=style.quote
            )
            header = next(reader, [])
    except (OSError, EOFError, UnicodeError, csv.Error) as error:
        raise InputError(
            f"{file}:1: the header cannot be read as csv ({style.encoding}): {error};"
            " correct the file, `format` or `csv`"
        ) from error
    if not any(name.strip() for name in header):
        raise InputError(f"{file}:1: has no header line; the first line must name the columns")
    if any("\x00" in name or "�" in name for name in header):
        raise InputError(
            f"{file}:1: the header is not {style.encoding} text;"
            " say `csv: {encoding: utf-16}` or `latin-1`, or correct the file"
        )
    # Spreadsheets leave columns without a name behind.
    return [name or f"column{i}" for i, name in enumerate(header)], delimiter


def _from_line(first: str, rest: IO[str]) -> Iterator[str]:
    yield first
    yield from rest


def _text(file: Path, encoding: str) -> IO[str]:
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding=name, errors="replace", newline="")
    return file.open("r", encoding=name, errors="replace", newline="")


def _check_quotes(file: Path, style: CsvFormat, delimiter: str) -> None:
    """Find a quote that is opened and never closed: it would swallow the rest of the file.

    The file is parsed a second time only where its quotes do not come in pairs.
    """
    mark = style.quote.encode(style.encoding if style.encoding != "utf-16" else "utf-16-le")
    opener: Any = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rb") as content:
        n_quotes = sum(chunk.count(mark) for chunk in iter(lambda: content.read(1 << 22), b""))
    if n_quotes % 2 == 0:
        return
    with _text(file, style.encoding) as lines:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=style.quote, strict=True)
        began = 1
        try:
            for _ in reader:
                began = reader.line_num + 1
        except csv.Error as error:
            if "unexpected end of data" not in str(error):
                return  # a stray quote inside one row, which is among the rejects already
            raise InputError(
                f"{file}:{began}: a quote is opened in this row and never closed, so the rest of"
                " the file cannot be divided into rows; correct the row"
            ) from error


def _check_line_ends(file: Path) -> None:
    """Find the first line that ends otherwise than those before: DuckDB reads no such file."""
    opener: Any = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rb") as lines:
        first = next(lines).endswith(b"\r\n")
        for number, line in enumerate(lines, 2):
            if line.endswith(b"\n") and line.endswith(b"\r\n") != first:
                one, other = ("CRLF", "LF") if first else ("LF", "CRLF")
                raise InputError(
                    f"{file}:{number}: this line ends in {other}, those before in {one}; give all"
                    f" lines of the file the same end"
                )
