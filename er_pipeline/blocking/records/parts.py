"""Parts: the files of one source, each with columns and types of its own, read into one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa

from er_pipeline.blocking.records.wanted_columns import find_columns, listed_names, plain_name
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.sql import literal, quoted

# What a note of a file says whose quotes may be none.
QUOTE_IN_DOUBT = "a quote opens in this row and takes in"


class Given(NamedTuple):
    """The value of a column that a part does not hold: its folder's name gives one, or nothing."""

    value: str | None = None

    @property
    def sql(self) -> str:
        """The value as SQL."""
        return "null::varchar" if self.value is None else literal(self.value)


@dataclass
class Into:
    """What files are read into.

    table: engine table of the wanted columns, VARCHAR, in their order. rejects: engine table
    (line, reason, text). vector: the column that holds lists of numbers, if there is one.
    names_files: a reject names its file, since there are several. notes: what was assumed.
    """

    table: str
    rejects: str
    vector: str | None = None
    names_files: bool = False
    notes: list[str] = field(default_factory=list)

    def make_empty(self, engine: Engine, wanted: Sequence[str]) -> None:
        """Make both tables, without rows."""
        columns = ", ".join(f"null::varchar as {quoted(name)}" for name in dict.fromkeys(wanted))
        engine.make_table(self.table, f"select {columns} where 1 = 0")
        engine.make_table(
            self.rejects, "select 0::bigint as line, '' as reason, '' as text where 1 = 0"
        )

    def reject(self, engine: Engine, file: Path, rows: Sequence[tuple[int, str, str]]) -> None:
        """Add rows (line, reason, text) that cannot be read."""
        if not rows:
            return
        lines, reasons, texts = zip(*rows, strict=True)
        if self.names_files:
            reasons = tuple(f"{file.name}: {reason}" for reason in reasons)
        engine.put(
            "rejected_rows",
            pa.table(
                {
                    "line": pa.array(lines, pa.int64()),
                    "reason": pa.array(reasons, pa.string()),
                    "text": pa.array(texts, pa.string()),
                }
            ),
        )
        engine.append(self.rejects, "select * from rejected_rows")
        engine.drop("rejected_rows")


class Part(Protocol):
    """One file, or several of the same columns and types."""

    @property
    def file(self) -> Path:
        """The file, or the first of them."""

    @property
    def names(self) -> Sequence[str]:
        """Its columns."""

    def append(self, engine: Engine, columns: Mapping[str, str | Given], into: Into) -> None:
        """Append its rows; columns: wanted name -> the part's column, or the value of all rows."""


def append_parts(
    engine: Engine,
    parts: Sequence[tuple[Part, Mapping[str, str | None]]],
    wanted: Sequence[str],
    into: Into,
    origin: str,
    needed: Sequence[str],
    cure: str,
) -> None:
    """Append the wanted columns of all parts, whatever their order and types.

    parts: each with what the names of its folders say, column: value; it stands in for columns that
    the part itself lacks. A part that lacks a column which others have gives no values of it, and a
    note. needed: the columns that every part must have. cure: what to do if no part has a column.
    Raises InputError if no part has a column, or one lacks a needed one.
    """
    wanted = list(dict.fromkeys(wanted))
    everywhere = {
        plain_name(name): name for part, folders in parts for name in (*part.names, *folders)
    }
    if len(parts) > 1:
        find_columns(wanted, list(everywhere.values()), origin, cure)
    for part, folders in parts:
        given = {plain_name(name): Given(value) for name, value in folders.items()}
        held = {plain_name(name) for name in part.names}
        columns: dict[str, str | Given] = {}
        for name in wanted:
            if plain_name(name) in held or (len(parts) == 1 and plain_name(name) not in given):
                continue
            if plain_name(name) not in given:
                _note_lack(part, name, into, origin, needed)
            columns[name] = given.get(plain_name(name), Given())
        own = [name for name in wanted if name not in columns]
        columns |= find_columns(own, part.names, str(part.file), cure)
        part.append(engine, {name: columns[name] for name in wanted}, into)


def _note_lack(part: Part, name: str, into: Into, origin: str, needed: Sequence[str]) -> None:
    if name in needed:
        raise InputError(
            f"{part.file}: has no column {name!r}, which other files of {origin} have; it has"
            f" {listed_names(part.names)}. Correct the file or `path`"
        )
    into.notes.append(
        f"{part.file}: has no column {name!r}, which other files have; its records have no such"
        " value"
    )
