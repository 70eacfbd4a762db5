"""Which views a catalog shows of a dataset, and which versions of which tables they read.

A table that is withheld stays as an earlier good run made it: its view reads the records and all
else of that run, so no view shows a table of one run through the names of another.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from er_pipeline.blocking.tables.engine_duckdb import parquet_files
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.stamps import read_stamp
from er_pipeline.blocking.tables.table import Facts, Relations, Table


@dataclass(frozen=True)
class ShownViews:
    """What a catalog is to show of a dataset.

    versions: table -> version. views: view -> its query. reads: view -> table -> version, of every
    table that it reads.
    """

    versions: dict[str, str]
    views: dict[str, str]
    reads: dict[str, dict[str, str]]


def views_to_show(
    lake: Lake, tables: Sequence[Table], versions: Mapping[str, str], withheld: Mapping[str, str]
) -> ShownViews:
    """Write the views of tables in their versions, and keep those of tables that are withheld.

    versions: table -> version, of all the tables. withheld: table -> why. One that no earlier good
    run has made, or whose files are gone, is not shown.
    """
    relations = {name: parquet_files(lake.path(name, v)) for name, v in versions.items()}
    shown = ShownViews(dict(versions), {}, {})
    for table in tables:
        if table.view:
            seen = _Seen(relations, lake, versions)
            shown.views[table.name] = table.view(seen)
            shown.reads[table.name] = {name: versions[name] for name in seen.names}
    before = lake.published()
    for name in withheld:
        reads = before["reads"].get(name)
        if name not in before["tables"] or name not in before["views"] or reads is None:
            continue
        if all(lake.path(table, version).is_dir() for table, version in reads.items()):
            shown.versions[name] = before["tables"][name]
            shown.views[name], shown.reads[name] = before["views"][name], reads
    return shown


def ledgers_of(tables: Sequence[Table], versions: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Name the versions that ledgers are kept in from now on; each with all that belongs to it."""
    ledgers = {}
    for table in tables:
        if table.kept_with is not None:
            whole = (table.name, *table.kept_with)
            if all(name in versions for name in whole):
                ledgers[table.name] = {name: versions[name] for name in whole}
    return ledgers


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


class _Seen(Relations):
    """The relations of tables, and which of them a view has asked for."""

    def __init__(
        self, relations: Mapping[str, str], lake: Lake, versions: Mapping[str, str]
    ) -> None:
        self.relations = relations
        self.lake, self.versions = lake, versions
        self.names: list[str] = []

    def facts(self, table: str) -> Facts:
        """Read what is noted beside a table, which counts as read by the view."""
        self.names.append(table)
        return self.lake.facts(table, self.versions[table])

    def __getitem__(self, table: str) -> str:
        relation = self.relations[table]
        self.names.append(table)
        return relation

    def __iter__(self) -> Iterator[str]:
        return iter(self.relations)

    def __len__(self) -> int:
        return len(self.relations)
