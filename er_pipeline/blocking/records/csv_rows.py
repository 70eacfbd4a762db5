"""Csv rows: a file read line by line, so that each line is a record's, a reject's, or blank.

It is the slow way (a million rows take some seconds), for files in which DuckDB's reader finds
anything out of the ordinary.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from er_pipeline.blocking.records.csv_layout import MAX_LINE, CsvLayout
from er_pipeline.blocking.records.file_contents import as_text, opened
from er_pipeline.blocking.records.wanted_columns import plain_name

# Notes of a few pages are cells; beyond, a quote was opened by mistake and takes in other rows.
MOST_LINES_OF_ROW = 500
# Of a rejected row, so much is kept.
MAX_TEXT = 2_000
_BROKEN = re.compile("[\udc80-\udcff\ufffd]")


class CsvRow(NamedTuple):
    """One row. line: of the file, from 1. reason: why it cannot be read, if so; text: the row then.

    taken_in: lines after the first that its quotes take in and that look like rows of their own.
    size: characters of its lines.
    """

    line: int
    cells: Sequence[str]
    reason: str = ""
    text: str = ""
    taken_in: int = 0
    size: int = 0


class _TooLongError(Exception):
    pass


class _Lines:
    """The lines of a text, those of the row at hand kept, to be cited or read again."""

    def __init__(self, text: IO[str]) -> None:
        self.text = text
        self.again: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= MOST_LINES_OF_ROW:
            raise _TooLongError
        line = self.again.popleft() if self.again else self.text.readline(MAX_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        if len(line) >= MAX_LINE:
            self._pass_over_rest(line)
            raise _TooLongError
        # A lone carriage return ends no line where line feeds do; csv would refuse it.
        if "\r" in line and not line.endswith("\r"):
            line = line.removesuffix("\r\n").removesuffix("\n").replace("\r", " ") + "\n"
        return line

    def _pass_over_rest(self, line: str) -> None:
        while line and not line.endswith("\n"):
            line = self.text.readline(MAX_LINE)

    def give_back_all_but_first(self) -> None:
        """Let the lines that a quote has taken in be read again, as rows of their own."""
        self.again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1


def csv_rows(file: Path, layout: CsvLayout) -> Iterator[CsvRow]:
    """Yield the rows below the header, in their order, read or rejected; blank lines are none.

    Of a row that cannot be read, only its first line is rejected: the lines that its quote takes in
    are read as rows of their own.
    Raises InputError if the file cannot be read to its end.
    """
    width, first_name = len(layout.header), layout.header[0].lower()
    with opened(file) as content, as_text(content, layout.encoding, layout.newline) as text:
        lines = _Lines(text)
        for _ in range(layout.lines_above):
            text.readline(MAX_LINE)
        lines.number = layout.lines_above
        reader = csv.reader(lines, **layout.dialect)
        while True:
            lines.taken.clear()
            first = lines.number + 1
            reason, cells = "", []
            try:
                cells = next(reader)
            except StopIteration:
                return
            except _TooLongError:
                reason = _too_long(lines.taken)
            except csv.Error as error:
                reason = _unquoted(str(error), layout.quote, len(lines.taken))
            else:
                taken = lines.taken
                if (
                    len(cells) == width
                    and len(taken) == 1
                    and taken[0].isascii()
                    and cells[0].lower() != first_name
                ):  # as nearly all rows are
                    yield CsvRow(first, cells, size=len(taken[0]))
                    continue
                if not cells or (len(cells) == 1 and width > 1 and cells[0].strip(" \t\x1a") == ""):
                    continue
                if len(cells) == width + 1 and cells[-1] == "":
                    cells.pop()  # every line may end with a delimiter
                reason = _problem(cells, layout) or _not_text(lines.taken, layout)
            if reason:
                cited = _cited(lines.taken[0])
                yield CsvRow(first, [], reason, cited, size=len(cited))
                if len(lines.taken) > 1:
                    lines.give_back_all_but_first()
                continue
            size = sum(map(len, lines.taken))
            yield CsvRow(first, cells, taken_in=_rows_taken_in(lines.taken, layout), size=size)


def _too_long(taken: Sequence[str]) -> str:
    if len(taken[-1]) >= MAX_LINE and len(taken) == 1:
        return f"the line is longer than {MAX_LINE:,} characters"
    return f"its quote is not closed within {MOST_LINES_OF_ROW} lines"


def _unquoted(error: str, quote: str, n_lines: int) -> str:
    if "unexpected end of data" in error:
        return f"its quote {quote} is opened and never closed"
    where = f", {n_lines - 1} lines below" if n_lines > 1 else ""
    return f"a quote {quote} stands within a quoted cell{where}; write it twice"


def _problem(cells: Sequence[str], layout: CsvLayout) -> str:
    if len(cells) != len(layout.header):
        more = len(cells) > len(layout.header)
        cure = f"; quote cells with {layout.delimiter!r} in them" if more and layout.quote else ""
        return f"has {len(cells)} cells, the header {len(layout.header)}{cure}"
    repeats = [*map(plain_name, cells)] == [*map(plain_name, layout.header)]
    return "repeats the header" if repeats else ""


def _not_text(taken: Sequence[str], layout: CsvLayout) -> str:
    for line in taken:
        if not line.isascii() and (broken := _BROKEN.search(line)):
            code = ord(broken[0])
            what = f"byte 0x{code - 0xDC00:02X}" if code != ord("\ufffd") else "a sign"
            if what == "a sign" and not layout.encoding.startswith(("utf-16", "utf-32")):
                continue  # the file itself holds U+FFFD
            before = line[max(0, broken.start() - 20) : broken.start()]
            return f"{what} after {before!r} is not {layout.encoding} text"
    return ""


def _cited(line: str) -> str:
    text = line[:MAX_TEXT].rstrip("\r\n")
    return text if text.isascii() else _BROKEN.sub("\ufffd", text)


def _rows_taken_in(taken: Sequence[str], layout: CsvLayout) -> int:
    """Count lines within a row that have as many cells as the header: rows taken in, perhaps.

    In notes a single comma is common, so of two columns only a tab counts.
    """
    most = len(layout.header) - 1
    if len(taken) == 1 or (most < 2 and layout.delimiter != "\t"):
        return 0
    return sum(1 for line in taken[1:] if line.count(layout.delimiter) == most)
