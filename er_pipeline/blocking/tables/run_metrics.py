"""Run metrics: the figures of every run since the first, in a table that grows by publication."""

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import LakeError, first_line
from er_pipeline.blocking.tables.files import write_whole
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import Column, Table
from er_pipeline.blocking.tables.views import all_columns

logger = logging.getLogger(__name__)

INBOX = "run_metrics_inbox"

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
Row = tuple[str, datetime, str, str, float]


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
    write_whole(lake.folder / INBOX / f"{run_id}-{table}.json", json.dumps(note))


def has_noted_metrics(lake: Lake) -> bool:
    """Say whether figures wait for the catalog to be published."""
    return any((lake.folder / INBOX).glob("*.json"))


def collect_run_metrics(engine: Engine, lake: Lake) -> int:
    """Move the noted figures of all runs into the table run_metrics; return its number of rows.

    A note or a table that cannot be read is left out, with a warning: figures of the past never
    stop a run.
    """
    paths = sorted((lake.folder / INBOX).glob("*.json"))
    new = [row for path in paths for row in _rows_of(path)]
    engine.put("metrics", RUN_METRICS.arrow(new))
    if lake.has("run_metrics"):
        _add_those_before(engine, lake)
    with lake.writing("run_metrics") as draft:
        engine.write('select * from metrics order by "at", table_name, metric', draft.file())
    for path in paths:
        if path.is_file():
            path.unlink()
    (n_rows,) = engine.row("select count(*) from metrics")
    return int(n_rows)


def _rows_of(path: Path) -> Iterator[Row]:
    try:
        note: Any = json.loads(path.read_text("utf-8"))
        rows = [
            (
                str(note["run_id"]),
                datetime.fromisoformat(note["at"]),
                str(note["table_name"]),
                str(metric),
                float(value),
            )
            for metric, value in note["figures"].items()
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        logger.warning("%s holds no figures that can be read (%s): left out", path, error)
        return
    yield from rows


def _add_those_before(engine: Engine, lake: Lake) -> None:
    try:
        lake.open(engine, "run_metrics", "metrics_before")
        engine.append("metrics", "select * from metrics_before")
    except (duckdb.Error, LakeError) as error:
        logger.warning(
            "%s cannot be read (%s): the figures of earlier runs are lost, run_metrics begins anew",
            lake.path("run_metrics"),
            first_line(error),
        )
