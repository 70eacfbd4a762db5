"""Database queries: the rows that a query on any database gives, by SQLAlchemy."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from er_pipeline.blocking.records.wanted_columns import find_columns, keep_wanted
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError, first_line
from er_pipeline.blocking.tables.sql import literal

ROWS_PER_BATCH = 50_000
URL_ADVICE = (
    "write one such as postgresql+psycopg://user@host/name, @ : / of a password as %40 %3A %2F, and"
    " install its driver"
)


def read_query(
    engine: Engine, source: Source, wanted: Sequence[str], scratch: Path, table: str
) -> str:
    """Read the wanted columns of a query's rows into a table; return what to call the query.

    The rows are streamed into a parquet file in scratch, batch by batch, and read back.
    Raises InputError if the database cannot be reached or the query fails; no password in it.
    """
    import pyarrow.parquet as pq
    import sqlalchemy as sa

    assert source.url
    assert source.query
    try:
        url = sa.make_url(source.url)
        # Some drivers take the password as a parameter.
        origin = f"query on {url.set(query={}).render_as_string(hide_password=True)}"
        connect = sa.create_engine(url)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
        raise InputError(
            f"`url` is no usable SQLAlchemy URL ({first_line(error)}); {URL_ADVICE}"
        ) from error
    except ValueError:  # its text may quote a part of the password
        raise InputError(
            f"`url` is no usable SQLAlchemy URL (its port is no number); {URL_ADVICE}"
        ) from None
    file = scratch / f"{table}.parquet"
    try:
        # As it stands: neither :name nor % in it asks for a parameter.
        options = {"stream_results": True, "no_parameters": True}
        with connect.connect().execution_options(**options) as con:
            result = con.exec_driver_sql(source.query)
            names = find_columns(wanted, list(result.keys()), origin)
            schema = pa.schema([(column, pa.string()) for column in names])
            with pq.ParquetWriter(file, schema) as writer:
                places = [list(result.keys()).index(name) for name in names.values()]
                while rows := result.fetchmany(ROWS_PER_BATCH):
                    columns = [[_as_text(row[place]) for row in rows] for place in places]
                    arrays = [pa.array(values, pa.string()) for values in columns]
                    writer.write_table(pa.table(arrays, schema=schema))
    except sa.exc.SQLAlchemyError as error:
        raise InputError(f"{origin}: {first_line(error)}") from error
    finally:
        connect.dispose()
    keep_wanted(engine, f"read_parquet({literal(str(file))})", wanted, table, origin)
    return origin


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return io.TextIOWrapper(io.BytesIO(bytes(value)), "utf-8", errors="replace").read()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
