"""Csv layout: encoding, delimiter, quote and header of one file, as its first lines show them."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
    If nothing is wanted yet, it is the first that has as many columns as the lines below a title.
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
    """Read the lines that show the layout, up to one that is too long to be read at all.

    What is left of such a line looks like more lines; of one of 500 MB they took a minute.
    """
    lines: list[str] = []
    while len(lines) < 2 * MOST_TITLE_LINES and (line := text.readline(MAX_LINE)):
        if len(line) >= MAX_LINE and lines:
            break
        lines.append(line.replace("\r\n", "\n"))
        if len(line) >= MAX_LINE:
            break
    return lines


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
    candidates = [
        (layout, lines[start:i])
        for i, line in islice(enumerate(lines), start, start + MOST_TITLE_LINES)
        if line.strip()
        for layout in _headers_at(lines, i, encoding, newline, delimiter, quote)
    ]
    for layout, above in candidates:
        if wanted and {*map(plain_name, layout.header)}.issuperset(map(plain_name, wanted)):
            _check_no_rule(lines, layout, file)
            return _below_titles(layout, above)
    first = candidates[0][0] if candidates else None
    if first and not wanted and len(first.header) == 1:
        for layout, above in candidates:
            # Two columns right below the first line may as well be a name: Lark, Ann.
            if len(layout.header) > (1 if any(not line.strip() for line in above) else 2):
                return _below_titles(layout, above)
    if first is None:
        raise InputError(f"{file}:1: has no header line; the first line must name the columns")
    if any("\x00" in name or _is_broken(name) for name in first.header):
        raise InputError(
            f"{file}:{first.lines_above}: the header is not {encoding} text; say how the file is"
            " encoded, such as csv: {encoding: windows-1252}, or correct it"
        )
    return first


def _check_no_rule(lines: Sequence[str], layout: CsvLayout, file: Path) -> None:
    """Raise InputError if the line below the header is a rule, as tables made for people have."""
    below = lines[layout.lines_above].strip() if len(lines) > layout.lines_above else ""
    if "--" in below and {*below} <= {*"-+|:= \t", layout.delimiter} and {*below} != {"-"}:
        raise InputError(
            f"{file}:{layout.lines_above + 1}: is a rule of dashes, as a table that was printed has"
            " below its header; export the rows as csv"
        )


def _below_titles(layout: CsvLayout, above: Sequence[str]) -> CsvLayout:
    return replace(layout, titles=sum(1 for line in above if line.strip()))


def _is_broken(name: str) -> bool:
    return any(sign == "\ufffd" or "\udc80" <= sign <= "\udcff" for sign in name)


def _headers_at(
    lines: Sequence[str],
    start: int,
    encoding: str,
    newline: str,
    delimiter: str | None,
    quote: str,
) -> Iterator[CsvLayout]:
    """Read the line at `start`, and those that its quotes take in, as a header.

    Where its delimiter is in doubt there are two ways, the likelier one first.
    """
    delimiters = [delimiter] if delimiter else _delimiters(lines[start:], quote)
    for mark in delimiters:
        layout = CsvLayout(encoding, newline, mark, quote, [], 0)
        reader = csv.reader(iter(lines[start:]), **{**layout.dialect, "strict": False})
        try:
            names = next(reader, [])
        except csv.Error:
            continue
        if any(name.strip() for name in names):
            # Spreadsheets leave columns without a name behind.
            header = [name if name.strip() else f"column{i}" for i, name in enumerate(names)]
            yield replace(layout, header=header, lines_above=start + reader.line_num)


def _delimiters(lines: Sequence[str], quote: str) -> list[str]:
    """Return what divides most lines alike, and what divides the first one most often."""
    unquoted = "".join(lines[0].split(quote)[::2]) if quote else lines[0]
    in_header = max(DELIMITERS, key=unquoted.count)
    if unquoted.count(in_header) == 0:  # one column, whose values may well have commas
        return [min(DELIMITERS, key=lambda mark: sum(mark in line for line in lines))]
    in_lines = max(DELIMITERS, key=lambda mark: _columns_by(lines, mark, quote))
    is_clearer = _columns_by(lines, in_lines, quote) > _columns_by(lines, in_header, quote)
    return list(dict.fromkeys([in_lines, in_header] if is_clearer else [in_header]))


def _columns_by(lines: Sequence[str], delimiter: str, quote: str) -> tuple[float, int]:
    """Return the share of lines with the commonest number of columns, and that number."""
    layout = CsvLayout("", "", delimiter, quote, [], 0)
    try:
        rows = csv.reader(lines, **{**layout.dialect, "strict": False})
        widths = Counter(len(row) for row in rows if row)
    except csv.Error:
        return 0.0, 0
    width, n = max(widths.items(), key=lambda found: (found[1], found[0]), default=(0, 0))
    return (n / widths.total() if width > 1 else 0.0), width
