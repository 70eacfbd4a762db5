"""The rows that expectations are judged by: of a table as people see it, a sample if it is long."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.table import Facts, Relations, Table

if TYPE_CHECKING:
    import pandas as pd

RECORD_NO = "record_no"


class ExpectedRows(NamedTuple):
    """frame: the columns asked for, of the rows looked at. n_rows, columns: of the whole table."""

    frame: "pd.DataFrame"
    n_rows: int
    columns: list[str]

    @property
    def are_all(self) -> bool:
        """Whether every row of the table is looked at."""
        return len(self.frame) == self.n_rows


def expected_rows(
    engine: Engine, lake: Lake, table: Table, wanted: Iterable[str], most: int
) -> ExpectedRows:
    """Fetch columns of a table as the catalog shows it; columns that it lacks are left out.

    most: rows looked at, about; of a longer table every so manieth by number, or by hash.
    Peak memory: some 100 bytes for each value looked at.
    """
    assert table.view is not None
    lake.open(engine, table.name)
    (n_rows,) = engine.row(f"select count(*) from {quoted(table.name)}")
    step = max(1, -(-n_rows // most))
    view = table.view(_OfLake(engine, lake, table, step))
    columns = [name for name, _ in engine.described(view)]
    chosen = [name for name in dict.fromkeys(wanted) if name in columns]
    listed = ", ".join(map(quoted, chosen)) or "1 as nothing"
    return ExpectedRows(engine.frame(f"select {listed} from ({view})"), n_rows, columns)


class _OfLake(Relations):
    """The tables that a view reads, opened as it asks for them; of its own a sample."""

    def __init__(self, engine: Engine, lake: Lake, table: Table, step: int) -> None:
        self.engine, self.lake, self.table, self.step = engine, lake, table, step

    def facts(self, table: str) -> Facts:
        return self.lake.facts(table)

    def __getitem__(self, table: str) -> str:
        if table == self.table.name:
            return self._sampled()
        self.lake.open(self.engine, table)
        return quoted(table)

    def __iter__(self) -> Iterator[str]:
        return iter(self.lake.plans)

    def __len__(self) -> int:
        return len(self.lake.plans)

    def _sampled(self) -> str:
        name = quoted(self.table.name)
        if self.step == 1:
            return name
        columns = [column.name for column in self.table.columns]
        place = f"hash({', '.join(map(quoted, columns[:2]))})"
        if RECORD_NO in columns:
            place = RECORD_NO
        return f"(select * from {name} where {place} % {self.step} = 0)"
