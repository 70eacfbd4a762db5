"""The engine that is always there: DuckDB, in memory, reading and writing parquet."""

import glob
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import duckdb
import pyarrow as pa

from er_pipeline.blocking.tables.engine import Engine, Result
from er_pipeline.blocking.tables.files import made_folder
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.value_workers import ValueWorkers

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

# Distinct values that pass through Python at once, at most: about 20 MB of short texts, and of long
# ones as many as have that length together. 200,000 texts of 500 characters took 380 MiB at once.
VALUES_PER_BATCH = 100_000
CHARACTERS_PER_BATCH = 10_000_000
VALUES_PER_FETCH = 10_000
# What a frugal call may take. Ten million people are cleaned so in a process of 2.2 GiB; unbounded
# each million takes 0.8 GiB. At three million a bound of 1 GB costs no more CPU than none.
FRUGAL = "2GB"
# Few values, and tables without rows, do without Arrow: to take a table of it DuckDB imports
# pandas, for a third of a second.
VALUES_AS_PARAMETERS = 1_000
SQL_TYPES = {
    "string": "varchar",
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "float": "float",
    "double": "double",
    "bool": "boolean",
}
# Of 174 million pairs: snappy 6.0 CPU s and 235 MiB, lz4_raw 6.5 and 82, zstd 6.9 and 50.
BULK_COMPRESSION = "snappy"
# For DuckDB's readers: a folder named like date=2026-11-01 is no column, least of all in place of
# the file's own.
OWN_COLUMNS = "hive_partitioning = false"


def parquet_files(folder: Path, *options: str) -> str:
    """Write the call that reads all parquet files of a folder, whatever its path holds."""
    return _read_parquet(all_parquet(folder), options)


def all_parquet(folder: Path) -> str:
    """Write the pattern that all parquet files of a folder fit, whatever its path holds."""
    return f"{glob.escape(str(folder))}/*.parquet"


def parquet_file(path: Path, *options: str) -> str:
    """Write the call that reads one parquet file, whatever its path holds."""
    return _read_parquet(glob.escape(str(path)), options)


def _read_parquet(files: str, options: Sequence[str]) -> str:
    return f"read_parquet({', '.join([literal(files), OWN_COLUMNS, *options])})"


