"""The columns of a view for people, each with its meaning."""

from collections.abc import Iterable, Mapping

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import parquet_files
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import RECORD_ID, SOURCE, Column, Table

# Columns that views make of numbers: what they hold is the same in every view.
OF_VIEWS = {
    RECORD_ID.name: RECORD_ID.description,
    SOURCE.name: SOURCE.description,
    "left_id": "Id of the left record, as its source wrote it",
    "right_id": "Id of the right record, as its source wrote it",
    "left_source": "Name of the source the left record is from",
    "right_source": "Name of the source the right record is from",
    "because_left_id": "Id of the left record of the pair that forbids it",
    "because_right_id": "Id of the right record of the pair that forbids it",
    "because_left_source": "Name of the source of the left one of these",
    "because_right_source": "Name of the source of the right one of these",
    "weight": "Evidence for a match; 1 singles out one record",
    "strategies": "Names of the strategies that propose the pair",
    "resolves_to": "The entity that holds its records now",
    "sampled": "Which of both records was drawn for the sample",
}
# After the name of a field, in golden records.
OF_SURVIVING = {
    "_source": "Source of the record the value is of",
    "_record": "Id of the record the value is of",
}


def view_columns(engine: Engine, lake: Lake, table: Table, tables: Iterable[Table]) -> list[Column]:
    """List the columns of a table as people see it: those of its view, or its own without one.

    tables: all of the flow; a column of one of them keeps its meaning in a view.
    """
    if table.view is None:
        return list(table.columns)
    relations = {
        other.name: parquet_files(lake.path(other.name)) for other in tables if lake.has(other.name)
    }
    return columns_of(engine, table.view(relations), table, tables)


def columns_of(
    engine: Engine, view: str, table: Table | None, tables: Iterable[Table]
) -> list[Column]:
    """List the columns of a view that has been written already; table: the one it is of, if known.

    tables: as in `view_columns`.
    """
    own = {column.name: column for column in table.columns} if table else {}
    described = _meanings(tables)
    found = []
    for name, kind in engine.described(view):
        if name in own:
            found.append(own[name])
        else:
            meaning = OF_VIEWS.get(name) or described.get(name) or _of_surviving(name)
            found.append(Column(name, kind, meaning, required=False))
    return found


def _meanings(tables: Iterable[Table]) -> Mapping[str, str]:
    return {column.name: column.description for table in tables for column in table.columns}


def _of_surviving(name: str) -> str:
    for ending, meaning in OF_SURVIVING.items():
        if name.endswith(ending):
            return meaning
    return ""
