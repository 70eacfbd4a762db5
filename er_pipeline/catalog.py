"""The catalog: one DuckDB file for people, a schema per dataset, a view per table of the lake."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.contracts import catalog_select
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, parquet_files, quoted
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import PUBLISHED, RUN_METRICS_INBOX, Lake, write_whole

VIEWS = "views.json"
# Tables that people do not read: the codes behind the pairs.
INTERNAL_TABLES = ("record_codes", "key_codes", "learned_codes", "learned_dropped")


@contextmanager
def catalog_lock(root: Path) -> Iterator[None]:
    """Let one run at a time publish; others wait. Readers never do."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".catalog.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def note_run_metrics(lake: Lake, run_id: str, table: str, figures: dict[str, int | float]) -> None:
    """Keep an asset's figures until the catalog is published; they become rows of run_metrics."""
    note = {
        "run_id": run_id,
        "at": datetime.now(UTC).isoformat(),
        "table_name": table,
        "figures": figures,
    }
    write_whole(lake.folder / RUN_METRICS_INBOX / f"{run_id}-{table}.json", json.dumps(note))


def choose_versions(lake: Lake, tables: list[str]) -> dict[str, str]:
    """Name the current version of every table of a dataset, all of the same records.

    Raises LakeError if one is missing or was made from other records.
    """
    fingerprint = lake.facts("cleaned_records")["fingerprint"]
    for table in tables:
        lake.check_declared(table)
        made_from = lake.facts(table).get("fingerprint", fingerprint)
        if made_from != fingerprint:
            raise LakeError(
                f"{lake.dataset}/{table} was made from an older cleaned_records:"
                f" materialize {lake.dataset}/{table} again"
            )
    return {table: lake.version(table) for table in tables}


def collect_run_metrics(engine: DuckDBEngine, lake: Lake) -> int:
    """Move the noted figures of all runs into the table run_metrics; give its number of rows.

    Writes run_metrics (run_id, at TIMESTAMPTZ, table_name, metric, value DOUBLE), oldest first.
    """
    notes = sorted((lake.folder / RUN_METRICS_INBOX).glob("*.json"))
    engine.make_table(
        "metrics",
        "select '' as run_id, now() as \"at\", '' as table_name, '' as metric, 0.0::double as value"
        " where 1 = 0",
    )
    if lake.has("run_metrics"):
        engine.read(lake, "run_metrics", "metrics_before")
        engine.execute("insert into metrics select * from metrics_before")
    for path in notes:
        note: dict[str, Any] = json.loads(path.read_text("utf-8"))
        for metric, value in note["figures"].items():
            engine.execute(
                "insert into metrics values (?, ?, ?, ?, ?)",
                [note["run_id"], note["at"], note["table_name"], metric, float(value)],
            )
    with lake.writing("run_metrics") as draft:
        engine.write('select * from metrics order by "at", table_name, metric', draft.file())
    for path in notes:
        path.unlink()
    (n_rows,) = engine.row("select count(*) from metrics")
    return int(n_rows)


def publish_dataset(lake: Lake, spec: PipelineSpec, versions: dict[str, str]) -> None:
    """Note the versions the catalog shows of this dataset, and how each view reads."""
    relations = {
        table: parquet_files(lake.path(table, version)) for table, version in versions.items()
    }
    views = {
        table: catalog_select(table, spec, relations)
        for table in versions
        if table not in INTERNAL_TABLES
    }
    write_whole(lake.folder / VIEWS, json.dumps(views, indent=1))
    lake.publish(versions)


def write_catalog(con: duckdb.DuckDBPyConnection, root: Path) -> dict[str, list[str]]:
    """Make the views of every published dataset of a lake in an empty catalog.

    con: a connection to the new file. Returns dataset -> views.
    """
    made: dict[str, list[str]] = {}
    for published in sorted(root.glob(f"*/{PUBLISHED}")):
        dataset = published.parent.name
        views: dict[str, str] = json.loads((published.parent / VIEWS).read_text("utf-8"))
        con.execute(f"create schema {quoted(dataset)}")
        for table, select in views.items():
            con.execute(f"create view {quoted(dataset)}.{quoted(table)} as {select}")
        made[dataset] = sorted(views)
    return made
