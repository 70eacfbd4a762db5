"""Csv files: read as text with the rows that cannot be read beside them."""

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from er_pipeline.blocking.records.csv_layout import MAX_LINE, CsvLayout, find_layout
from er_pipeline.blocking.records.csv_rows import CsvRow, csv_rows
from er_pipeline.blocking.records.file_contents import CHUNK, opened, packing_of
from er_pipeline.blocking.records.parts import QUOTE_IN_DOUBT, Given, Into
from er_pipeline.blocking.spec.sources_section import CsvFormat
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import OWN_COLUMNS
from er_pipeline.blocking.tables.sql import literal, quoted

# Rows, and characters of wanted cells, held by the slow reader before they become a table.
_BATCH_ROWS, _BATCH_CHARACTERS = 50_000, 30_000_000


@dataclass(frozen=True)
class CsvPart:
    """One csv file, its layout found out."""

    file: Path
    layout: CsvLayout

    @classmethod
    def found(cls, file: Path, style: CsvFormat, wanted: Sequence[str]) -> "CsvPart":
        """Find out how a file is laid out; raises InputError as `find_layout` does."""
        return cls(file, find_layout(file, style, wanted))

    @property
    def names(self) -> list[str]:
        """The columns' names."""
        return self.layout.header

    def append(self, engine: Engine, columns: Mapping[str, str | Given], into: Into) -> None:
        """Append the wanted columns of every row, and the rows that cannot be read.

        DuckDB reads the file where it is written plainly and every line but the header is a record;
        any other file is read line by line, so that no line is lost without a word.
        """
        if self.layout.titles:
            into.notes.append(
                f"{self.file}: {self.layout.titles} lines above the header are passed over"
            )
        places = {
            wanted: name if isinstance(name, Given) else self.layout.header.index(name)
            for wanted, name in columns.items()
        }
        lines = count_lines(self.file, self.layout)
        if lines is None or not self._append_plain(engine, places, into, lines):
            self._append_slowly(engine, places, into)

    def _append_plain(
        self, engine: Engine, places: Mapping[str, int | Given], into: Into, n_lines: int
    ) -> bool:
        """Append all rows by DuckDB's reader, or none if they are not as many as the lines."""
        listed = ", ".join(
            place.sql if isinstance(place, Given) else f"c{place}" for place in places.values()
        )
        engine.execute("begin transaction")
        try:
            ((n_rows,),) = engine.rows(
                f"insert into {quoted(into.table)} select {listed} from {self._scan()}"
            )
            is_whole = n_rows == n_lines and not self._header_repeats(engine, places, into)
        except duckdb.Error:
            is_whole = False
        engine.execute("commit" if is_whole else "rollback")
        return is_whole

    def _scan(self) -> str:
        layout = self.layout
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(layout.header)))
        return (
            f"read_csv({literal(glob.escape(str(self.file)))}, columns = {{{columns}}},"
            f" auto_detect = false, header = true, skip = {layout.lines_above - 1},"
            f" delim = {literal(layout.delimiter)}, quote = {literal(layout.quote)},"
            f" escape = {literal(layout.quote)}, max_line_size = {MAX_LINE},"
            f" compression = '{packing_of(self.file)}', {OWN_COLUMNS})"
        )

    def _header_repeats(
        self, engine: Engine, places: Mapping[str, int | Given], into: Into
    ) -> bool:
        """Say whether a row may be a second header, as where files were put together."""
        same = " and ".join(
            f"lower({quoted(wanted)}) = lower({literal(self.layout.header[place])})"
            for wanted, place in places.items()
            if not isinstance(place, Given)
        )
        (n,) = engine.row(f"select count(*) from {quoted(into.table)} where {same}")
        return bool(n)

    def _append_slowly(self, engine: Engine, places: Mapping[str, int | Given], into: Into) -> None:
        names = list(places)
        taken_in: list[CsvRow] = []
        for rows, rejects in _batches(csv_rows(self.file, self.layout)):
            taken_in += [row for row in rows if row.taken_in][: 1 if not taken_in else 0]
            cells = [
                pa.array([place.value] * len(rows), pa.string())
                if isinstance(place, Given)
                else pa.array([row.cells[place] or None for row in rows], pa.string())
                for place in places.values()
            ]
            if rows:
                engine.put("csv_rows", pa.table(cells, names=_numbered(names)))
                engine.append(into.table, "select * from csv_rows")
                engine.drop("csv_rows")
            into.reject(engine, self.file, [(r.line, r.reason, r.text) for r in rejects])
        if taken_in:
            first = taken_in[0]
            into.notes.append(
                f"{self.file}:{first.line}: {QUOTE_IN_DOUBT}"
                f" {first.taken_in} lines that look like rows of their own (the first such row); if"
                " the file has no quotes, say csv: {quote: none}"
            )


def _numbered(names: Sequence[str]) -> list[str]:
    return [f"c{i}" for i in range(len(names))]


def _batches(rows: Iterator[CsvRow]) -> Iterator[tuple[list[CsvRow], list[CsvRow]]]:
    """Divide rows into batches of those read and those rejected."""
    read: list[CsvRow] = []
    rejected: list[CsvRow] = []
    characters = 0
    for row in rows:
        (rejected if row.reason else read).append(row)
        characters += row.size
        if len(read) + len(rejected) >= _BATCH_ROWS or characters >= _BATCH_CHARACTERS:
            yield read, rejected
            read, rejected, characters = [], [], 0
    yield read, rejected


def count_lines(file: Path, layout: CsvLayout) -> int | None:
    """Count the lines below the header that are not blank, if DuckDB's reader can take the file.

    None where it cannot: the file is not UTF-8, its lines end in two ways, or one is too long.
    """
    if layout.encoding not in ("utf-8", "utf-8-sig") or layout.newline != "\n":
        return None
    if packing_of(file) not in ("none", "gzip", "zstd"):
        return None
    n_lines, n_crlf, n_blank, rest = 0, 0, 0, b""
    with opened(file) as content:
        while chunk := content.read(CHUNK):
            cut = chunk.rfind(b"\n") + 1
            if len(rest) + (cut or len(chunk)) > 2 * CHUNK:
                return None
            if not cut:
                rest += chunk
                continue
            block, rest = rest + chunk[:cut], chunk[cut:]
            n_block_crlf = block.count(b"\r\n")
            if block.count(b"\r") != n_block_crlf or not _is_utf8(block):
                return None
            n_lines += block.count(b"\n")
            n_crlf += n_block_crlf
            n_blank += block.count(b"\n\n") + block.count(b"\n\r\n") + block.startswith(b"\n")
    if n_crlf not in (0, n_lines) or b"\r" in rest or not _is_utf8(rest):
        return None
    return n_lines + (1 if rest else 0) - n_blank - layout.lines_above


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
