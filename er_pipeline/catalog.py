"""The catalog: one DuckDB file for people, a schema per dataset, a view per table of the lake."""

import fcntl
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import parquet_files
from er_pipeline.blocking.tables.lake import PUBLISHED, RUN_METRICS_INBOX, Lake, write_whole
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.stamps import read_stamp
from er_pipeline.blocking.tables.table import Column, Table
from er_pipeline.blocking.tables.views import all_columns

VIEWS = "views.json"

# Kept from run to run, so it is no step's: it grows when the catalog is published.
RUN_METRICS = Table(
    "run_metrics",
    "The figures of every run since the first, one row each, oldest first.",
    [
        Column("run_id", "VARCHAR", "Dagster's id of the run"),
        Column("at", "TIMESTAMP WITH TIME ZONE", "When the table was made"),
        Column("table_name", "VARCHAR", "The table the figure is of"),
        Column("metric", "VARCHAR", "What was measured"),
        Column("value", "DOUBLE", "The figure"),
    ],
    all_columns("run_metrics"),
)


@contextmanager
def catalog_lock(root: Path) -> Iterator[None]:
    """Let one run at a time publish; others wait. Readers never do."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".catalog.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def note_run_metrics(
    lake: Lake, run_id: str, table: str, figures: Mapping[str, int | float]
) -> None:
    """Keep an asset's figures until the catalog is published; they become rows of run_metrics."""
    note = {
        "run_id": run_id,
        "at": datetime.now(UTC).isoformat(),
        "table_name": table,
        "figures": dict(figures),
    }
    write_whole(lake.folder / RUN_METRICS_INBOX / f"{run_id}-{table}.json", json.dumps(note))


def collect_run_metrics(engine: Engine, lake: Lake) -> int:
    """Move the noted figures of all runs into the table run_metrics; return its number of rows."""
    paths = sorted((lake.folder / RUN_METRICS_INBOX).glob("*.json"))
    notes: list[dict[str, Any]] = [json.loads(path.read_text("utf-8")) for path in paths]
    new = [
        (
            note["run_id"],
            datetime.fromisoformat(note["at"]),
            note["table_name"],
            metric,
            float(value),
        )
        for note in notes
        for metric, value in note["figures"].items()
    ]
    engine.put("metrics", RUN_METRICS.arrow(new))
    if lake.has("run_metrics"):
        lake.open(engine, "run_metrics", "metrics_before")
        engine.append("metrics", "select * from metrics_before")
    with lake.writing("run_metrics") as draft:
        engine.write('select * from metrics order by "at", table_name, metric', draft.file())
    for path in paths:
        path.unlink()
    (n_rows,) = engine.row("select count(*) from metrics")
    return int(n_rows)


def publish_dataset(
    lake: Lake, tables: Sequence[Table], withheld: Mapping[str, str] | None = None
) -> list[str]:
    """Note the versions the catalog shows of this dataset, and how each view reads.

    tables: those that may be shown. withheld: table -> why its last version may not. Where an
    earlier good run has made such a table, the catalog goes on showing that one as it was: its view
    reads the records and all else of that run, so no view shows a table of one run through the
    names of another. Returns the tables that are shown of an earlier run.
    Raises LakeError if a table is missing or stale; the catalog then shows what it showed before.
    """
    shown = [*tables, RUN_METRICS]
    for table in shown:
        lake.check(table.name)
    versions = {table.name: lake.version(table.name) for table in shown}
    relations = {
        name: parquet_files(lake.path(name, version)) for name, version in versions.items()
    }
    views: dict[str, str] = {}
    reads: dict[str, dict[str, str]] = {}
    for table in shown:
        if table.view:
            seen = _Seen(relations)
            views[table.name] = table.view(seen)
            reads[table.name] = {name: versions[name] for name in seen.names}
    before = lake.published()
    kept = [
        name
        for name in withheld or {}
        if name in before["tables"] and name in before.get("reads", {})
    ]
    if kept:
        old: dict[str, str] = json.loads((lake.folder / VIEWS).read_text("utf-8"))
        for name in kept:
            views[name], reads[name] = old[name], before["reads"][name]
            versions[name] = before["tables"][name]
    write_whole(lake.folder / VIEWS, json.dumps(views, indent=1))
    lake.publish(versions, reads, withheld)
    return kept


def has_news(lake: Lake, tables: Sequence[Table]) -> bool:
    """Say whether the catalog does not show these tables yet, or others of their names.

    Tables that were made anew of the same records and settings have the same stamps: no news.
    """
    shown = lake.published()["tables"]
    for table in tables:
        version = shown.get(table.name)
        if version is None:
            return True
        noted = read_stamp(lake.path(table.name, version))
        if noted is None or noted.value != lake.stamp(table.name):
            return True
    return False


class _Seen(Mapping[str, str]):
    """The relations of tables, and which of them a view has asked for."""

    def __init__(self, relations: Mapping[str, str]) -> None:
        self.relations = relations
        self.names: list[str] = []

    def __getitem__(self, table: str) -> str:
        self.names.append(table)
        return self.relations[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self.relations)

    def __len__(self) -> int:
        return len(self.relations)


def write_catalog(con: duckdb.DuckDBPyConnection, root: Path) -> dict[str, list[str]]:
    """Make the views of every published dataset of a lake in an empty catalog.

    con: a connection to the new file. Returns dataset -> views.
    """
    made: dict[str, list[str]] = {}
    for published in sorted(root.glob(f"*/{PUBLISHED}")):
        dataset = published.parent.name
        views: dict[str, str] = json.loads((published.parent / VIEWS).read_text("utf-8"))
        note: dict[str, Any] = json.loads(published.read_text("utf-8"))
        con.execute(f"create schema {quoted(dataset)}")
        for table, select in views.items():
            con.execute(f"create view {quoted(dataset)}.{quoted(table)} as {select}")
            if why := note.get("withheld", {}).get(table):
                comment = f"of an earlier run: {why}"
                con.execute(
                    f"comment on view {quoted(dataset)}.{quoted(table)} is {literal(comment)}"
                )
        made[dataset] = sorted(views)
    return made
