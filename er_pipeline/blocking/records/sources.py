"""Sources: where records come from. Each becomes a table of text columns, rejects beside it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from er_pipeline.blocking.records.database_queries import read_query
from er_pipeline.blocking.records.generated_people import write_people
from er_pipeline.blocking.records.parts import Into
from er_pipeline.blocking.records.remote_files import fetch_remote, is_remote, remote_outside
from er_pipeline.blocking.records.source_files import (
    FileSet,
    database_file,
    files_of,
    read_files,
)
from er_pipeline.blocking.records.table_formats import (
    format_of_table,
    read_table,
    table_outside,
)
from er_pipeline.blocking.records.text_values import keep_wanted
from er_pipeline.blocking.records.wanted_columns import COLUMN_CURE
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError, first_line
from er_pipeline.blocking.tables.extensions import load_extension
from er_pipeline.blocking.tables.outside import UNKNOWN, files_outside
from er_pipeline.blocking.tables.printable import without_password
from er_pipeline.blocking.tables.sql import literal, quoted

logger = logging.getLogger(__name__)

# Rejected rows shown in an error; all of them are in the table.
EXAMPLES = 3
PATH_SETTING = "`path` in the dataset's defs.yaml"


@dataclass(frozen=True)
class RawSource:
    """One source as read.

    table: engine table with the wanted columns, all VARCHAR; its rowid is the order read.
    origin: what to call the place in messages; never holds a password.
    rejects: engine table (line BIGINT, reason, text), one row per row that cannot be read.
    notes: sentences on what was assumed while reading, such as a column that one file lacks.
    """

    table: str
    origin: str
    rejects: str
    n_records: int
    n_rejects: int
    notes: Sequence[str] = ()


def read_source(
    engine: Engine,
    source: Source,
    wanted: Sequence[str],
    *,
    folder: Path,
    scratch: Path,
    table: str,
    vector: str | None = None,
) -> RawSource:
    """Read the wanted columns of a source into an engine table.

    folder: where relative paths start. scratch: an existing folder for what is made on the way.
    vector: the column that holds vectors, if there is one.
    Raises InputError if the source is missing, unreadable, empty or lacks a wanted column.
    """
    into = Into(table, f"{table}_rejects", vector)
    into.make_empty(engine, wanted)
    if source.database and source.table:
        origin = _read_database(engine, source, wanted, folder, into)
    elif source.url and source.query:
        origin = read_query(engine, source, wanted, folder, scratch, into)
    elif format_of_table(source, folder):
        origin = read_table(engine, source, wanted, folder, scratch, into)
    else:
        origin = _read_files(engine, source, wanted, folder, scratch, into)
    (n_records,) = engine.row(f"select count(*) from {table}")
    (n_rejects,) = engine.row(f"select count(*) from {into.rejects}")
    if n_records + n_rejects == 0:
        raise InputError(f"{origin}: has no records; nothing was changed")
    logger.info("read %s records from %s", f"{n_records:,}", origin)
    for note in into.notes:
        logger.warning("%s", note)
    return RawSource(table, origin, into.rejects, n_records, n_rejects, into.notes)


def source_outside(source: Source, folder: Path) -> dict[str, str]:
    """Return the fingerprints of what a source reads; of a database there is none.

    folder: where relative paths start.
    Raises InputError if there are no such files.
    """
    if format_of_table(source, folder):
        return table_outside(source, folder)
    if source.path and is_remote(source.path):
        return remote_outside(source.path, PATH_SETTING)
    if source.path:
        return files_outside(files_of(source.path, folder, PATH_SETTING).files, folder)
    if source.database:
        return {f"{source.database}, table {source.table}": UNKNOWN}
    if source.url:
        return {f"the query at {without_password(source.url)}": UNKNOWN}
    return {}  # made-up people follow from the settings


def _read_files(
    engine: Engine,
    source: Source,
    wanted: Sequence[str],
    folder: Path,
    scratch: Path,
    into: Into,
) -> str:
    if source.generate:
        made = scratch / "people.csv"
        write_people(made, n_records=source.generate.records, seed=source.generate.seed)
        found = FileSet([made], [{}], "generated people")
    else:
        assert source.path
        found = (
            fetch_remote(source.path, wanted, scratch, PATH_SETTING)
            if is_remote(source.path)
            else files_of(source.path, folder, PATH_SETTING)
        )
    read_files(
        engine,
        found,
        "csv" if source.generate else source.format,
        source.csv,
        wanted,
        into,
        scratch=scratch,
        needed=[] if source.record_id is None else [source.record_id],
        cure=COLUMN_CURE,
    )
    return found.origin


def _read_database(
    engine: Engine, source: Source, wanted: Sequence[str], folder: Path, into: Into
) -> str:
    assert source.database
    assert source.table
    kind, file = database_file(source.database, folder)
    origin = f"{file}, table {source.table}"
    if not file.is_file():
        raise InputError(f"{file}: no such DuckDB file; correct `database`")
    if kind:
        load_extension(engine, "ducklake", f"{origin}: a DuckLake")
    name = ".".join(quoted(part) for part in ["raw_database", *source.table.split(".")])
    try:
        engine.execute(f"attach {literal(f'{kind}{file}')} as raw_database (read_only)")
        # A view names its tables as seen from its own database.
        engine.execute("set search_path = 'memory.main,raw_database.main'")
        keep_wanted(engine, name, wanted, into, origin)
    except duckdb.Error as error:
        raise InputError(
            f"{origin}: cannot be read: {first_line(error)}; correct `database` or `table`"
        ) from error
    finally:
        engine.execute("reset search_path")
        engine.execute("detach database if exists raw_database")
    return origin
