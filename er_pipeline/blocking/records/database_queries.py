"""Database queries: the rows that a query on any database gives, by SQLAlchemy."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from er_pipeline.blocking.records.copied_queries import copy_query
from er_pipeline.blocking.records.parts import Into
from er_pipeline.blocking.records.text_values import BETWEEN, EXACT, keep_wanted
from er_pipeline.blocking.records.wanted_columns import find_columns
from er_pipeline.blocking.spec.settings import resolved_url
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import parquet_file
from er_pipeline.blocking.tables.errors import InputError, first_line

if TYPE_CHECKING:
    import sqlalchemy as sa

ROWS_PER_BATCH = 50_000
URL_ADVICE = (
    "write one such as postgresql+psycopg://user@host/name, @ : / of a password as %40 %3A %2F, and"
    " install its driver"
)


def read_query(
    engine: Engine,
    source: Source,
    wanted: Sequence[str],
    folder: Path,
    scratch: Path,
    into: Into,
) -> str:
    """Read the wanted columns of a query's rows into a table; return what to call the query.

    folder: where the relative path of a database that is a file starts.
    The rows are streamed into a parquet file in scratch, by COPY from PostgreSQL and else batch by
    batch, and read back.
    Raises InputError if the database cannot be reached, the query fails or a value has no text; no
    password in it.
    """
    import sqlalchemy as sa

    assert source.url
    assert source.query
    try:
        url = sa.make_url(resolved_url(source.url, folder))
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
    file = scratch / f"{into.table}.parquet"
    try:
        # As it stands: neither :name nor % in it asks for a parameter.
        options = {"stream_results": True, "no_parameters": True}
        with connect.connect().execution_options(**options) as con:
            if not copy_query(con, source.query, wanted, origin, file):
                _read_rows(con, source.query, wanted, origin, file)
    except sa.exc.SQLAlchemyError as error:
        raise InputError(f"{origin}: {first_line(error)}") from error
    finally:
        connect.dispose()
    keep_wanted(engine, parquet_file(file), wanted, into, origin)
    return origin


def _read_rows(
    con: "sa.Connection", query: str, wanted: Sequence[str], origin: str, file: Path
) -> None:
    """Write the wanted columns of a query's rows into a parquet file of texts, batch by batch."""
    import pyarrow.parquet as pq

    result = con.exec_driver_sql(query)
    names = find_columns(wanted, list(result.keys()), origin)
    schema = pa.schema([(column, pa.string()) for column in names])
    with pq.ParquetWriter(file, schema) as writer:
        places = [list(result.keys()).index(name) for name in names.values()]
        n_read = 0
        while rows := result.fetchmany(ROWS_PER_BATCH):
            columns = list(zip(*rows, strict=True))
            arrays = [
                _text_array(columns[place], f"{origin}: column {name!r}", n_read)
                for name, place in zip(names.values(), places, strict=True)
            ]
            n_read += len(rows)
            writer.write_table(pa.table(arrays, schema=schema))


def _text_array(values: Sequence[Any], place: str, n_before: int) -> pa.Array:
    """Turn values into texts, all at once where they are texts or whole numbers."""
    try:
        found = pa.array(values)
    except (pa.ArrowException, OverflowError):  # of several types
        found = None
    if found is not None:
        kind = found.type
        if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind):
            return found.cast(pa.string())
    return pa.array(_texts(values, place, n_before), pa.string())


def _texts(values: Sequence[Any], place: str, n_before: int) -> list[str | None]:
    """Turn values into texts, as `text_sql` does with those of a parquet file."""
    texts = []
    for i, value in enumerate(values, n_before + 1):
        try:
            texts.append(_as_text(value))
        except UnicodeDecodeError as error:
            raise InputError(
                f"{place} of row {i} holds bytes that are no UTF-8 text"
                f" (0x{error.object[error.start]:02X}); write the column as text in `query`"
            ) from None
        except TypeError:
            raise InputError(
                f"{place} of row {i} holds an object, no single value; choose its parts in `query`"
            ) from None
    return texts


def _as_text(value: Any) -> str | None:
    """Return a value as text; raise TypeError if it has named parts, and UnicodeDecodeError."""
    if value is None or value != value:  # NaN
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8").rstrip("\0")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal):
        if not isfinite(value):
            return None
        is_whole = value == int(value) and (isinstance(value, Decimal) or abs(value) < EXACT)
        return str(int(value)) if is_whole else str(value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat()
    if isinstance(value, Mapping):
        raise TypeError
    if isinstance(value, list | tuple | set | frozenset):
        return BETWEEN.join(filter(None, map(_as_text, value))) or None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
