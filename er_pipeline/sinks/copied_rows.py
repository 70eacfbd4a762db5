"""Copied rows: Arrow batches into a table of PostgreSQL by COPY, without an object per value."""

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv

if TYPE_CHECKING:
    import sqlalchemy as sa

Copier = Callable[[Iterator[pa.RecordBatch]], int]


def copier_of(con: "sa.Connection", table: "sa.Table") -> Copier | None:
    """Return what copies batches into a table, within the transaction of a connection.

    None if the driver is neither psycopg nor psycopg2.
    """
    name = con.dialect.identifier_preparer.format_table(table)
    columns = ", ".join(con.dialect.identifier_preparer.quote(c.name) for c in table.columns)
    sql = f"copy {name} ({columns}) from stdin (format csv)"
    driver: Any = con.connection.driver_connection
    if con.dialect.driver == "psycopg":
        return lambda batches: _by_psycopg(driver, sql, batches)
    if con.dialect.driver == "psycopg2":
        return lambda batches: _by_psycopg2(driver, sql, batches)
    return None


def csv_chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[bytes, int]]:
    """Write batches as csv, each with the number of its rows.

    Every text is quoted, so that an empty one is none of NULL, which is written as nothing.
    """
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    for batch in batches:
        buffer = io.BytesIO()
        csv.write_csv(batch, buffer, options)
        yield buffer.getvalue(), batch.num_rows


def _by_psycopg(driver: Any, sql: str, batches: Iterator[pa.RecordBatch]) -> int:
    n_rows = 0
    with driver.cursor() as cursor, cursor.copy(sql) as copy:
        for chunk, n in csv_chunks(batches):
            copy.write(chunk)
            n_rows += n
    return n_rows


def _by_psycopg2(driver: Any, sql: str, batches: Iterator[pa.RecordBatch]) -> int:
    n_rows = 0
    with driver.cursor() as cursor:
        for chunk, n in csv_chunks(batches):
            cursor.copy_expert(sql, io.BytesIO(chunk))
            n_rows += n
    return n_rows
