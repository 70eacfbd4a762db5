"""Parquet files: each read with the types that it has itself, and turned into text."""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import duckdb

from er_pipeline.blocking.records.parts import Given, Into
from er_pipeline.blocking.records.text_values import text_columns
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import OWN_COLUMNS, parquet_file
from er_pipeline.blocking.tables.errors import InputError, first_line
from er_pipeline.blocking.tables.sql import literal


@dataclass(frozen=True)
class ParquetPart:
    """Parquet files of the same columns and types, which are read in one go.

    columns: (name in the file, name that DuckDB gives it, type); two that differ in case alone get
    names of their own there.
    """

    files: Sequence[Path]
    columns: Sequence[tuple[str, str, str]]

    @property
    def file(self) -> Path:
        """The first of the files."""
        return self.files[0]

    @property
    def names(self) -> list[str]:
        """The columns' names, as they are in the file."""
        return [name for name, *_ in self.columns]

    def append(self, engine: Engine, columns: Mapping[str, str | Given], into: Into) -> None:
        """Append the wanted columns of every row.

        Raises InputError if a value has no text, or a file is damaged.
        """
        listed = ", ".join(literal(glob.escape(str(file))) for file in self.files)
        known = {name: given for name, given, _ in self.columns}
        found = {
            wanted: name if isinstance(name, Given) else known[name]
            for wanted, name in columns.items()
        }
        types = {given: kind for _, given, kind in self.columns}
        relation = f"read_parquet([{listed}], {OWN_COLUMNS})"
        selects, notes = text_columns(engine, relation, types, found, into.vector, str(self.file))
        into.notes.extend(notes)
        engine.append(into.table, f"select {', '.join(selects)} from {relation}")


def parquet_parts(engine: Engine, files: Sequence[Path]) -> list[ParquetPart]:
    """Describe parquet files; neighbours of the same columns and types become one part.

    Raises InputError if one is no parquet.
    """
    described = [(file, _columns(engine, file)) for file in files]
    return [
        ParquetPart([file for file, _ in group], columns)
        for columns, group in groupby(described, key=lambda pair: pair[1])
    ]


def _columns(engine: Engine, file: Path) -> list[tuple[str, str, str]]:
    import pyarrow.parquet as pq

    try:
        described = engine.described(f"select * from {parquet_file(file)}")
    except duckdb.Error as error:
        raise InputError(
            f"{file}: cannot be read as parquet: {first_line(error)}; is it complete? Write it"
            " again, or correct `format`"
        ) from error
    names = [name for name, _ in described]
    if len({name.removesuffix("_1").lower() for name in names}) < len(names):
        names = pq.read_schema(file).names
    return [(name, given, kind) for name, (given, kind) in zip(names, described, strict=True)]
