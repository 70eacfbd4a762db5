"""A cluster: where a session of Spark is had, and how much the driver beside it may take on.

Every step says its place. With a cluster the large ones run there; the others stay on the driver,
on DuckDB, up to the bounds that stand here. Beyond them nothing runs: a step never goes elsewhere
without a word.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline.blocking.tables.lake import Lake

Place = Literal["driver", "cluster"]


@dataclass(frozen=True)
class Cluster:
    """Where steps run whose place is the cluster.

    url: of a Spark Connect server; is_local: Sail, started in this process, instead. url_env: the
    variable that url is from, if any. conf: settings of the session. in_executors:
    they have this package, and compute keys and clean many values. driver_values: distinct
    values that a function of Python maps on the driver. driver_records, driver_rows: records, and
    rows of any table, that a step on the driver works through.
    """

    url: str | None = None
    url_env: str | None = None
    is_local: bool = False
    conf: Mapping[str, str] = field(default_factory=dict)
    in_executors: bool = False
    driver_values: int = 5_000_000
    driver_records: int = 50_000_000
    driver_rows: int = 200_000_000

    def check_records(self, step: str, n_records: int) -> None:
        """Raise BudgetError if there are more records than the driver takes."""
        if n_records > self.driver_records:
            raise BudgetError(
                f"{step}: there are {n_records:,} records, and with engine: spark the driver, which"
                f" reads and cleans them and computes their keys, takes up to"
                f" {self.driver_records:,}; raise spark: driver_records if it has the disk and the"
                " time, take fewer records, or have keys computed elsewhere: spark: in_executors"
            )

    def check_tables(self, what: str, lake: Lake, tables: Iterable[str]) -> None:
        """Raise BudgetError if the driver would have to read more rows of a table than it takes.

        what: what would read them, as the sentence begins: matches, the checks of matches.
        """
        for table in tables:
            n_rows = rows_of(lake, table) if lake.has(table) else 0
            if n_rows > self.driver_rows:
                raise BudgetError(
                    f"{what}: done on the driver from {table}, which has {n_rows:,} rows;"
                    f" {self._what_to_change()}"
                )

    def check_pairs(self, table: str, most_pairs: int) -> None:
        """Raise BudgetError if a table of pairs may have more than the driver's steps can read."""
        if most_pairs > self.driver_rows:
            raise BudgetError(
                f"{table} would have up to {most_pairs:,} pairs, and checks and reports read them"
                f" on the driver; {self._what_to_change()}"
            )

    def _what_to_change(self) -> str:
        return (
            f"with engine: spark the driver reads up to {self.driver_rows:,}. Keep fewer pairs"
            " (budget: {pairs_per_record: 5}), raise spark: driver_rows, or leave out what needs"
            " them, such as matching"
        )


def rows_of(lake: Lake, table: str) -> int:
    """Count the rows of a table from the notes of its files."""
    import pyarrow.parquet as pq  # needed with a cluster alone

    return sum(pq.read_metadata(file).num_rows for file in lake.path(table).glob("*.parquet"))
