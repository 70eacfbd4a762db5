"""Sources: where records come from. Each becomes a table of text columns, rejects beside it."""

import csv
import glob
import gzip
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa

from er_pipeline.blocking.records.generated_people import write_people
from er_pipeline.blocking.spec.pipeline import resolved
from er_pipeline.blocking.spec.sources_section import CsvFormat, Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import OWN_COLUMNS
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.sql import literal, quoted

csv.field_size_limit(1 << 31)  # of Python's own reader, which only judges header and quotes
logger = logging.getLogger(__name__)

DELIMITERS = (",", ";", "\t", "|")
ROWS_PER_BATCH = 50_000
# One cell may hold so much; DuckDB keeps 16 lines of this length in memory per thread.
MAX_LINE_BYTES = 4_000_000
# Rejected rows shown in an error; all of them are in the table.
EXAMPLES = 3
URL_ADVICE = (
    "write one such as postgresql+psycopg://user@host/name, @ : / of a password as %40 %3A %2F, and"
    " install its driver"
)


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
        origin = _read_query(engine, source, wanted, scratch, table)
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
        _read_csv(engine, [made], source.csv, wanted, table, rejects, "generated people")
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
        _read_csv(engine, files, source.csv, wanted, table, rejects, origin)
        return origin
    listed = "[" + ", ".join(literal(str(file)) for file in files) + "]"
    try:
        if kind == "parquet":
            _select(engine, f"read_parquet({listed})", wanted, table, origin)
        else:
            names = _need_columns(wanted, _json_columns(engine, listed, wanted, origin), origin)
            as_text = ", ".join(
                f"{literal(name)}: 'VARCHAR'" for name in dict.fromkeys(names.values())
            )
            _select(
                engine,
                f"read_json({listed}, columns={{{as_text}}}, {OWN_COLUMNS})",
                wanted,
                table,
                origin,
            )
    except duckdb.Error as error:
        raise InputError(f"{origin}: cannot be read as {kind}: {_first_line(error)}") from error
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
    raise InputError(f"{file}: the ending {ending!r} tells no format; write `format: csv`")


def _select(engine: Engine, relation: str, wanted: Sequence[str], table: str, origin: str) -> None:
    """Keep the wanted columns of a relation, as text."""
    described = engine.described(f"select * from {relation}")
    names = _need_columns(wanted, [name for name, _ in described], origin)
    columns = ", ".join(
        f"cast({quoted(names[column])} as varchar) as {quoted(column)}"
        for column in dict.fromkeys(wanted)
    )
    engine.make_table(table, f"select {columns} from {relation}")


def _need_columns(wanted: Sequence[str], present: Sequence[str], origin: str) -> dict[str, str]:
    by_lower = {name.lower(): name for name in present}
    missing = [name for name in wanted if name.lower() not in by_lower]
    if missing:
        raise InputError(
            f"{origin}: has no column {', '.join(map(repr, missing))}; it has"
            f" {', '.join(repr(name[:80]) for name in present)}."
            f"{_near(missing, present)}"
            " Correct `record_id`, `fields` or `columns`; a field that this source lacks is"
            " declared so: columns: {name: null}"
        )
    return {name: by_lower[name.lower()] for name in wanted}


def _near(missing: Sequence[str], present: Sequence[str]) -> str:
    """Suggest columns for missing ones, or another delimiter where there is one column only."""
    if len(present) == 1:
        return " Is it one column only? Else say how columns are divided: csv: {delimiter: ...}."
    near = {name: get_close_matches(name, present, n=1) for name in missing}
    told = [f"{found[0]!r} for {name!r}" for name, found in near.items() if found]
    return f" Did you mean {', '.join(told)}?" if told else ""


def _read_csv(
    engine: Engine,
    files: Sequence[Path],
    style: CsvFormat,
    wanted: Sequence[str],
    table: str,
    rejects: str,
    origin: str,
) -> None:
    header, delimiter = _header(files[0], style)
    for file in files[1:]:
        if _header(file, style) != (header, delimiter):
            raise InputError(
                f"{file}:1: its header differs from that of {files[0]}; files read together must"
                " have the same columns in the same order"
            )
    lower = [name.lower() for name in header]
    repeated = [name for name in header if lower.count(name.lower()) > 1]
    if repeated:
        raise InputError(
            f"{files[0]}:1: column {', '.join(map(repr, repeated))} stands more than once (upper"
            " and lower case are the same); rename one"
        )
    _need_columns(wanted, header, origin)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    listed = "[" + ", ".join(literal(str(file)) for file in files) + "]"
    scan = (
        f"read_csv({listed}, columns = {{{columns}}}, auto_detect = false, header = true,"
        f" delim = {literal(delimiter)}, quote = {literal(style.quote)},"
        f" escape = {literal(style.quote)}, encoding = {literal(style.encoding)},"
        f" max_line_size = {MAX_LINE_BYTES}, store_rejects = true,"
        f" rejects_table = {literal(table + '_errors')},"
        f" rejects_scan = {literal(table + '_scans')}, rejects_limit = 0, {OWN_COLUMNS})"
    )
    try:
        _select(engine, scan, wanted, table, origin)
    except duckdb.Error as error:
        for file in files:
            _check_line_ends(file)
        raise InputError(
            f"{origin}: cannot be read as csv ({style.encoding}): {_first_line(error)}"
        ) from error
    # A row can have several errors; the first one in the line is told.
    where = " || ' of ' || parse_filename(file_path)" if len(files) > 1 else ""
    # A quote that is opened by mistake takes in all lines up to the next one: each is a row lost.
    engine.make_table(
        rejects,
        f"""
        select line + i - 1 as line,
            case when i > 1 then 'taken in by the quote that opens in line ' || line
                when len(lines) > 1 then reason || ', which takes in the lines below'
                else reason end as reason,
            rtrim(lines[i], chr(13)) as text
        from (
            select *, unnest(range(1, len(lines) + 1)) as i
            from (
                select cast(line as bigint) as line, lower(error_type::varchar)
                    || coalesce(' in column ' || column_name, ''){where} as reason,
                    case when error_type::varchar = 'UNQUOTED VALUE'
                        then string_split(coalesce(csv_line, ''), chr(10))
                        else [coalesce(csv_line, '')] end as lines
                from {table}_errors
                join (select distinct file_id, file_path from {table}_scans) using (file_id)
                qualify row_number() over (partition by file_id, line order by byte_position) = 1
            )
        )
        """,
    )
    for file in files:
        _check_quotes(file, style, delimiter)


