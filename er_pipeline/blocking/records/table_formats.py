"""Table formats: Delta and Iceberg, folders whose log says which files count and which rows.

Each is read by its own library, an extra, in batches of Arrow; only the wanted columns.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from er_pipeline.blocking.records.parts import Into
from er_pipeline.blocking.records.remote_files import is_remote, origin_of
from er_pipeline.blocking.records.text_values import keep_wanted
from er_pipeline.blocking.records.wanted_columns import find_columns
from er_pipeline.blocking.spec.settings import resolved
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import parquet_file
from er_pipeline.blocking.tables.errors import InputError, first_line
from er_pipeline.blocking.tables.printable import without_password
from er_pipeline.blocking.tables.sql import quoted

if TYPE_CHECKING:
    import pyarrow as pa

# What lies in the folder of a table -> its format.
LOGS = {"_delta_log": "delta", "metadata": "iceberg"}
METADATA = "*.metadata.json"


class Table(Protocol):
    """A table of one of the formats, opened."""

    @property
    def columns(self) -> Sequence[str]:
        """Its columns."""

    @property
    def version(self) -> str:
        """What changes with every change of its rows."""

    def batches(self, columns: Sequence[str]) -> "Iterable[pa.RecordBatch]":
        """Give the rows of some columns."""


def format_of_table(source: Source, folder: Path) -> str | None:
    """Return the format of a source's path: as declared, or as its folder shows; None if neither.

    folder: where relative paths start. What lies on another machine is only known if declared.
    """
    if source.format in LOGS.values():
        return source.format
    if not source.path or source.format or is_remote(source.path):
        return None
    place = resolved(source.path, folder)
    if (place / "_delta_log").is_dir():
        return "delta"
    return "iceberg" if any((place / "metadata").glob(METADATA)) else None


def read_table(
    engine: Engine,
    source: Source,
    wanted: Sequence[str],
    folder: Path,
    scratch: Path,
    into: Into,
) -> str:
    """Read the wanted columns of a table into an engine table; return what to call it.

    Raises InputError if it cannot be opened or lacks a column.
    """
    import pyarrow.parquet as pq

    place, origin = _place(source, folder)
    file = scratch / f"{into.table}.parquet"
    with _explained(origin):
        table = _open(source, folder, place)
        names = find_columns(list(dict.fromkeys(wanted)), table.columns, origin)
        columns = list(dict.fromkeys(names.values()))
        writer: pq.ParquetWriter | None = None
        for batch in table.batches(columns):
            writer = writer or pq.ParquetWriter(file, batch.schema)
            writer.write_batch(batch)
        if writer is None:
            raise InputError(f"{origin}: has no records; nothing was changed")
        writer.close()
    keep_wanted(engine, parquet_file(file), wanted, into, origin)
    return origin


def table_outside(source: Source, folder: Path) -> dict[str, str]:
    """Return the version of a table, by its place.

    Raises InputError if it cannot be opened.
    """
    place, origin = _place(source, folder)
    with _explained(origin):
        return {origin: _open(source, folder, place).version}


@dataclass(frozen=True)
class _Opened:
    table: Any

    @property
    def columns(self) -> Sequence[str]:
        return [field.name for field in self.table.schema().fields]


class _Delta(_Opened):
    @property
    def version(self) -> str:
        return f"{self.table.metadata().id}:{self.table.version()}"

    def batches(self, columns: Sequence[str]) -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa
        from deltalake import QueryBuilder

        listed = ", ".join(map(quoted, columns))
        query = QueryBuilder().register("records", self.table)
        found = query.execute(f"select {listed} from records")
        yield from pa.RecordBatchReader.from_stream(found)


class _Iceberg(_Opened):
    @property
    def version(self) -> str:
        snapshot = self.table.current_snapshot()
        return f"{self.table.metadata.table_uuid}:{snapshot.snapshot_id if snapshot else 0}"

    def batches(self, columns: Sequence[str]) -> "Iterator[pa.RecordBatch]":
        yield from self.table.scan(selected_fields=tuple(columns)).to_arrow_batch_reader()


def _open(source: Source, folder: Path, place: str) -> Table:
    if format_of_table(source, folder) == "delta":
        try:
            from deltalake import DeltaTable
        except ImportError as error:
            raise _needs("delta", "a Delta table") from error
        return _Delta(DeltaTable(place))
    try:
        from pyiceberg.table import StaticTable
    except ImportError as error:
        raise _needs("iceberg", "an Iceberg table") from error
    return _Iceberg(StaticTable.from_metadata(_metadata(place)))


def _metadata(place: str) -> str:
    """Return the file that describes an Iceberg table as it is now."""
    folder = Path(place) / "metadata"
    if not folder.is_dir():
        return place  # the file itself, maybe on another machine
    hint = folder / "version-hint.text"
    if hint.is_file():
        version = hint.read_text("utf-8").strip()
        for name in (f"v{version}.metadata.json", f"{version}.metadata.json", version):
            if (folder / name).is_file():
                return str(folder / name)
    # 00002-<uuid>.metadata.json, v2.metadata.json: the last one is that of now.
    return str(max(folder.glob(METADATA), key=lambda file: (_number(file.name), file.name)))


def _number(name: str) -> int:
    digits = name.lstrip("v").partition("-")[0].partition(".")[0]
    return int(digits) if digits.isdigit() else -1


def _place(source: Source, folder: Path) -> tuple[str, str]:
    assert source.path
    if is_remote(source.path):
        return source.path, origin_of(source.path)
    place = str(resolved(source.path, folder))
    return place, place


def _needs(extra: str, what: str) -> InputError:
    return InputError(f"{what} needs a library of its own: pip install 'er_pipeline[{extra}]'")


@contextmanager
def _explained(origin: str) -> Iterator[None]:
    """Say what a library says in one sentence: each has errors of many classes."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        said = without_password(first_line(error))
        raise InputError(f"{origin}: cannot be read: {said}; correct `path` or `format`") from error
