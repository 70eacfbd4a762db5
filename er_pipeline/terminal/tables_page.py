"""The page tables.md: every table of the lake, in the order in which they are made."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import duckdb

from er_pipeline.blocking.tables.run_metrics import RUN_METRICS
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.table import Column, Table
from er_pipeline.terminal.list_items import list_item
from er_pipeline.terminal.widest_flows import widest_flows

INTRODUCTION = """\
# Tables

Every table, in the order in which they are made. Which ones a dataset has follows from its
settings; what is read only with some settings is listed too. The example has the fields
`last_name` and `city`; STRATEGY stands for the name of a strategy, DATASET for that of the dataset.
The catalog, `catalog.duckdb`, shows a table to people as the view `DATASET.table`, with the ids of
the records instead of their numbers. An internal table is handed from step to step: it is no asset.
"""
HEADER = ("| column | type | meaning |", "|---|---|---|")
NUMBERED = re.compile(r"^(\w+_)(\d+)$")


@dataclass
class Described:
    """A table over all flows that have it: its columns, and what it is made of."""

    table: Table
    columns: dict[str, Column] = field(default_factory=dict)
    reads: dict[str, None] = field(default_factory=dict)


def described_tables() -> dict[str, Described]:
    """Return every table by name, in the order in which they are made."""
    found: dict[str, Described] = {}
    for steps in widest_flows():
        for step in steps:
            for table in step.writes:
                described = found.setdefault(table.name, Described(table))
                described.reads |= dict.fromkeys(step.reads)
                for column in table.columns:
                    described.columns.setdefault(column.name, column)
    found[RUN_METRICS.name] = Described(
        RUN_METRICS, {column.name: column for column in RUN_METRICS.columns}
    )
    return found


def tables_page() -> str:
    """Write the page."""
    tables = described_tables()
    parts = [INTRODUCTION]
    views = columns_of_views(tables.values())
    for name, described in tables.items():
        parts.append(f"## {name}\n")
        parts.append(f"{described.table.about}\n")
        parts.append("\n".join(_facts(described, views.get(name, []))) + "\n")
        parts.append("\n".join([*HEADER, *_rows(described)]) + "\n")
    return "\n".join(parts)


def columns_of_views(tables: Iterable[Described]) -> dict[str, list[str]]:
    """Return table -> the columns of its view, as DuckDB reads them of empty tables."""
    listed = list(tables)
    with duckdb.connect() as con:
        for described in listed:
            columns = ", ".join(
                f"{quoted(column.name)} {column.type}" for column in described.columns.values()
            )
            con.execute(f"create table {quoted(described.table.name)} ({columns})")
        relations = {described.table.name: quoted(described.table.name) for described in listed}
        return {
            described.table.name: [
                str(row[0])
                for row in con.execute(f"describe {described.table.view(relations)}").fetchall()
            ]
            for described in listed
            if described.table.view
        }


def _facts(described: Described, view: list[str]) -> Iterator[str]:
    table = described.table
    if table.view is None:
        yield list_item("View: none.")
    elif view == list(described.columns):
        yield list_item(f"View: `DATASET.{table.name}`, with the same columns.")
    else:
        columns = ", ".join(view)
        yield list_item(f"View: `DATASET.{table.name}`, with the columns {columns}.")
    if described.reads:
        yield list_item(f"Made of: {', '.join(described.reads)}.")
    elif table is RUN_METRICS:
        yield list_item("Made of: the figures of every run; it grows with each one published.")
    else:
        yield list_item("Made of: the sources.")
    if table.is_internal:
        yield list_item("Internal.")


def _rows(described: Described) -> Iterator[str]:
    for column in described.columns.values():
        numbered = NUMBERED.match(column.name)
        if numbered is None:
            yield _row(column.name, column)
        elif numbered[2] == "0":
            yield _row(f"{column.name}, ...", column)
    if described.table.numbered:
        yield _row(f"{described.table.numbered.name}0, ...", described.table.numbered)


def _row(name: str, column: Column) -> str:
    kind = column.type if column.required else f"{column.type} or NULL"
    meaning = column.description.replace("|", "\\|")
    if column.allowed:
        meaning += f": {', '.join(column.allowed)}"
    return f"| `{name}` | {kind} | {meaning} |"
