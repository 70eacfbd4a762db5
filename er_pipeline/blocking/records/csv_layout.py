"""Csv layout: encoding, delimiter, quote and header of one file, as its first lines show them."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from er_pipeline.blocking.records.file_contents import as_text, encoding_of, opened
from er_pipeline.blocking.records.wanted_columns import plain_name
from er_pipeline.blocking.spec.sources_section import NO_QUOTE, CsvFormat
from er_pipeline.blocking.tables.errors import InputError

csv.field_size_limit(1 << 31)  # a cell is limited by its line, below

DELIMITERS = (",", ";", "\t", "|")
# One line may hold so many characters; DuckDB keeps 16 lines of this length per thread in memory.
MAX_LINE = 4_000_000
# A report's title, date and blank lines; spreadsheets rarely have more above their header.
MOST_TITLE_LINES = 20
# Text that shows how lines end.
_SAMPLE = 1 << 16


@dataclass(frozen=True)
class CsvLayout:
    """How one csv file is laid out.

    encoding: as Python names it. newline: as `open` takes it. quote: "" if there is none.
    header: the columns' names. lines_above: lines before those of the records.
    titles: lines above the header that are no `sep=`.
    """

    encoding: str
    newline: str
    delimiter: str
    quote: str
    header: list[str]
    lines_above: int
    titles: int = 0

    @property
    def dialect(self) -> dict[str, Any]:
        """How Python's reader takes it."""
        if not self.quote:
            return {"delimiter": self.delimiter, "quoting": csv.QUOTE_NONE, "quotechar": None}
        return {"delimiter": self.delimiter, "quotechar": self.quote, "strict": True}


def find_layout(file: Path, style: CsvFormat, wanted: Sequence[str]) -> CsvLayout:
    """Find out how a csv file is laid out.

    The header is the first line that names all wanted columns, or else the first that is not blank.
    Raises InputError if there is none, or the first lines are no text.
    """
    encoding = encoding_of(file, style.encoding)
    try:
        with opened(file) as content, as_text(content, encoding, "") as text:
            sample = text.read(_SAMPLE)
        newline = "\n" if "\n" in sample else ""
        with opened(file) as content, as_text(content, encoding, newline) as text:
            lines = _first_lines(text)
        return _layout(lines, encoding, newline, style, wanted, file)
    except (UnicodeError, csv.Error) as error:
        raise InputError(
            f"{file}:1: the header cannot be read as csv ({encoding}): {error};"
            " correct the file, `format` or `csv`"
        ) from error


def _first_lines(text: IO[str]) -> list[str]:
    lines = (text.readline(MAX_LINE) for _ in range(2 * MOST_TITLE_LINES))
    return [line.replace("\r\n", "\n") for line in lines if line]


def _layout(
    lines: Sequence[str],
    encoding: str,
    newline: str,
    style: CsvFormat,
    wanted: Sequence[str],
    file: Path,
) -> CsvLayout:
    quote = "" if style.quote == NO_QUOTE else style.quote
    start, delimiter = 0, style.delimiter
    if lines and lines[0].lower().startswith("sep=") and len(lines[0].rstrip("\r\n")) == 5:
        start, delimiter = 1, delimiter or lines[0][4]
    first = None
    for i, line in islice(enumerate(lines), start, start + MOST_TITLE_LINES):
        if not line.strip():
            continue
        layout = _header_at(lines, i, encoding, newline, delimiter, quote)
        if layout is None:
            continue
        first = first or layout
        if wanted and {*map(plain_name, layout.header)}.issuperset(map(plain_name, wanted)):
            titles = sum(1 for above in lines[start:i] if above.strip())
            return CsvLayout(**{**layout.__dict__, "titles": titles})
    if first is None:
        raise InputError(f"{file}:1: has no header line; the first line must name the columns")
    if any("\x00" in name or _is_broken(name) for name in first.header):
        raise InputError(
            f"{file}:{first.lines_above}: the header is not {encoding} text; say how the file is"
            " encoded, such as csv: {encoding: windows-1252}, or correct it"
        )
    return first


def _is_broken(name: str) -> bool:
    return any(sign == "\ufffd" or "\udc80" <= sign <= "\udcff" for sign in name)


def _header_at(
    lines: Sequence[str],
    start: int,
    encoding: str,
    newline: str,
    delimiter: str | None,
    quote: str,
) -> CsvLayout | None:
    """Read the line at `start`, and those that its quotes take in, as a header."""
    line = lines[start]
    unquoted = "".join(line.split(quote)[::2]) if quote else line
    counts = {mark: unquoted.count(mark) for mark in DELIMITERS}
    delimiter = delimiter or max(DELIMITERS, key=lambda mark: counts[mark])
    layout = CsvLayout(encoding, newline, delimiter, quote, [], 0)
    reader = csv.reader(iter(lines[start:]), **{**layout.dialect, "strict": False})
    try:
        names = next(reader, [])
    except csv.Error:
        return None
    if not any(name.strip() for name in names):
        return None
    # Spreadsheets leave columns without a name behind.
    header = [name if name.strip() else f"column{i}" for i, name in enumerate(names)]
    return CsvLayout(encoding, newline, delimiter, quote, header, start + reader.line_num)
