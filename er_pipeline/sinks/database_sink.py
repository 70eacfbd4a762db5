"""The database sink: tables in a schema of any database that SQLAlchemy opens.

All tables are written in one transaction: what stands there is deleted and the new rows come in,
by COPY where the database is PostgreSQL. So readers see the old tables or the new ones, and views,
grants and indexes on them stay. A table whose columns have changed is made anew.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import SinkError
from er_pipeline.blocking.tables.moments import moment
from er_pipeline.blocking.tables.printable import without_password
from er_pipeline.sinks.column_types import column_type, selected
from er_pipeline.sinks.contents import Content
from er_pipeline.sinks.copied_rows import copier_of
from er_pipeline.sinks.ledger import (
    COLUMNS,
    LEDGER,
    Entry,
    check_owner,
    holds_all,
    shape_of,
)
from er_pipeline.sinks.sink import ROWS_PER_BATCH

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

# Databases without COPY get rows as Python objects, so fewer at a time.
ROWS_PER_INSERT = 5_000
URL_ADVICE = (
    "write one such as postgresql+psycopg://user@host/name, @ : / of a password as %40 %3A %2F, and"
    " install its driver: pip install 'er_pipeline[postgres]' for PostgreSQL"
)
Rows = Callable[[], "Iterator[pa.RecordBatch]"]


class DatabaseSink:
    """A schema of a database.

    url: as SQLAlchemy takes it. schema: None is the dataset's name in PostgreSQL, and that of the
    connection elsewhere.
    """

    def __init__(self, url: str, dataset: str, schema: str | None = None) -> None:
        """Name the place; no connection is made yet.

        Raises SinkError if the URL cannot be used; no password is in it.
        """
        import sqlalchemy as sa

        self.dataset = dataset
        try:
            self._url = sa.make_url(url)
            self._database = sa.create_engine(self._url)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
            said = _first_line(error)
            raise SinkError(f"`database` is no usable URL ({said}); {URL_ADVICE}") from error
        except ValueError:  # its text may quote a part of the password
            raise SinkError(
                f"`database` is no usable URL (its port is no number); {URL_ADVICE}"
            ) from None
        self._is_postgres = self._database.dialect.name == "postgresql"
        self.schema = schema or (dataset if self._is_postgres else None)

    @property
    def where(self) -> str:
        """The URL without its password, and the schema."""
        shown = self._url.set(query={}).render_as_string(hide_password=True)
        return f"{shown}, schema {self.schema}" if self.schema else shown

    def is_current(self, engine: Engine, contents: Sequence[Content]) -> bool:
        """Say whether the ledger there names these contents."""
        with self._explained(), self._database.connect() as con:
            there = self._tables(con)
            return holds_all(self._entries(con, there), there, self.dataset, contents)

    def write(self, engine: Engine, contents: Sequence[Content]) -> dict[str, int]:
        """Write all tables in one transaction, as far as the database has them."""
        columns = {content.table: engine.described(content.sql) for content in contents}
        with self._explained(), self._database.begin() as con:
            self._make_schema(con)
            there = self._tables(con)
            entries = self._entries(con, there)
            check_owner(entries, there, self.dataset, contents, self.where)
            # Some databases end a transaction at each table that is made, so these come first.
            made = {}
            for content in contents:
                shape = shape_of(columns[content.table])
                fits = content.table in there and entries[content.table].shape == shape
                made[content.table] = self._table(con, content.table, columns[content.table], fits)
            ledger = self._ledger(con, LEDGER in there)
            rows = {}
            for content in contents:
                con.execute(made[content.table].delete())
                rows[content.table] = self._fill(
                    con, made[content.table], engine, content, columns[content.table]
                )
                con.execute(ledger.delete().where(ledger.c.table_name == content.table))
                shape = shape_of(columns[content.table])
                values = (self.dataset, content.table, content.stamp, shape, moment())
                con.execute(ledger.insert(), dict(zip(COLUMNS, values, strict=True)))
            return rows

    def _fill(
        self,
        con: "sa.Connection",
        table: "sa.Table",
        engine: Engine,
        content: Content,
        columns: Sequence[tuple[str, str]],
    ) -> int:
        sql = selected(columns, content.sql, has_arrays=self._is_postgres)
        copy = copier_of(con, table) if self._is_postgres else None
        if copy:
            return copy(engine.record_batches(sql, ROWS_PER_BATCH))
        n_rows = 0
        for batch in engine.record_batches(sql, ROWS_PER_INSERT):
            con.execute(table.insert(), batch.to_pylist())
            n_rows += batch.num_rows
        return n_rows

    def _table(
        self, con: "sa.Connection", name: str, columns: Sequence[tuple[str, str]], fits: bool
    ) -> "sa.Table":
        """Return a table, made anew unless it fits already."""
        import sqlalchemy as sa

        table = sa.Table(
            name,
            sa.MetaData(),
            *(
                sa.Column(column, column_type(kind, has_arrays=self._is_postgres))
                for column, kind in columns
            ),
            schema=self.schema,
        )
        if not fits:
            table.drop(con, checkfirst=True)
            table.create(con)
        return table

    def _make_schema(self, con: "sa.Connection") -> None:
        import sqlalchemy as sa

        if self.schema and self.schema not in sa.inspect(con).get_schema_names():
            con.execute(sa.schema.CreateSchema(self.schema))

    def _tables(self, con: "sa.Connection") -> list[str]:
        """List what stands in the schema; none if it is not there yet."""
        import sqlalchemy as sa

        seen = sa.inspect(con)
        if self.schema and self.schema not in seen.get_schema_names():
            return []
        return [*seen.get_table_names(self.schema), *seen.get_view_names(self.schema)]

    def _ledger(self, con: "sa.Connection", is_there: bool) -> "sa.Table":
        import sqlalchemy as sa

        columns = [sa.Column(name, sa.Text()) for name in COLUMNS]
        ledger = sa.Table(LEDGER, sa.MetaData(), *columns, schema=self.schema)
        if not is_there:
            ledger.create(con)
        return ledger

    def _entries(self, con: "sa.Connection", there: Sequence[str]) -> dict[str, Entry]:
        if LEDGER not in there:
            return {}
        rows = con.execute(self._ledger(con, True).select())
        return {table: Entry(dataset, stamp, shape) for dataset, table, stamp, shape, _ in rows}

    @contextmanager
    def _explained(self) -> "Iterator[None]":
        """Raise a SinkError of one sentence for what the database says; no password in it."""
        import sqlalchemy as sa

        of_driver = self._database.dialect.loaded_dbapi.Error
        try:
            yield
        except (sa.exc.SQLAlchemyError, of_driver) as error:
            said = without_password(_first_line(error))
            if self._url.password:
                said = said.replace(str(self._url.password), "***")
            raise SinkError(f"{self.where}: {said}; it is as it was") from error
        finally:
            self._database.dispose()


def _first_line(error: BaseException) -> str:
    """Return what a database says first: the lines after it quote values and statements."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:400]
