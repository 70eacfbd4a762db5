"""A look at the tables that a step made: how many rows they have, and their columns for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Column
from er_pipeline.blocking.tables.view_columns import view_columns


@dataclass(frozen=True)
class Look:
    """What a look at a table shows.

    rows_before: as the last good run before left it; None if there is none. columns: of its view.
    """

    rows: int
    rows_before: int | None
    columns: Sequence[Column]


def looks_of(engine: Engine, lake: Lake, step: Step, steps: Sequence[Step]) -> dict[str, Look]:
    """Look at every table of a step that people see. steps: the whole flow."""
    every = [table for other in steps for table in other.writes]
    looks = {}
    for table in step.assets:
        good = lake.last_good(table.name)
        looks[table.name] = Look(
            _rows(engine, lake.path(table.name)),
            _rows(engine, lake.path(table.name, good[0])) if good else None,
            view_columns(engine, lake, table, every),
        )
    return looks


def _rows(engine: Engine, folder: Path) -> int:
    engine.read_folder(folder, "counted_table")
    (n_rows,) = engine.row("select count(*) from counted_table")
    return int(n_rows)
