"""The engine that cleans where executors may help: DuckDB, and many values are mapped over there.

What takes a whole column to decide, such as the order of day and month, is found on the driver; it
goes to the executors within the function, so every part of the column is read alike.
"""

from collections.abc import Callable
from pathlib import Path

from er_pipeline.blocking.tables.cluster import Cluster
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, parquet_files


class CleaningEngine(DuckDBEngine):
    """DuckDB on the driver whose `map_distinct` leaves many values to the executors.

    shared: a folder that cluster and driver see alike. No session is opened before one is needed.
    """

    def __init__(
        self,
        cluster: Cluster,
        shared: Path,
        threads: int | None = None,
        memory_limit: str | None = None,
    ) -> None:
        """Open the connection."""
        super().__init__(threads, memory_limit, shared)
        self._cluster, self._shared = cluster, shared

    def map_distinct(
        self,
        name: str,
        values_sql: str,
        call: Callable[[str], str | None],
        kept: str = "value",
    ) -> None:
        """Make the table `name` (value, result): a Python function over distinct values."""
        self.make_table(
            "values_to_map",
            f"select distinct v from ({values_sql}) as t(v) where v is not null",
        )
        (n_values,) = self.row("select count(*) from values_to_map")
        if n_values <= self._cluster.driver_values:
            super().map_distinct(name, "select v from values_to_map", call, kept)
        else:
            self._map_there(name, call, kept)
        self.drop("values_to_map")

    def _map_there(self, name: str, call: Callable[[str], str | None], kept: str) -> None:
        from er_pipeline.blocking.tables.engine_spark import SparkEngine

        with SparkEngine(self._cluster, self._shared) as there:
            sent, back = there.scratch / "sent", there.scratch / "back"
            for folder in (sent, back):
                folder.mkdir()
            self.write("select v from values_to_map", sent / "part.parquet", bulk=True)
            there.read_folder(sent, "sent_values")
            there.map_distinct("mapped", "select v from sent_values", call, kept)
            there.write("select value, result from mapped", back / "part.parquet", bulk=True)
            self.make_table(name, f"select * from {parquet_files(back)}")
