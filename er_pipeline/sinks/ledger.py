"""The ledger: a table beside those written in a database, that says whose they are and of what.

It is written in the transaction that writes them, so it holds for a database that was brought back
from a backup, too; a table that it does not name is somebody else's and never touched.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from er_pipeline.blocking.tables.errors import SinkError
from er_pipeline.sinks.contents import Content

LEDGER = "er_pipeline_published"
COLUMNS = ("dataset", "table_name", "stamp", "shape", "published_at")


class Entry(NamedTuple):
    """A table as it was written last. shape: its columns, as `shape_of` writes them."""

    dataset: str
    stamp: str
    shape: str


def shape_of(columns: Sequence[tuple[str, str]]) -> str:
    """Write columns as one text."""
    return ", ".join(f"{name} {kind}" for name, kind in columns)


def holds_all(
    entries: Mapping[str, Entry], there: Iterable[str], dataset: str, contents: Sequence[Content]
) -> bool:
    """Say whether a place holds these very contents. entries: its ledger. there: its tables."""
    tables = set(there)
    return all(
        content.table in tables
        and content.table in entries
        and entries[content.table][:2] == (dataset, content.stamp)
        for content in contents
    )


def check_owner(
    entries: Mapping[str, Entry],
    there: Iterable[str],
    dataset: str,
    contents: Sequence[Content],
    where: str,
) -> None:
    """Raise SinkError if one of the tables stands there and is of another dataset, or foreign."""
    tables = set(there)
    for content in contents:
        entry = entries.get(content.table)
        if entry is not None and entry.dataset != dataset:
            raise SinkError(
                f"{where}: the table {content.table} there is of dataset {entry.dataset!r}: give"
                " this place another `schema`"
            )
        if entry is None and content.table in tables:
            raise SinkError(
                f"{where}: a table {content.table} stands there that was not written by this"
                " project, and is left alone: give this place another `schema`, or drop the table"
            )