def _header(file: Path, style: CsvFormat) -> tuple[list[str], str]:
    """Read the column names of a csv file and its delimiter."""
    try:
        with _text(file, style.encoding) as lines:
            first = lines.readline(MAX_LINE_BYTES)
            unquoted = "".join(first.split(style.quote)[::2])
            counts = {mark: unquoted.count(mark) for mark in DELIMITERS}
            delimiter = style.delimiter or max(DELIMITERS, key=lambda mark: counts[mark])
            reader = csv.reader(
                _from_line(first, lines), delimiter=delimiter, quotechar=style.quote
            )
            header = next(reader, [])
    except (OSError, EOFError, UnicodeError, csv.Error) as error:
        raise InputError(
            f"{file}:1: the header cannot be read as csv ({style.encoding}): {error};"
            " correct the file, `format` or `csv`"
        ) from error
    if not any(name.strip() for name in header):
        raise InputError(f"{file}:1: has no header line; the first line must name the columns")
    if any("\x00" in name or "�" in name for name in header):
        raise InputError(
            f"{file}:1: the header is not {style.encoding} text;"
            " say `csv: {encoding: utf-16}` or `latin-1`, or correct the file"
        )
    # Spreadsheets leave columns without a name behind.
    return [name or f"column{i}" for i, name in enumerate(header)], delimiter


def _from_line(first: str, rest: IO[str]) -> Iterator[str]:
    yield first
    yield from rest


def _text(file: Path, encoding: str) -> IO[str]:
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    if file.suffix == ".gz":
        return gzip.open(file, "rt", encoding=name, errors="replace", newline="")
    return file.open("r", encoding=name, errors="replace", newline="")


def _check_quotes(file: Path, style: CsvFormat, delimiter: str) -> None:
    """Find a quote that is opened and never closed: it would swallow the rest of the file.

    The file is parsed a second time only where its quotes do not come in pairs.
    """
    mark = style.quote.encode(style.encoding if style.encoding != "utf-16" else "utf-16-le")
    opener: Any = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rb") as content:
        n_quotes = sum(chunk.count(mark) for chunk in iter(lambda: content.read(1 << 22), b""))
    if n_quotes % 2 == 0:
        return
    with _text(file, style.encoding) as lines:
        reader = csv.reader(lines, delimiter=delimiter, quotechar=style.quote, strict=True)
        began = 1
        try:
            for _ in reader:
                began = reader.line_num + 1
        except csv.Error as error:
            if "unexpected end of data" not in str(error):
                return  # a stray quote inside one row, which is among the rejects already
            raise InputError(
                f"{file}:{began}: a quote is opened in this row and never closed, so the rest of"
                " the file cannot be told apart; correct the row"
            ) from error


def _check_line_ends(file: Path) -> None:
    """Find the first line that ends otherwise than those before: DuckDB reads no such file."""
    opener: Any = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rb") as lines:
        first = next(lines).endswith(b"\r\n")
        for number, line in enumerate(lines, 2):
            if line.endswith(b"\n") and line.endswith(b"\r\n") != first:
                one, other = ("CRLF", "LF") if first else ("LF", "CRLF")
                raise InputError(
                    f"{file}:{number}: this line ends in {other}, those before in {one}; give all"
                    f" lines of the file the same end"
                )


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
        _select(engine, name, wanted, table, origin)
    except duckdb.Error as error:
        raise InputError(
            f"{origin}: cannot be read: {_first_line(error)}; correct `database` or `table`"
        ) from error
    finally:
        engine.execute("reset search_path")
        engine.execute("detach database if exists raw_database")
    return origin


def _read_query(
    engine: Engine, source: Source, wanted: Sequence[str], scratch: Path, table: str
) -> str:
    """Stream a query's rows into parquet, batch by batch, then read them back."""
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
            f"`url` is no usable SQLAlchemy URL ({_first_line(error)}); {URL_ADVICE}"
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
            names = _need_columns(wanted, list(result.keys()), origin)
            schema = pa.schema([(column, pa.string()) for column in names])
            with pq.ParquetWriter(file, schema) as writer:
                places = [list(result.keys()).index(name) for name in names.values()]
                while rows := result.fetchmany(ROWS_PER_BATCH):
                    columns = [[_as_text(row[place]) for row in rows] for place in places]
                    arrays = [pa.array(values, pa.string()) for values in columns]
                    writer.write_table(pa.table(arrays, schema=schema))
    except sa.exc.SQLAlchemyError as error:
        raise InputError(f"{origin}: {_first_line(error)}") from error
    finally:
        connect.dispose()
    _select(engine, f"read_parquet({literal(str(file))})", wanted, table, origin)
    return origin


def _as_text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return io.TextIOWrapper(io.BytesIO(bytes(value)), "utf-8", errors="replace").read()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:400]
