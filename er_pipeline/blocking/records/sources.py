"""Sources: where records come from. Each becomes a table of text columns, rejects beside it."""

import glob
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from er_pipeline.blocking.records.csv_files import read_csv
from er_pipeline.blocking.records.database_queries import read_query
from er_pipeline.blocking.records.generated_people import write_people
from er_pipeline.blocking.records.wanted_columns import find_columns, keep_wanted
from er_pipeline.blocking.spec.pipeline import resolved
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import OWN_COLUMNS
from er_pipeline.blocking.tables.errors import InputError, first_line
from er_pipeline.blocking.tables.sql import literal, quoted

logger = logging.getLogger(__name__)

# Rejected rows shown in an error; all of them are in the table.
EXAMPLES = 3


@dataclass(frozen=True)
class RawSource:
    """One source as read.

    table: engine table with the wanted columns, all VARCHAR; its rowid is the order read.
    origin: what to call the place in messages; never holds a password.
    rejects: engine table (line BIGINT, reason, text), one row per row that cannot be read.
    """

    table: str
    origin: str
    rejects: str
    n_records: int
    n_rejects: int


def read_source(
    engine: Engine,
    source: Source,
    wanted: Sequence[str],
    *,
    folder: Path,
    scratch: Path,
    table: str,
) -> RawSource:
    """Read the wanted columns of a source into an engine table.

    folder: where relative paths start. scratch: an existing folder for what is made on the way.
    Raises InputError if the source is missing, unreadable, empty or lacks a wanted column.
    """
    rejects = f"{table}_rejects"
    engine.make_table(rejects, "select 0::bigint as line, '' as reason, '' as text where 1 = 0")
    if source.database and source.table:
        origin = _read_database(engine, source, wanted, folder, table)
    elif source.url and source.query:
        origin = read_query(engine, source, wanted, scratch, table)
    else:
        origin = _read_files(engine, source, wanted, folder, scratch, table, rejects)
    (n_records,) = engine.row(f"select count(*) from {table}")
    (n_rejects,) = engine.row(f"select count(*) from {rejects}")
    if n_records + n_rejects == 0:
        raise InputError(f"{origin}: has no records; nothing was changed")
    logger.info("read %s records from %s", f"{n_records:,}", origin)
    return RawSource(table, origin, rejects, n_records, n_rejects)


def _read_files(
    engine: Engine,
    source: Source,
    wanted: Sequence[str],
    folder: Path,
    scratch: Path,
    table: str,
    rejects: str,
) -> str:
    if source.generate:
        made = scratch / "people.csv"
        write_people(made, n_records=source.generate.records, seed=source.generate.seed)
        read_csv(engine, [made], source.csv, wanted, table, rejects, "generated people")
        return "generated people"
    assert source.path
    pattern = resolved(source.path, folder)
    files = [Path(name) for name in sorted(glob.glob(str(pattern)))] or [pattern]
    origin = str(pattern)
    for file in files:
        if not file.is_file():
            raise InputError(f"{origin}: no such file; correct `path` in the dataset's defs.yaml")
        if file.stat().st_size == 0:
            raise InputError(f"{file}: is empty; a header line and records are needed")
    kind = source.format or _format_of(files[0])
    if kind == "csv":
        read_csv(engine, files, source.csv, wanted, table, rejects, origin)
        return origin
    listed = "[" + ", ".join(literal(str(file)) for file in files) + "]"
    try:
        if kind == "parquet":
            keep_wanted(engine, f"read_parquet({listed})", wanted, table, origin)
        else:
            names = find_columns(wanted, _json_columns(engine, listed, wanted, origin), origin)
            as_text = ", ".join(
                f"{literal(name)}: 'VARCHAR'" for name in dict.fromkeys(names.values())
            )
            keep_wanted(
                engine,
                f"read_json({listed}, columns={{{as_text}}}, {OWN_COLUMNS})",
                wanted,
                table,
                origin,
            )
    except duckdb.Error as error:
        raise InputError(f"{origin}: cannot be read as {kind}: {first_line(error)}") from error
    return origin


def _json_columns(engine: Engine, listed: str, wanted: Sequence[str], origin: str) -> list[str]:
    """Name the keys of json records; those of the first records, if all wanted ones are there."""
    names: list[str] = []
    for how in ("", ", sample_size = -1"):
        described = engine.rows(f"describe select * from read_json({listed}, {OWN_COLUMNS}{how})")
        names = [name for name, *_ in described]
        if {name.lower() for name in wanted} <= {name.lower() for name in names}:
            return names
    if names == ["json"]:  # DuckDB's name for values that are no objects
        raise InputError(
            f"{origin}: has no records; write one list of objects, or one object per line"
        )
    return names


def _format_of(file: Path) -> str:
    endings = [ending for ending in file.suffixes if ending not in (".gz", ".zst")]
    ending = endings[-1].lower() if endings else ""
    if ending in (".parquet", ".pq"):
        return "parquet"
    if ending in (".json", ".jsonl", ".ndjson"):
        return "json"
    if ending in (".csv", ".tsv", ".txt"):
        return "csv"
    raise InputError(f"{file}: the ending {ending!r} names no format; write `format: csv`")


def _read_database(
    engine: Engine, source: Source, wanted: Sequence[str], folder: Path, table: str
) -> str:
    assert source.database
    assert source.table
    file = resolved(source.database, folder)
    origin = f"{file}, table {source.table}"
    if not file.is_file():
        raise InputError(f"{file}: no such DuckDB file; correct `database`")
    name = ".".join(quoted(part) for part in ["raw_database", *source.table.split(".")])
    try:
        engine.execute(f"attach {literal(str(file))} as raw_database (read_only)")
        # A view names its tables as seen from its own database.
        engine.execute("set search_path = 'memory.main,raw_database.main'")
        keep_wanted(engine, name, wanted, table, origin)
    except duckdb.Error as error:
        raise InputError(
            f"{origin}: cannot be read: {first_line(error)}; correct `database` or `table`"
        ) from error
    finally:
        engine.execute("reset search_path")
        engine.execute("detach database if exists raw_database")
    return origin