class DuckDBEngine:
    """One in-memory DuckDB. Use it as a context manager: `with DuckDBEngine() as engine`.

    threads: worker threads; None means one per core. The tables do not depend on it.
    memory_limit: as DuckDB writes it ("4GB"); None is DuckDB's own (80% of the machine).
    spill_to: folder for what does not fit into memory; each engine has a folder of its own in it,
    since DuckDB 1.4 writes files of the same names in every process.
    """

    def __init__(
        self,
        threads: int | None = None,
        memory_limit: str | None = None,
        spill_to: Path | None = None,
    ) -> None:
        """Open the connection."""
        n_threads = threads or os.cpu_count() or 1
        config: dict[str, Any] = {
            "autoinstall_known_extensions": "false",  # nothing is fetched at run time
            "threads": n_threads,
            # What a query gave free goes back to the machine while the next one runs: 100 MiB less
            # at the peak of 200,000 records of 500 characters.
            "allocator_background_threads": "true",
        }
        if memory_limit:
            config["memory_limit"] = memory_limit
        self._spilled = ExitStack()
        self._is_bounded = memory_limit is not None or spill_to is None
        self._workers = ValueWorkers(n_threads)
        if spill_to:
            folder = spill_to / f"{os.getpid()}-{secrets.token_hex(3)}"
            self._spilled.enter_context(made_folder(folder))
            self._spilled.callback(shutil.rmtree, folder, ignore_errors=True)
            config["temp_directory"] = str(folder)
        try:
            self.con = duckdb.connect(config=config)
            # Instants are the same days on every machine.
            self.con.execute("set TimeZone = 'UTC'")
            # DuckDB draws one on stdout, amid the answer, where python -c or a notebook runs.
            self.con.execute("set enable_progress_bar = false")
        except BaseException:
            self._spilled.close()
            raise

    def __enter__(self) -> Self:
        """Give the engine itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection; its tables are gone."""
        self._workers.close()
        self.con.close()
        self._spilled.close()

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        """Run one statement."""
        self.con.execute(sql, parameters)

    def rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Fetch a small result as Python rows."""
        return self.con.execute(sql, parameters).fetchall()

    def row(self, sql: str) -> tuple[Any, ...]:
        """Fetch the one row of an aggregate."""
        rows = self.rows(sql)  # to the end: DuckDB registers nothing while a result is open
        assert len(rows) == 1, f"an aggregate gives one row: {sql}"
        return rows[0]

    def columns(
        self, sql: str, parameters: Sequence[Any] | None = None
    ) -> "Mapping[str, NDArray[Any]]":
        """Fetch a result as one array per column; a column with NULLs is a masked array.

        The whole result lies in memory: callers state what bounds it.
        """
        return cast("Mapping[str, NDArray[Any]]", self.con.execute(sql, parameters).fetchnumpy())

    def batches(self, sql: str, n_rows: int) -> "Iterator[Mapping[str, NDArray[Any]]]":
        """Stream a result without NULLs, some so many rows at a time, one array per column.

        Memory stays flat. Other queries may run meanwhile.
        """
        for batch in self.record_batches(sql, n_rows):
            yield {name: batch[name].to_numpy() for name in batch.schema.names}

    def record_batches(self, sql: str, n_rows: int) -> Iterator[pa.RecordBatch]:
        """Stream a result, some so many rows at a time, as Arrow; memory stays flat.

        Other queries may run meanwhile.
        """
        with self.con.cursor() as reader:
            result = reader.sql(sql)
            # The second name is that of DuckDB 1.4.
            stream = getattr(result, "to_arrow_reader", None) or result.fetch_arrow_reader
            yield from stream(n_rows)

    def arrow(self, sql: str) -> pa.Table:
        """Fetch a bounded result as an Arrow table."""
        return self.con.sql(sql).to_arrow_table()

    def frame(self, sql: str) -> "pd.DataFrame":
        """Fetch a bounded result as a data frame."""
        return self.con.execute(sql).df()

    def described(self, sql: str) -> list[tuple[str, str]]:
        """List the (name, type) of a query's columns, without running it."""
        return [(name, kind) for name, kind, *_ in self.rows(f"describe {sql}")]

    def make_table(self, name: str, sql: str) -> None:
        """Make (or replace) a table of this engine from a query."""
        self.con.execute(f"create or replace table {quoted(name)} as {sql}")

    def make_view(self, name: str, sql: str) -> None:
        """Make (or replace) a view; what it reads is not replaced afterwards."""
        self.con.execute(f"create or replace view {quoted(name)} as {sql}")

    def append(self, name: str, sql: str) -> None:
        """Add the rows of a query to a table, column by column in their order."""
        self.con.execute(f"insert into {quoted(name)} {sql}")

    def drop(self, name: str) -> None:
        """Drop a table."""
        self.con.execute(f"drop table {quoted(name)}")

    def put(self, name: str, values: "pa.Table | Mapping[str, NDArray[Any]]") -> None:
        """Make (or replace) a table from values in memory."""
        table = values if isinstance(values, pa.Table) else pa.table(dict(values))
        types = [SQL_TYPES.get(str(field.type)) for field in table.schema]
        if not table.num_rows and all(types):
            named = zip(table.schema.names, types, strict=True)
            columns = ", ".join(f"{quoted(column)} {kind}" for column, kind in named)
            self.con.execute(f"create or replace table {quoted(name)} ({columns})")
            return
        self.con.register("values_put", table)
        try:
            self.make_table(name, "select * from values_put")
        finally:
            self.con.unregister("values_put")

    def read_folder(self, folder: Path, name: str, *, row_numbers: bool = False) -> None:
        """Make all parquet files of a folder readable as one table.

        row_numbers: adds the column file_row_number, the row's place in its file.
        """
        options = ["file_row_number = true"] if row_numbers else []
        if len(list(folder.glob("*.parquet"))) > 1:
            # DuckDB takes all files to be as long as the first one. Of 173 million pairs in six it
            # knew of one million, so joins with a few pairs kept all the others in memory.
            (n_rows,) = self.row(
                "select coalesce(sum(num_rows), 0)::bigint"
                f" from parquet_file_metadata({literal(all_parquet(folder))})"
            )
            options.append(f"explicit_cardinality = {n_rows}")
        self.make_view(name, f"select * from {parquet_files(folder, *options)}")

    def read_file(self, path: Path, name: str, *, row_numbers: bool = False) -> None:
        """Make one parquet file readable as a table; row_numbers: as in `read_folder`."""
        options = ["file_row_number = true"] if row_numbers else []
        self.make_view(name, f"select * from {parquet_file(path, *options)}")

    def write(self, sql: str, path: Path, *, bulk: bool = False) -> None:
        """Write a query's result to one parquet file, in the query's order.

        bulk: for numbers as long as the pairs. Memory stays flat and the order of the rows may
        differ from run to run (the rows do not); no dictionary is sought, since ids repeat too
        little for one and looking for it costs as much as the join.
        """
        options = f", dictionary_size_limit 256, compression {BULK_COMPRESSION}" if bulk else ""
        self.con.execute(f"set preserve_insertion_order = {str(not bulk).lower()}")
        self.con.execute(f"copy ({sql}) to {literal(str(path))} (format parquet{options})")

    def write_folder(self, sql: str, folder: Path, *, file_size: str) -> None:
        """Write a query's result to parquet files of about a size ("256MB") in a new folder."""
        self.con.execute(
            f"copy ({sql}) to {literal(str(folder))}"
            f" (format parquet, file_size_bytes {literal(file_size)})"
        )

    def fingerprint(self, table: str, columns: Sequence[str]) -> str:
        """Return a text that changes with the rows of a table, whatever their order.

        Rows must be distinct: of two equal ones neither would count.
        """
        # concat_ws passes NULL over, and so would take (a, NULL, b) for (a, b, NULL).
        joined = ", ".join(
            f"coalesce(cast({quoted(column)} as varchar), chr(30))" for column in columns
        )
        row = self.row_hash(f"concat_ws(chr(31), {joined})")
        n_rows, digest = self.row(f"select count(*), bit_xor({row}) from {quoted(table)}")
        return f"{n_rows}-{digest}"

    def frugally(self, call: Callable[[], Result]) -> Result:
        """Call a function with little memory, unless the user has set a limit; spill the rest.

        Where something cannot be spilled it is called once more, without a bound.
        """
        if self._is_bounded:
            return call()
        self.con.execute(f"set memory_limit = {literal(FRUGAL)}")
        try:
            return call()
        except Exception as error:
            if not _ran_out_of_memory(error):
                raise
            logger.info("%s do not suffice; once more without that bound", FRUGAL)
        finally:
            self.con.execute("reset memory_limit")
        return call()

    def row_hash(self, sql: str) -> str:
        """Write the expression of a well-mixed whole number below 2^64, for a text expression."""
        return f"md5_number_lower({sql})"

    def map_distinct(
        self,
        name: str,
        values_sql: str,
        call: Callable[[str], str | None],
        kept: str = "value",
    ) -> None:
        """Make the table `name` (value, result): a Python function over distinct values.

        values_sql: a query of one VARCHAR column; NULLs and repeats in it are ignored. kept: an
        expression over value that stands in the table in its place.
        Joining the table back is 3 to 11 times cheaper than calling the function for each row. A
        function that can be pickled is called in several processes, if there are many values.
        """
        self.con.execute(f"create or replace table {quoted(name)} (value varchar, result varchar)")
        distinct = f"select distinct v from ({values_sql}) as t(v) where v is not null"
        reader = self.con.cursor()  # a second cursor, so that rows can be written while reading
        reader.execute(distinct)
        while values := _next_values(reader):
            results = self._workers.results(call, values)
            if len(values) <= VALUES_AS_PARAMETERS:
                mapped = "select unnest($1::varchar[]) as value, unnest($2::varchar[]) as result"
                self.con.execute(
                    f"insert into {quoted(name)} select {kept}, result from ({mapped})",
                    [values, results],
                )
                continue
            arrow = pa.table(
                {
                    "value": pa.array(values, pa.string()),
                    "result": pa.array(results, pa.string()),
                }
            )
            self.con.register("mapped", arrow)
            self.con.execute(f"insert into {quoted(name)} select {kept}, result from mapped")
            self.con.unregister("mapped")

    def record_wise(
        self, records: str, columns: Sequence[str], query: Callable[[Engine, str], str]
    ) -> str:
        """Write the query of rows that each follow from one record alone."""
        return query(self, records)


def _ran_out_of_memory(error: BaseException | None) -> bool:
    """Whether that is what an error, or the one that it explains, says."""
    while error and not isinstance(error, duckdb.OutOfMemoryException):
        error = error.__cause__
    return error is not None


def _next_values(reader: duckdb.DuckDBPyConnection) -> list[str]:
    """Fetch the next values of one column, as many as a batch holds; none at the end."""
    values: list[str] = []
    n_characters = 0
    while len(values) < VALUES_PER_BATCH and n_characters < CHARACTERS_PER_BATCH:
        rows = reader.fetchmany(VALUES_PER_FETCH)
        values += [value for (value,) in rows]
        n_characters += sum(len(value) for (value,) in rows)
        if len(rows) < VALUES_PER_FETCH:
            break
    return values
