"""Copied queries: what a query gives in PostgreSQL, by COPY, without an object for each value.

The server writes every column as text, as `text_values.py` would; csv comes in and parquet goes
out, both in blocks of bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from er_pipeline.blocking.records.text_values import BETWEEN, EXACT
from er_pipeline.blocking.records.wanted_columns import find_columns

if TYPE_CHECKING:
    import sqlalchemy as sa

BYTES_PER_BLOCK = 2**25
DRIVERS = ("psycopg", "psycopg2")
# Types whose values may have parts with names; these are read row by row, to say which has.
NESTED = ("json", "jsonb", "hstore")


def copy_query(
    con: "sa.Connection", query: str, wanted: Sequence[str], origin: str, file: Path
) -> bool:
    """Write the wanted columns of a query's rows into a parquet file of texts.

    con: of any database. origin: what to call the query in errors.
    Return False, with nothing written, if that is not PostgreSQL by psycopg or psycopg2, or if the
    query cannot be part of another, has values with named parts or such that are no text: who reads
    it row by row then says which.
    Raises InputError if it lacks a column.
    """
    if con.dialect.name != "postgresql" or con.dialect.driver not in DRIVERS:
        return False
    import sqlalchemy as sa

    within = f"({query.strip().rstrip(';')}\n) as q"
    packed = file.with_suffix(".csv")
    try:
        columns = _columns(con, within)
        names = find_columns(wanted, list(columns), origin)
        selected = [_as_text(name, columns[name]) for name in names.values()]
        if None in selected or len(set(names.values())) < len(names):
            return False
        sql = f"copy (select {', '.join(map(str, selected))} from {within}) to stdout (format csv)"
        with packed.open("wb") as out:
            _copy(con, sql, out)
        _to_parquet(packed, list(names), file)
    except (sa.exc.DBAPIError, _errors_of(con)):
        con.rollback()
        return False
    finally:
        packed.unlink(missing_ok=True)
    return True


def _columns(con: "sa.Connection", within: str) -> dict[str, tuple[str, str]]:
    """Return the type of every column, and its category, as pg_type has them.

    Columns of the same name cannot be selected by it; the database says so.
    """
    result = con.exec_driver_sql(f"select * from {within} limit 0")
    assert result.cursor is not None
    described: Sequence[Any] = result.cursor.description
    oids = [(column[0], int(column[1])) for column in described]
    result.close()
    listed = ", ".join(str(oid) for oid in {oid for _, oid in oids})
    found = con.exec_driver_sql(
        f"select oid::bigint, typname, typcategory from pg_type where oid in ({listed or 0})"
    )
    types = {oid: (str(name), str(category)) for oid, name, category in found}
    return {name: types[oid] for name, oid in oids}


def _as_text(name: str, kind: tuple[str, str]) -> str | None:
    """Write the expression of a column as text; None if its values may have named parts."""
    value = f'q."{name.replace(chr(34), chr(34) * 2)}"'
    typename, category = kind
    if typename in NESTED or category in ("C", "P", "R") or typename.lstrip("_") in NESTED:
        return None
    if category == "A":
        return f"nullif(array_to_string({value}, '{BETWEEN}'), '')"
    if typename in ("float4", "float8", "numeric"):
        is_whole = f"{value} = trunc({value}) and abs({value}) < {EXACT}"
        if typename == "numeric":
            is_whole = f"{value} = trunc({value})"
        return (
            f"case when {value}::text in ('NaN', 'Infinity', '-Infinity') then null"
            f" when {is_whole} then trunc({value}::numeric)::text else {value}::text end"
        )
    if typename == "timestamptz":
        return f"replace(({value} at time zone 'UTC')::text, ' ', 'T')"
    if typename == "timestamp":
        return f"replace({value}::text, ' ', 'T')"
    if typename == "inet":
        return f"abbrev({value})"
    if typename == "bytea":
        return f"convert_from(trim(both '\\x00'::bytea from {value}), 'UTF8')"
    return f"{value}::text"


def _copy(con: "sa.Connection", sql: str, out: Any) -> None:
    driver: Any = con.connection.driver_connection
    with driver.cursor() as cursor:
        if con.dialect.driver == "psycopg2":
            cursor.copy_expert(sql, out)
            return
        with cursor.copy(sql) as copy:
            for chunk in copy:
                out.write(chunk)


def _errors_of(con: "sa.Connection") -> type[Exception]:
    """Return what the driver raises by itself, without SQLAlchemy."""
    error: type[Exception] = con.dialect.loaded_dbapi.Error
    return error


def _to_parquet(packed: Path, names: Sequence[str], file: Path) -> None:
    """Write csv as COPY gives it into a parquet file of texts: nothing is NULL, "" is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in names])
    with pq.ParquetWriter(file, schema) as writer:
        if packed.stat().st_size:
            for batch in _batches(packed, {name: pa.string() for name in names}):
                writer.write_batch(batch)


def _batches(packed: Path, types: Mapping[str, Any]) -> Iterator[Any]:
    from pyarrow import csv

    yield from csv.open_csv(
        packed,
        csv.ReadOptions(column_names=list(types), block_size=BYTES_PER_BLOCK),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types=dict(types),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
