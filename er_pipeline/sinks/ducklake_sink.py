"""The DuckLake sink: tables in a schema of a DuckLake, all in one snapshot of it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from er_pipeline.blocking.spec.settings import resolved
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError, SinkError, first_line
from er_pipeline.blocking.tables.extensions import load_extension
from er_pipeline.blocking.tables.moments import moment
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.sinks.contents import Content
from er_pipeline.sinks.ledger import (
    COLUMNS,
    LEDGER,
    Entry,
    check_owner,
    holds_all,
    shape_of,
)

ATTACHED = "er_pipeline_ducklake"
# Metadata in another database: postgres:dbname=..., mysql:..., sqlite:file.
IN_DATABASE = re.compile(r"^(\w{2,}):")
# Extensions that the metadata need, besides that of DuckLake itself.
EXTENSION_OF = {
    "postgres": "postgres_scanner",
    "mysql": "mysql_scanner",
    "sqlite": "sqlite_scanner",
}


class DuckLakeSink:
    """A schema of a DuckLake.

    metadata: a file, or as DuckDB attaches it after `ducklake:`. data_path: where its files are to
    be if it is made now; as DuckDB chooses if None.
    """

    def __init__(
        self, metadata: str, dataset: str, schema: str | None, data_path: str | None, folder: Path
    ) -> None:
        """Name the place; nothing is read or made yet. folder: where relative paths start."""
        found = IN_DATABASE.match(metadata)
        self._kind = found[1] if found else None
        if not found:
            self._metadata = str(resolved(metadata, folder))
        elif self._kind == "sqlite":
            self._metadata = f"sqlite:{resolved(metadata[found.end() :], folder)}"
        else:
            self._metadata = metadata
        self._data_path = data_path
        if data_path and "://" not in data_path:
            self._data_path = str(resolved(data_path, folder))
        self.dataset, self.schema = dataset, schema or dataset

    @property
    def where(self) -> str:
        """The file of the metadata or the kind of their database, and the schema."""
        shown = f"{self._kind}:…" if self._kind else self._metadata
        return f"DuckLake {shown}, schema {self.schema}"

    def is_current(self, engine: Engine, contents: Sequence[Content]) -> bool:
        """Say whether the ledger there names these contents."""
        if not self._kind and not Path(self._metadata).exists():
            return False
        with self._attached(engine):
            there = self._tables(engine)
            return holds_all(self._entries(engine, there), there, self.dataset, contents)

    def write(self, engine: Engine, contents: Sequence[Content]) -> dict[str, int]:
        """Write all tables in one transaction."""
        schema = f"{ATTACHED}.{quoted(self.schema)}"
        ledger = f"{schema}.{LEDGER}"
        with self._attached(engine):
            engine.execute("begin")
            try:
                engine.execute(f"create schema if not exists {schema}")
                there = self._tables(engine)
                entries = self._entries(engine, there)
                check_owner(entries, there, self.dataset, contents, self.where)
                if LEDGER not in there:
                    columns = ", ".join(f"{column} varchar" for column in COLUMNS)
                    engine.execute(f"create table {ledger} ({columns})")
                rows = {}
                for content in contents:
                    table = f"{schema}.{quoted(content.table)}"
                    shape = shape_of(engine.described(content.sql))
                    if content.table in there and entries[content.table].shape == shape:
                        engine.execute(f"delete from {table}")  # the same table goes on
                        engine.execute(f"insert into {table} {content.sql}")
                    else:
                        engine.execute(f"drop table if exists {table}")
                        engine.execute(f"create table {table} as {content.sql}")
                    (rows[content.table],) = engine.row(f"select count(*) from {table}")
                    engine.execute(
                        f"delete from {ledger} where table_name = {literal(content.table)}"
                    )
                    values = (self.dataset, content.table, content.stamp, shape, moment())
                    engine.execute(
                        f"insert into {ledger} values ({', '.join(map(literal, values))})"
                    )
                engine.execute("commit")
            except BaseException:
                engine.execute("rollback")
                raise
            return rows

    def _tables(self, engine: Engine) -> list[str]:
        found = engine.rows(
            "select table_name from information_schema.tables"
            f" where table_catalog = '{ATTACHED}' and table_schema = {literal(self.schema)}"
        )
        return [name for (name,) in found]

    def _entries(self, engine: Engine, there: Sequence[str]) -> dict[str, Entry]:
        if LEDGER not in there:
            return {}
        rows = engine.rows(
            "select table_name, dataset, stamp, shape"
            f" from {ATTACHED}.{quoted(self.schema)}.{LEDGER}"
        )
        return {table: Entry(*entry) for table, *entry in rows}

    @contextmanager
    def _attached(self, engine: Engine) -> Iterator[None]:
        """Attach the DuckLake; raise SinkError for what DuckDB says."""
        try:
            load_extension(engine, "ducklake", f"{self.where}:")
            if self._kind in EXTENSION_OF:
                load_extension(engine, EXTENSION_OF[str(self._kind)], f"{self.where}:")
        except InputError as error:
            raise SinkError(str(error)) from error
        option = f" (data_path {literal(self._data_path)})" if self._data_path else ""
        try:
            engine.execute(f"attach {literal(f'ducklake:{self._metadata}')} as {ATTACHED}{option}")
            try:
                yield
            finally:
                engine.execute(f"detach {ATTACHED}")
        except duckdb.Error as error:
            said = first_line(error)
            if self._kind:  # how to log in stands in it
                said = said.replace(self._metadata, f"{self._kind}:…")
                for word in self._metadata.split():
                    said = said.replace(word.split("=")[-1], "…") if "=" in word else said
            raise SinkError(f"{self.where}: {said}; it is as it was") from error
