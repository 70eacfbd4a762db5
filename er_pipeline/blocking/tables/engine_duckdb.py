"""What differs by engine, and nothing else: here DuckDB, in memory, reading and writing parquet.

SQL is written once, in DuckDB's dialect and within the subset that other engines take too
(no unsigned integers, no NULL-aware operators on pairs, no list slices). An engine reads a table,
makes a table, writes parquet, fetches a small result, and maps a Python function over the
*distinct* values of an expression.
"""

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from er_pipeline.blocking.tables.lake import Lake

# Distinct values that pass through Python at once: about 100 MB of short strings.
VALUES_PER_BATCH = 500_000
# Of 174 million pairs: snappy 6.0 CPU s and 235 MiB, lz4_raw 6.5 and 82, zstd 6.9 and 50.
BULK_COMPRESSION = "snappy"
# For DuckDB's readers: a folder named like date=2026-11-01 is no column, least of all in place of
# the file's own.
OWN_COLUMNS = "hive_partitioning = false"


def quoted(name: str) -> str:
    """Quote an identifier for SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text constant for SQL, whatever it holds."""
    return "'" + text.replace("'", "''") + "'"


def parquet_files(folder: Path, *options: str) -> str:
    """Write the call that reads all parquet files of a folder, whatever its path holds."""
    return _read_parquet(f"{glob.escape(str(folder))}/*.parquet", options)


def parquet_file(path: Path, *options: str) -> str:
    """Write the call that reads one parquet file, whatever its path holds."""
    return _read_parquet(glob.escape(str(path)), options)


def _read_parquet(files: str, options: Sequence[str]) -> str:
    return f"read_parquet({', '.join([literal(files), OWN_COLUMNS, *options])})"


class DuckDBEngine:
    """One in-memory DuckDB. Use it as a context manager: `with DuckDBEngine() as engine`.

    threads: worker threads; None means one per core. The tables do not depend on it.
    memory_limit: as DuckDB writes it ("4GB"); None is DuckDB's own (80% of the machine).
    spill_to: folder for what does not fit into memory.
    """

    def __init__(
        self,
        threads: int | None = None,
        memory_limit: str | None = None,
        spill_to: Path | None = None,
    ) -> None:
        """Open the connection."""
        config: dict[str, Any] = {
            "autoinstall_known_extensions": "false",  # nothing is fetched at run time
            "threads": threads or os.cpu_count() or 1,
        }
        if memory_limit:
            config["memory_limit"] = memory_limit
        if spill_to:
            config["temp_directory"] = str(spill_to)
        self.con = duckdb.connect(config=config)

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
        self.con.close()

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

    def make_table(self, name: str, sql: str) -> None:
        """Make (or replace) a table of this engine from a query."""
        self.con.execute(f"create or replace table {quoted(name)} as {sql}")

    def read(self, lake: Lake, table: str, name: str | None = None) -> Path:
        """Make a table of the lake readable under its name (or another); give its folder.

        Raises LakeError if it has never been written.
        """
        folder = lake.path(table)
        self.read_folder(folder, name or table)
        return folder

    def read_folder(self, folder: Path, name: str) -> None:
        """Make all parquet files of a folder readable as one table."""
        files = parquet_files(folder)
        self.con.execute(f"create or replace view {quoted(name)} as select * from {files}")

    def write(self, sql: str, path: Path, *, bulk: bool = False) -> None:
        """Write a query's result to one parquet file, in the query's order.

        bulk: for numbers as long as the pairs. Memory stays flat and the order of the rows may
        differ from run to run (the rows do not); no dictionary is sought, since ids repeat too
        little for one and looking for it costs as much as the join.
        """
        options = f", dictionary_size_limit 256, compression {BULK_COMPRESSION}" if bulk else ""
        self.con.execute(f"set preserve_insertion_order = {str(not bulk).lower()}")
        self.con.execute(f"copy ({sql}) to {literal(str(path))} (format parquet{options})")

    def fingerprint(self, table: str, columns: Sequence[str]) -> str:
        """Give a text that changes with the rows of a table, whatever their order."""
        joined = ", ".join(f"cast({quoted(column)} as varchar)" for column in columns)
        n_rows, digest = self.row(
            f"select count(*), bit_xor(md5_number_lower(concat_ws(chr(31), {joined})))"
            f" from {quoted(table)}"
        )
        return f"{n_rows}-{digest}"

    def map_distinct(self, name: str, values_sql: str, call: Callable[[str], str | None]) -> None:
        """Make the table `name` (value, result): a Python function over distinct values.

        values_sql: a query of one VARCHAR column; NULLs and repeats in it are ignored.
        Joining the table back is 3 to 11 times cheaper than calling the function for each row.
        """
        self.con.execute(f"create or replace table {quoted(name)} (value varchar, result varchar)")
        distinct = f"select distinct v from ({values_sql}) as t(v) where v is not null"
        reader = self.con.cursor()  # a second cursor, so that rows can be written while reading
        reader.execute(distinct)
        while rows := reader.fetchmany(VALUES_PER_BATCH):
            values = [row[0] for row in rows]
            arrow = pa.table(
                {
                    "value": pa.array(values, pa.string()),
                    "result": pa.array([call(value) for value in values], pa.string()),
                }
            )
            self.con.register("mapped", arrow)
            self.con.execute(f"insert into {quoted(name)} select value, result from mapped")
            self.con.unregister("mapped")
