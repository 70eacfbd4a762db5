"""What a table is: its columns with their meaning, how people read it, and what must hold of it.

Each table is declared once, in the module that makes it. The catalog's views, the schemas that
Dagster and pandera hold it against and the reference pages are all made from that declaration.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

# What a step notes beside its main table: small, JSON-ready.
Facts = dict[str, Any]
# Table -> what to read it from, such as read_parquet('...'); gives the query of a view.
View = Callable[[Mapping[str, str]], str]


class Relations(Mapping[str, str]):
    """What a view reads, and what is noted beside it.

    A plain mapping stands for it where only the columns of a view are asked for.
    """

    @abstractmethod
    def facts(self, table: str) -> Facts:
        """Read what is noted beside a table that the view reads."""


@dataclass(frozen=True)
class Column:
    """One column of a table in the lake.

    type: as DuckDB writes it. required: never NULL. allowed: the only values, where few.
    minimum: the smallest value, for numbers.
    """

    name: str
    type: str
    description: str
    required: bool = True
    allowed: tuple[str, ...] = ()
    minimum: float | None = None


@dataclass(frozen=True)
class Check:
    """One thing that must hold of a table.

    name: a true sentence, as the verdict on it is called. why: what breaks without it.
    stops: whether a failure keeps the tables that follow from being made; else it only warns.
    limits: the settings that it holds the table to, by their dotted names.
    """

    name: str
    why: str
    stops: bool = True
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    about: one sentence for people. columns: in their order. view: how the catalog shows it; None
    where people have nothing to read there. is_internal: handed from step to step, so it is no
    asset of its own. numbered: a column of which there are as many as the data ask for, named with
    a number from 0, after the others. shape: settings that shape this table alone, beyond those of
    its step. is_from_outside: what it holds follows from more than settings and other tables, so
    that its content is part of its stamp. stays_in_force: of what is learned, whether it is used on
    new data as it is until another is promoted, so that only other settings or other code make it
    stale; None of all other tables. kept_with: of a table
    that cannot be made again, such as a ledger: what its last published version is kept with,
    however old that is and whatever else is shown; None lets versions go by their age.
    """

    name: str
    about: str
    columns: Sequence[Column]
    view: View | None
    is_internal: bool = False
    numbered: Column | None = None
    shape: Any = None
    is_from_outside: bool = False
    stays_in_force: bool | None = None
    kept_with: Sequence[str] | None = None

    def columns_among(self, n_columns: int) -> list[Column]:
        """List the columns of a table that has so many; the numbered ones make up the rest."""
        columns = list(self.columns)
        if self.numbered:
            for i in range(n_columns - len(self.columns)):
                columns.append(replace(self.numbered, name=f"{self.numbered.name}{i}"))
        return columns

    def arrow(self, rows: Iterable[Sequence[Any]] = ()) -> "pa.Table":
        """Put a few rows into the table's shape; no rows give an empty table."""
        return arrow_of(self.columns, rows)


RECORD_NO = Column("record_no", "INTEGER", "Number of the record in cleaned_records", minimum=0)
RECORD_ID = Column("record_id", "VARCHAR", "The record's id, as its source wrote it")
SOURCE = Column("source", "VARCHAR", "Name of the source the record is from")
SOURCE_NO = Column("source_no", "SMALLINT", "Number of that source, from 0", minimum=0)
BLOCK_KEY = Column("block_key", "VARCHAR", "The key that the block's records share")
BLOCK_NO = Column("block_no", "INTEGER", "Number of the block in its strategy", minimum=0)
BLOCK_SIZE = Column("block_size", "BIGINT", "Records in the block", minimum=1)
LEFT_NO = Column("left_no", "INTEGER", "Number of the left record", minimum=0)
RIGHT_NO = Column("right_no", "INTEGER", "Number of the right record", minimum=0)


def arrow_of(columns: Sequence[Column], rows: Iterable[Sequence[Any]] = ()) -> "pa.Table":
    """Put a few rows of Python values into an Arrow table of the given columns."""
    import pyarrow as pa

    types = {
        "VARCHAR": pa.string(),
        "VARCHAR[]": pa.list_(pa.string()),
        "TINYINT": pa.int8(),
        "SMALLINT": pa.int16(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "FLOAT": pa.float32(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", tz="UTC"),
    }
    listed = list(rows)
    if not listed:  # an array, of pa.array or empty_table, would import pandas
        schema = pa.schema([(column.name, types[column.type]) for column in columns])
        return pa.Table.from_batches([], schema=schema)
    return pa.table(
        {
            column.name: pa.array([row[i] for row in listed], types[column.type])
            for i, column in enumerate(columns)
        }
    )
