"""The engine: what runs the SQL. A step knows no more of it than this protocol.

SQL is written once, in DuckDB's dialect and within the subset that other engines share. What
differs by engine stands behind these methods: reading and writing parquet, fetching results,
handing values in, and mapping a Python function over the distinct values of an expression.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

Result = TypeVar("Result")


class Engine(Protocol):
    """Runs SQL on tables of its own and on parquet files."""

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        """Run one statement that gives no rows."""

    def rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Fetch a small result as Python rows."""

    def row(self, sql: str) -> tuple[Any, ...]:
        """Fetch the one row of an aggregate."""

    def columns(
        self, sql: str, parameters: Sequence[Any] | None = None
    ) -> "Mapping[str, NDArray[Any]]":
        """Fetch a result as one array per column; a column with NULLs is a masked array.

        The whole result lies in memory: callers state what bounds it.
        """

    def batches(self, sql: str, n_rows: int) -> "Iterator[Mapping[str, NDArray[Any]]]":
        """Stream a result without NULLs, some so many rows at a time, one array per column.

        Memory stays flat. Other queries may run meanwhile.
        """

    def record_batches(self, sql: str, n_rows: int) -> "Iterator[pa.RecordBatch]":
        """Stream a result, some so many rows at a time, as Arrow; memory stays flat.

        Other queries may run meanwhile.
        """

    def arrow(self, sql: str) -> "pa.Table":
        """Fetch a bounded result as an Arrow table."""

    def frame(self, sql: str) -> "pd.DataFrame":
        """Fetch a bounded result as a data frame."""

    def described(self, sql: str) -> list[tuple[str, str]]:
        """List the (name, type) of a query's columns, without running it."""

    def make_table(self, name: str, sql: str) -> None:
        """Make (or replace) a table from a query."""

    def make_view(self, name: str, sql: str) -> None:
        """Make (or replace) a view; what it reads is not replaced afterwards."""

    def append(self, name: str, sql: str) -> None:
        """Add the rows of a query to a table, column by column in their order."""

    def drop(self, name: str) -> None:
        """Drop a table."""

    def put(self, name: str, values: "pa.Table | Mapping[str, NDArray[Any]]") -> None:
        """Make (or replace) a table from values in memory."""

    def read_folder(self, folder: Path, name: str, *, row_numbers: bool = False) -> None:
        """Make all parquet files of a folder readable as one table.

        row_numbers: adds the column file_row_number, the row's place in its file.
        """

    def read_file(self, path: Path, name: str, *, row_numbers: bool = False) -> None:
        """Make one parquet file readable as a table; row_numbers: as in `read_folder`."""

    def write(self, sql: str, path: Path, *, bulk: bool = False) -> None:
        """Write a query's result to one parquet file, in the query's order unless bulk."""

    def write_folder(self, sql: str, folder: Path, *, file_size: str) -> None:
        """Write a query's result to parquet files of about a size ("256MB") in a new folder."""

    def fingerprint(self, table: str, columns: Sequence[str]) -> str:
        """Return a text that changes with the rows of a table, whatever their order."""

    def frugally(self, call: Callable[[], Result]) -> Result:
        """Call a function with little memory, unless the user has set a limit; spill the rest.

        Where something cannot be spilled it is called once more, without a bound.
        """

    def row_hash(self, sql: str) -> str:
        """Write the expression of a well-mixed whole number below 2^64, for a text expression."""

    def map_distinct(
        self,
        name: str,
        values_sql: str,
        call: Callable[[str], str | None],
        kept: str = "value",
    ) -> None:
        """Make the table `name` (value, result): a Python function over distinct values.

        kept: an expression over value that stands in the table in its place.
        """

    def record_wise(
        self, records: str, columns: Sequence[str], query: "Callable[[Engine, str], str]"
    ) -> str:
        """Write the query of rows that each follow from one record alone, whatever the engine.

        records: engine table. columns: those of it that are read. query: takes an engine and the
        name of such a table in it, returns DuckDB's SQL; any of its functions may stand in it.
        """
