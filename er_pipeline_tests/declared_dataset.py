"""A dataset as its user has it: a defs.yaml, a csv file and a lake, run by the command."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.terminal.cli import main
from er_pipeline_tests.conftest import Rows, write_csv

Table = list[tuple[Any, ...]]
# The few records of a test are covered by chance; what is tested here is no coverage.
LENIENT_CHECKS: Mapping[str, Any] = {
    "min_key_coverage": 0,
    "max_coverage_lost": 1,
    "match_share_fail": [0, 1],
}


class DeclaredDataset:
    """The dataset people in a folder of its own; declare, run, look."""

    def __init__(self, folder: Path, rows: Rows, **settings: Any) -> None:
        self.folder, self.defs = folder, folder / "defs.yaml"
        self.lake = Lake(folder / "lake", "people")
        self.settings: dict[str, Any] = {
            "dataset": "people",
            "sources": [{"path": "people.csv"}],
            "checks": dict(LENIENT_CHECKS),
        }
        self.records(rows)
        self.declare(**settings)

    def records(self, rows: Rows) -> None:
        """Write the csv file anew."""
        write_csv(self.folder / "people.csv", rows)

    def declare(self, **settings: Any) -> None:
        """Change some sections of the defs.yaml; None takes one out."""
        self.settings.update(settings)
        attributes = {name: value for name, value in self.settings.items() if value is not None}
        document = {"type": "er_pipeline.BlockingPipeline", "attributes": attributes}
        self.defs.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")

    def run(self, *tables: str) -> int:
        """Run all tables, or some; give the exit code."""
        selection = ["--select", ",".join(tables)] if tables else []
        return main(["run", str(self.defs), "--lake", str(self.lake.root), *selection])

    def label(self, answers: Mapping[tuple[str, str], str]) -> None:
        """Import the answers about pairs of ids."""
        rows = [{"left_id": a, "right_id": b, "answer": c} for (a, b), c in answers.items()]
        file = write_csv(self.folder / "answers.csv", rows)
        lake = ["--lake", str(self.lake.root)]
        assert main(["labels", "import", str(self.defs), str(file), *lake]) == 0

    def latest(self) -> dict[str, str]:
        """Name the version of every table that was written last."""
        return {table: self.lake.version(table) for table in self.lake.tables()}

    def rows(self, table: str) -> Table:
        """Read a table of the lake as it was written last."""
        with DuckDBEngine(threads=2) as engine:
            self.lake.open(engine, table)
            return engine.rows(f"select * from {quoted(table)} order by all")

    def catalog(self) -> dict[str, Table]:
        """Everything the catalog shows, view by view."""
        file = str(self.lake.root / "catalog.duckdb")
        with duckdb.connect(file, read_only=True) as con:
            views = con.execute(
                "select view_name from duckdb_views() where schema_name = 'people' order by 1"
            ).fetchall()
            return {
                view: con.execute(f"select * from people.{quoted(view)} order by all").fetchall()
                for (view,) in views
            }

    def folders(self) -> set[str]:
        """Name the tables that have a folder in the lake, whatever is in it."""
        return {path.name for path in self.lake.folder.iterdir() if path.is_dir()}


def assert_refused(
    dataset: DeclaredDataset,
    capfd: pytest.CaptureFixture[str],
    *selected: str,
    names: str,
    makes: str = "",
) -> None:
    """Hold that a run of some tables fails, names what to make again, and changes nothing.

    names: pattern of the table that the error names. makes: pattern of the selected tables that may
    be made all the same, since they come before the stale one.
    """
    latest, catalog = dataset.latest(), dataset.catalog()
    capfd.readouterr()
    assert dataset.run(*selected) == 1, f"{', '.join(selected)}: nothing was refused"
    error = capfd.readouterr().err
    assert re.search(rf"materialize people/({names}) again", error), error
    assert dataset.catalog() == catalog
    changed = {table for table, version in dataset.latest().items() if latest[table] != version}
    assert {table for table in changed if not re.fullmatch(makes, table)} == set()
