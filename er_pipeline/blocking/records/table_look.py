"""A look at a table before it is declared: what its columns hold, and what its file needs said.

Files are read by the reader of the sources; only what it cannot know of itself is found out here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from er_pipeline.blocking.records.column_guesses import ColumnValues
from er_pipeline.blocking.records.encoding_guesses import guess_encoding
from er_pipeline.blocking.records.file_contents import encoding_of, packing_of
from er_pipeline.blocking.records.parts import QUOTE_IN_DOUBT
from er_pipeline.blocking.records.source_files import column_names, format_of
from er_pipeline.blocking.records.sources import RawSource, read_source
from er_pipeline.blocking.spec.sources_section import NO_QUOTE, CsvFormat, Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.cleaning import PLACEHOLDERS

# Distinct values of a column that are looked at; a share of them is known to a percent or two.
SAMPLED = 2_000
# Of a larger csv file so much is read: some hundred thousand rows.
MOST_READ = 100_000_000


@dataclass(frozen=True)
class TableLook:
    """What was seen of a table.

    table: engine table of its columns, all VARCHAR. csv: settings that its file needs, by name,
    each with the evidence. is_whole: whether all rows were read. unreadable: columns that cannot be
    read, each with the reason. n_rejects: rows that cannot be read; first_reject: the first one's
    line and reason.
    """

    file: Path
    table: str
    csv: dict[str, tuple[str, str]]
    columns: Sequence[ColumnValues]
    n_rows: int
    is_whole: bool
    unreadable: dict[str, str] = field(default_factory=dict)
    n_rejects: int = 0
    first_reject: str = ""


@dataclass(frozen=True)
class _Reader:
    """How the columns of a file are read into one engine table."""

    engine: Engine
    file: Path
    style: CsvFormat
    scratch: Path
    table: str

    def read(self, names: Sequence[str]) -> RawSource:
        source = Source(path=str(self.file), record_id=names[0], csv=self.style)
        folder, table = self.scratch, self.table
        return read_source(self.engine, source, names, folder=folder, scratch=folder, table=table)

    def why_not(self, name: str) -> str:
        """Return why a column cannot be read alone, or nothing."""
        try:
            replace(self, table=f"{self.table}_alone").read([name])
        except InputError as error:
            return str(error).removeprefix(f"{self.file}: ")
        return ""


def look_at(engine: Engine, file: Path, table: str, scratch: Path) -> TableLook:
    """Read a file into an engine table, and count what every column holds.

    scratch: an existing folder for copies.
    Raises InputError if it cannot be read.
    """
    if not file.is_file():
        what = "is a folder; name one of its files" if file.is_dir() else "no such file"
        raise InputError(f"{file}: {what}; a csv, parquet or json file is wanted")
    settings: dict[str, tuple[str, str]] = {}
    read_from, is_whole = file.absolute(), True
    is_csv = format_of(file) == "csv"
    if is_csv:
        if encoding := guess_encoding(file):
            settings["encoding"] = encoding
        read_from, is_whole = _beginning(read_from, scratch)
    reader = _Reader(engine, read_from, _style(settings), scratch, table)
    names = column_names(engine, read_from, reader.style, scratch)
    unreadable: dict[str, str] = {}
    try:
        raw = reader.read(names)
    except InputError:
        unreadable = {name: why for name in names if (why := reader.why_not(name))}
        if len(unreadable) in (0, len(names)):
            raise
        names = [name for name in names if name not in unreadable]
        raw = reader.read(names)
    if is_csv and any(QUOTE_IN_DOUBT in note for note in raw.notes):
        raw = _without_quotes(reader, names, raw, settings)
    columns = [_values(engine, table, name, raw.n_records) for name in names]
    first = engine.rows(f"select line, reason from {raw.rejects} order by all limit 1")
    return TableLook(
        file,
        table,
        settings,
        columns,
        raw.n_records,
        is_whole,
        unreadable,
        raw.n_rejects,
        "".join(f"line {line}: {reason}" for line, reason in first),
    )


def _style(settings: dict[str, tuple[str, str]]) -> CsvFormat:
    return CsvFormat.model_validate({name: value for name, (value, _) in settings.items()})


def _without_quotes(
    reader: _Reader, names: Sequence[str], raw: RawSource, settings: dict[str, tuple[str, str]]
) -> RawSource:
    """Read a file again as one without quotes, where every line then is a row."""
    evidence = "a quote takes in lines that are rows of their own; read without, every line is one"
    without = {**settings, "quote": (NO_QUOTE, evidence)}
    plain = replace(reader, style=_style(without), table=f"{reader.table}_plain").read(names)
    if plain.n_rejects or plain.n_records <= raw.n_records:
        return raw
    settings.update(without)
    return replace(reader, style=_style(without)).read(names)


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
    is_plain = packing_of(file) == "none" and encoding_of(file, None).startswith("utf-8")
    if not is_plain or file.stat().st_size <= MOST_READ:
        return file, True
    copy = scratch / f"beginning_{file.name}"
    with file.open("rb") as whole, copy.open("wb") as part:
        part.writelines(whole.readlines(MOST_READ))
    return copy, False
