"""The engine of a cluster: the SQL of the steps on Spark Connect, tables as parquet files.

Every engine table is a folder of parquet files below `scratch`, so that no plan grows from
statement to statement and a lost executor costs nothing that was done. The cluster and the driver
both see that folder and the lake, by the same path.
"""

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

import pyarrow as pa
import pyarrow.parquet as pq

from er_pipeline.blocking.tables.arrow_values import as_array, plain_value
from er_pipeline.blocking.tables.cluster import Cluster
from er_pipeline.blocking.tables.engine import Engine, Result
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BudgetError, LakeError, first_line
from er_pipeline.blocking.tables.executors import (
    Executors,
    mapped_values,
    raise_as_here,
)
from er_pipeline.blocking.tables.files import link_file, made_folder
from er_pipeline.blocking.tables.spark_session import lent_session
from er_pipeline.blocking.tables.spark_sql import signed_hash, to_spark, without_order
from er_pipeline.blocking.tables.sql import quoted

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

# Rows that a result may have in this process: sizes and counts, never pairs.
MOST_ROWS = 5_000_000


class SparkEngine:
    """One session on a cluster. Use it as a context manager: `with SparkEngine(...) as engine`.

    scratch: a folder that cluster and driver see alike; each engine has a folder of its own in it.
    threads, memory_limit: of the DuckDB on the driver that computes what follows from one record.
    """

    def __init__(
        self,
        cluster: Cluster,
        scratch: Path,
        threads: int | None = None,
        memory_limit: str | None = None,
    ) -> None:
        """Open the session."""
        self.cluster, self.threads, self.memory_limit = cluster, threads, memory_limit
        self._held = ExitStack()
        self.scratch = scratch.absolute() / f"spark-{secrets.token_hex(4)}"
        if set(str(scratch)) & set("*?[]{}"):
            raise LakeError(
                f"{scratch}: Spark takes one of *?[]{{}} in a path for a pattern; name another lake"
            )
        self._files: dict[str, list[Path] | None] = {}  # of tables, by name; views have none
        self._made = 0
        self._executors: Executors | None = None
        try:
            self._held.enter_context(made_folder(self.scratch))
            self._held.callback(shutil.rmtree, self.scratch, ignore_errors=True)
            self.session = self._held.enter_context(lent_session(cluster))
            if not cluster.is_local:
                self._check_folder()
        except BaseException:
            self._held.close()
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
        """Give the session back; its tables are gone."""
        try:
            for name in self._files if error is None else ():
                self.session.catalog.dropTempView(name)
        except Exception as failed:  # the session is of no use to another step
            kind, error, trace = type(failed), failed, failed.__traceback__
        self._held.__exit__(kind, error, trace)

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> NoReturn:
        """Refuse: a cluster's tables are made anew, never changed."""
        raise LakeError(f"a step on the cluster changes no table: {' '.join(sql.split())[:200]}")

    def rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Fetch a small result as Python rows."""
        assert not parameters, "values are written into the SQL of a cluster"
        found = self.arrow(sql)
        columns = [[plain_value(value) for value in column.to_pylist()] for column in found.columns]
        return list(zip(*columns, strict=True))

    def row(self, sql: str) -> tuple[Any, ...]:
        """Fetch the one row of an aggregate."""
        rows = self.rows(sql)
        assert len(rows) == 1, f"an aggregate gives one row: {sql}"
        return rows[0]

    def columns(
        self, sql: str, parameters: Sequence[Any] | None = None
    ) -> "Mapping[str, NDArray[Any]]":
        """Fetch a result as one array per column; a column with NULLs is a masked array."""
        assert not parameters, "values are written into the SQL of a cluster"
        found = self.arrow(sql)
        return {name: as_array(found[name]) for name in found.schema.names}

    def batches(self, sql: str, n_rows: int) -> "Iterator[Mapping[str, NDArray[Any]]]":
        """Stream a result without NULLs, some so many rows at a time, one array per column."""
        with self._on_driver(sql) as driver:
            yield from driver.batches("select * from written", n_rows)

    def record_batches(self, sql: str, n_rows: int) -> "Iterator[pa.RecordBatch]":
        """Stream a result, some so many rows at a time, as Arrow; memory stays flat."""
        with self._on_driver(sql) as driver:
            yield from driver.record_batches("select * from written", n_rows)

    def arrow(self, sql: str) -> pa.Table:
        """Fetch a bounded result as an Arrow table."""
        found: pa.Table = self._run(lambda: self._query(sql).limit(MOST_ROWS + 1).toArrow(), sql)
        if found.num_rows > MOST_ROWS:
            raise LakeError(
                f"a step on the cluster fetches more than {MOST_ROWS:,} rows into this process"
                f" ({' '.join(sql.split())[:200]})"
            )
        return found

    def frame(self, sql: str) -> "pd.DataFrame":
        """Fetch a bounded result as a data frame."""
        frame: pd.DataFrame = self.arrow(sql).to_pandas()
        return frame

    def described(self, sql: str) -> list[tuple[str, str]]:
        """List the (name, type) of a query's columns, in DuckDB's names, without running it."""
        empty = self.arrow(f"select * from ({sql}) as described limit 0")
        with self._driver() as driver:
            driver.put("described", empty)
            return driver.described("select * from described")

    def make_table(self, name: str, sql: str) -> None:
        """Make (or replace) a table from a query."""
        self._show(name, self._written(sql, name))

    def make_view(self, name: str, sql: str) -> None:
        """Make (or replace) a view; what it reads is not replaced afterwards."""
        self._run(lambda: self._query(sql).createOrReplaceTempView(name), sql)
        self._files[name.lower()] = None

    def append(self, name: str, sql: str) -> None:
        """Add the rows of a query to a table, column by column in their order."""
        old = self._query(f"select * from {quoted(name)}")
        added = self._query(sql).toDF(*old.columns)
        fitted = added.select(*(added[f.name].cast(f.dataType) for f in old.schema.fields))
        folder = self._write(fitted, sql, name)
        self._show_files(name, [*(self._files[name.lower()] or ()), *_parquet(folder)])

    def drop(self, name: str) -> None:
        """Drop a table."""
        self.session.catalog.dropTempView(name)
        self._files.pop(name.lower(), None)

    def put(self, name: str, values: "pa.Table | Mapping[str, NDArray[Any]]") -> None:
        """Make (or replace) a table from values in memory."""
        table = values if isinstance(values, pa.Table) else pa.table(dict(values))
        folder = self._folder(name)
        folder.mkdir()
        pq.write_table(table, folder / "part.parquet")
        self._show(name, folder)

    def read_folder(self, folder: Path, name: str, *, row_numbers: bool = False) -> None:
        """Make all parquet files of a folder readable as one table."""
        self._read(_parquet(folder), name, row_numbers)

    def read_file(self, path: Path, name: str, *, row_numbers: bool = False) -> None:
        """Make one parquet file readable as a table."""
        self._read([path], name, row_numbers)

    def write(self, sql: str, path: Path, *, bulk: bool = False) -> None:
        """Write a query's result to one parquet file where it has an order, else to several.

        Several begin with the file's name. An order is put in by the driver: a server may leave it
        out where it writes, as Sail does.
        """
        unordered, order = (sql, "") if bulk else without_order(sql)
        folder = self._written(unordered, path.stem)
        if order:
            with self._driver() as driver:
                driver.read_folder(folder, "written")
                driver.write(f"select * from written {order}", path)
            return
        for i, file in enumerate(_parquet(folder)):
            shutil.move(file, path.with_name(f"{path.stem}-{i:05}.parquet"))

    def write_folder(self, sql: str, folder: Path, *, file_size: str) -> None:
        """Write a query's result to parquet files of about a size ("256MB") in a new folder."""
        with self._on_driver(sql) as driver:
            driver.write_folder("select * from written", folder, file_size=file_size)

    def frugally(self, call: Callable[[], Result]) -> Result:
        """Call a function; how much memory it may take is the cluster's to say."""
        return call()

    def fingerprint(self, table: str, columns: Sequence[str]) -> str:
        """Return a text that changes with the rows of a table, whatever their order."""
        texts = ", ".join(
            f"coalesce(cast(`{column.replace('`', '``')}` as string), char(30))"
            for column in columns
        )
        query = (
            f"select count(*), bit_xor({signed_hash(f'concat_ws(char(31), {texts})')})"
            f" from `{table.replace('`', '``')}`"
        )
        counted = self._run(lambda: self.session.sql(query).toArrow(), query)
        n_rows, digest = (column[0].as_py() for column in counted.columns)
        return f"{n_rows}-{None if digest is None else digest % (1 << 64)}"

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

        Up to `driver_values` it runs on the driver. Beyond, it runs in the executors, if they may;
        else raises BudgetError.
        """
        distinct = f"select distinct v from ({values_sql}) as t(v) where v is not null"
        folder = self._written(distinct, name)
        if self.cluster.in_executors and _rows_of(_parquet(folder)) > self.cluster.driver_values:
            values = self.session.read.parquet(*map(str, _parquet(folder)))
            self._compute(name, values, mapped_values(call, kept))
            return
        self._check_values(name, folder)
        with self._driver() as driver:
            driver.read_folder(folder, "distinct_values")
            driver.map_distinct("mapped_values", "select v from distinct_values", call, kept)
            self._take_over(driver, "select * from mapped_values", name)

    def record_wise(
        self, records: str, columns: Sequence[str], query: Callable[[Engine, str], str]
    ) -> str:
        """Write the query of rows that each follow from one record; DuckDB computes it.

        It runs in the executors, if they may, else on the driver, which raises BudgetError beyond
        `driver_records`.
        """
        name = f"record_wise_{self._made}"
        listed = ", ".join(quoted(column) for column in columns)
        if self.cluster.in_executors:
            self._compute(name, self._query(f"select {listed} from {records}"), query)
            return f"select * from {name}"
        files = self._files.get(records.lower())
        if files is None:  # a view
            files = _parquet(self._written(f"select {listed} from {records}", "viewed"))
        n_records = _rows_of(files)
        if n_records > self.cluster.driver_records:
            raise BudgetError(
                f"keys of {n_records:,} records: the driver computes those of up to"
                f" {self.cluster.driver_records:,}; raise spark: driver_records, or write spark:"
                " in_executors: true"
            )
        with self._driver() as driver:
            driver.read_folder(self._one_folder(files), "records")
            self._take_over(driver, query(driver, "records"), name)
        return f"select * from {name}"

    def _compute(self, name: str, frame: "DataFrame", query: Callable[[Engine, str], str]) -> None:
        """Make a table of what DuckDB computes of each row of a frame, in the executors."""
        if self._executors is None:
            self._executors = Executors(self.session)
        computed = self._executors.computed(frame, query)
        self._show(name, self._write(computed, name, name))

    def _one_folder(self, files: Sequence[Path]) -> Path:
        """Return a folder that holds these files and no others."""
        parents = {file.parent for file in files}
        if len(parents) == 1 and _parquet(*parents) == sorted(files):
            return parents.pop()
        folder = self._folder("gathered")
        folder.mkdir()
        for i, file in enumerate(files):
            link_file(file, folder / f"{i:05}.parquet")
        return folder

    def _driver(self) -> DuckDBEngine:
        return DuckDBEngine(self.threads, self.memory_limit, self.scratch / "spill")

    @contextmanager
    def _on_driver(self, sql: str) -> Iterator[DuckDBEngine]:
        """Run a query on the cluster; give DuckDB with its result, the table `written`."""
        with self._driver() as driver:
            driver.read_folder(self._written(sql), "written")
            yield driver

    def _take_over(self, driver: DuckDBEngine, sql: str, name: str) -> None:
        """Make a table of what DuckDB computes on the driver."""
        folder = self._folder(name)
        folder.mkdir()
        driver.write(sql, folder / "part.parquet", bulk=True)
        self._show(name, folder)

    def _check_values(self, name: str, folder: Path) -> None:
        n_values, most = _rows_of(_parquet(folder)), self.cluster.driver_values
        if n_values > most:
            raise BudgetError(
                f"{name}: a function of Python would map {n_values:,} distinct values on the"
                f" driver, which takes up to {most:,}; raise spark: driver_values, write"
                " spark: in_executors: true, or take a key without such a function"
            )

    def _query(self, sql: str) -> "DataFrame":
        frame: DataFrame = self._run(lambda: self.session.sql(to_spark(sql)), sql)
        return frame

    def _run(self, call: Callable[[], Any], sql: str) -> Any:
        """Run what a statement needs of the server; say which one failed."""
        from pyspark.errors import PySparkException

        try:
            return call()
        except PySparkException as error:
            raise_as_here(error)
            raise LakeError(
                f"engine: spark: {first_line(error)} (in: {' '.join(sql.split())[:400]})"
            ) from error

    def _check_folder(self) -> None:
        """Raise LakeError if what the server writes is not seen here, or the other way round."""
        folder, reason = self._folder("seen"), "what it writes there is not seen here"
        try:
            self.session.range(1).write.parquet(str(folder))
            seen = _parquet(folder)
            if seen and self.session.read.parquet(*map(str, seen)).count() == 1:
                return
        except Exception as error:
            reason = first_line(error)
        raise LakeError(
            f"engine: spark: the server does not share the folder {self.scratch.parent} ({reason});"
            " the lake must be a folder that the driver and all executors see by the same path,"
            " and may write to"
        )

    def _folder(self, name: str) -> Path:
        self._made += 1
        return self.scratch / f"{self._made:05}-{name[:60]}"

    def _written(self, sql: str, name: str = "rows") -> Path:
        """Run a query into a folder of its own; return it."""
        return self._write(self._query(sql), sql, name)

    def _write(self, frame: "DataFrame", sql: str, name: str) -> Path:
        folder = self._folder(name)
        self._run(lambda: frame.write.mode("overwrite").parquet(str(folder)), sql)
        if not _parquet(folder):  # Sail writes no file for no rows, and a table has its columns
            folder.mkdir(exist_ok=True)
            empty = self._run(lambda: frame.limit(1).toArrow(), sql)
            if empty.num_rows:
                raise LakeError(f"engine: spark: what was written to {folder} is not there")
            pq.write_table(empty, folder / "part-0.parquet")
        return folder

    def _read(self, files: list[Path], name: str, row_numbers: bool) -> None:
        if row_numbers:
            raise LakeError(f"{name}: rows are numbered on the driver alone")
        self._show_files(name, files)

    def _show(self, name: str, folder: Path) -> None:
        self._show_files(name, _parquet(folder))

    def _show_files(self, name: str, files: list[Path]) -> None:
        frame = self.session.read.parquet(*map(str, files))
        self._run(lambda: frame.createOrReplaceTempView(name), f"select * from {name}")
        self._files[name.lower()] = files


def _parquet(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.parquet"))


def _rows_of(files: Sequence[Path]) -> int:
    return sum(pq.read_metadata(file).num_rows for file in files)
