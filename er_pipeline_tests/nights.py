"""Nights: a dataset that is run again and again on changed files, as a schedule would."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.run_metrics import collect_run_metrics, note_run_metrics
from er_pipeline.blocking.tables.runs import steps_for
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.step import Step
from er_pipeline.catalog import publish_dataset
from er_pipeline.flow import flow, open_lake, run
from er_pipeline_tests.conftest import Rows, write_csv

Row = tuple[Any, ...]


class Nights:
    """One dataset in a folder; every night writes its files, runs its flow and publishes."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Hold the declaration; its sources are files of the folder: 0.csv, 1.csv."""
        self.folder, self.settings = folder, dict(settings)
        self._run = "night-0"
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def spec(self) -> PipelineSpec:
        """The declaration as it is now."""
        return PipelineSpec.model_validate({"dataset": "people", **self.settings}).located_in(
            self.folder
        )

    @property
    def lake(self) -> Lake:
        """The lake of all nights."""
        return open_lake(self.folder / "lake", self.spec)

    def steps(self) -> list[Step]:
        """Give the steps of a night."""
        return flow(self.spec)

    def night(
        self,
        *sources: Rows,
        publish: bool = True,
        full: bool = False,
        threads: int = 2,
        until: str | None = None,
    ) -> Lake:
        """Run the flow on new files; publish what it made.

        full: skip nothing, and take nothing over. until: run what this table needs, and no more.
        """
        for place, rows in enumerate(sources):
            write_csv(self.folder / f"{place}.csv", rows)
        lake = self.lake
        steps = self.steps() if until is None else steps_for(self.steps(), until)
        self._run = f"night-{int(self._run.partition('-')[2]) + 1}"
        for step, _ in run(steps, lake, full=full, threads=threads):
            note_run_metrics(lake, self._run, step.name, {})
        with DuckDBEngine(threads=threads) as engine:
            collect_run_metrics(engine, lake)
        if publish:
            tables = [table for step in steps for table in step.writes]
            publish_dataset(lake, tables, self.spec.lake.retention)
        return lake

    def rows(self, table: str) -> list[Row]:
        """Give all rows of a table's last version, sorted."""
        with DuckDBEngine(threads=1) as engine:
            engine.read_folder(self.lake.path(table), "some_table")
            return sorted(engine.rows("from some_table"), key=repr)


def sum_rows(engine: DuckDBEngine, folder: Path, but: Sequence[str] = ()) -> Row:
    """Sum up the rows of a table, whatever their order; but: columns that are left out."""
    engine.read_folder(folder, "some_rows")
    columns = f"* exclude ({', '.join(map(quoted, but))})" if but else "*"
    return engine.row(
        "select count(*), bit_xor(hash(s)), sum(hash(s)::hugeint)"
        f" from (select {columns} from some_rows) as s"
    )
