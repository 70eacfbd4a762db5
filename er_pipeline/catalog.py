"""The catalog: one DuckDB file for people, a schema per dataset, a view per table of the lake.

It is written anew beside the one in place, verified, and put in its place by one rename; only then
come the notes and links of the dataset, and deletion last. Whoever has the old one open goes on
reading it, and whatever kills a publication leaves a catalog whose views can be read.
"""

import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from er_pipeline.blocking.tables.engine_duckdb import all_parquet
from er_pipeline.blocking.tables.errors import LakeError, first_line
from er_pipeline.blocking.tables.files import clear_left, flush, flush_files, replace
from er_pipeline.blocking.tables.in_force import note_in_force
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.publications import (
    PUBLISHED,
    Publication,
    Retention,
    links_lead_to,
    named_versions,
    new_note,
    prune,
    read_published,
)
from er_pipeline.blocking.tables.run_metrics import RUN_METRICS, has_noted_metrics
from er_pipeline.blocking.tables.shown_views import ledgers_of, views_to_show
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.stamps import check_stamp, read_stamp
from er_pipeline.blocking.tables.table import Table

logger = logging.getLogger(__name__)

CATALOG = "catalog.duckdb"
# The oldest DuckDB that pyproject.toml allows can read it, whichever has written it.
STORAGE_VERSION = "v1.4.0"
# Of the schemas that DuckDB makes itself, views of no dataset.
OWN_SCHEMAS = ("main", "information_schema", "pg_catalog")
VIEWS_SQL = (
    "select schema_name, view_name, sql from duckdb_views()"
    " where database_name = $1 and not internal order by all"
)


@dataclass(frozen=True)
class View:
    """A view of the catalog; sql: as DuckDB shows it."""

    schema: str
    name: str
    sql: str


def check_dataset_name(lake: Lake) -> None:
    """Refuse a dataset whose name differs in case only from that of another one in its lake.

    DuckDB knows one schema for both. Raises LakeError that names the other.
    """
    for note in sorted(lake.root.glob(f"*/{PUBLISHED}")):
        other = note.parent.name
        if other != lake.dataset and other.lower() == lake.dataset.lower():
            raise LakeError(
                f"dataset {lake.dataset!r} differs in case only from {other!r}, which the catalog"
                f" of the lake {lake.root} shows already: give it another name, or another lake"
            )


def publish_dataset(
    lake: Lake,
    tables: Sequence[Table],
    retention: Retention | None = None,
    withheld: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> list[str]:
    """Show the latest versions of a dataset's tables, and run_metrics; return the views.

    The caller holds the `catalog_lock` of the lake. Every other dataset keeps the views it has.
    retention: how long versions stay that are no longer shown. withheld: table -> why it may not be
    shown as it is; where an earlier good run has made it, it stays as that run did. settings: those
    that were declared, to be noted.

    Raises LakeError if a table is missing or stale, or if the catalog cannot be written whole: it
    then shows what it showed before, and never a table of one run through the names of another.
    """
    check_dataset_name(lake)
    tables = [*tables, RUN_METRICS]
    withheld = withheld or {}
    versions = _versions_that_fit(lake, tables)
    folders = {name: lake.path(name, version) for name, version in versions.items()}
    shown = views_to_show(lake, tables, versions, withheld)
    for name, folder in folders.items():
        if versions[name] not in lake.published()["tables"].values():
            flush_files(folder)
    catalog, ledgers = lake.root / CATALOG, ledgers_of(tables, versions)
    publication = Publication(
        lake.folder,
        new_note(shown.versions, shown.views, shown.reads, withheld, ledgers, settings),
        retention or Retention(),
        named_versions(lake.folder, named_by(catalog) or ""),
    )
    try:
        publication.prepare()
        with _draft_beside(catalog) as draft:
            _write(draft, catalog, lake, shown.views, withheld, folders.values())
            Path(f"{catalog}.wal").unlink(missing_ok=True)  # of whoever opened it for writing
            replace(draft, catalog)
    except OSError as error:
        publication.give_up()
        raise _not_written(catalog, first_line(error)) from error
    except BaseException:
        publication.give_up()
        raise
    try:
        publication.commit()
        _note_learned(lake, versions, publication.at, (retention or Retention()).learned)
    except OSError as error:
        publication.give_up()
        raise LakeError(
            f"{lake.folder}: the catalog shows the new tables, but that cannot be noted"
            f" ({first_line(error)}): look at the folder, then run again with --select catalog"
        ) from error
    if (named := named_by(catalog)) is not None:
        publication.clean(named)
    return sorted(shown.views)


def is_published(
    lake: Lake, tables: Sequence[Table], withheld: Mapping[str, str] | None = None
) -> bool:
    """Say whether the catalog shows the latest versions already, so that nothing is to publish.

    tables, withheld: as `publish_dataset` takes them. Figures that wait for run_metrics, and what a
    killed publication left undone, are to be published.
    """
    tables = [*tables, RUN_METRICS]
    published = lake.published()
    if not all(lake.has(table.name) for table in tables) or has_noted_metrics(lake):
        return False
    versions = {table.name: lake.version(table.name) for table in tables}
    shown = views_to_show(lake, tables, versions, withheld or {})
    noted = [published["tables"], published["views"], published["reads"], published["withheld"]]
    if noted != [shown.versions, shown.views, shown.reads, dict(withheld or {})]:
        return False
    return shows_what_is_noted(lake)


def shows_what_is_noted(lake: Lake) -> bool:
    """Say whether catalog and links show what is noted; not so if a publication was killed."""
    noted = lake.published()
    found = views_of(lake.root / CATALOG, lake.dataset)
    return (
        links_lead_to(lake.folder, noted)
        and found.keys() == noted["views"].keys()
        and all(
            version in found[view]
            for view, read in noted["reads"].items()
            for version in read.values()
            if version in noted["views"][view]  # of some tables a view holds facts alone
        )
    )


def clean_up(lake: Lake, retention: Retention) -> None:
    """Drop the versions that are no longer to be kept, where nothing was to publish.

    The caller holds the `catalog_lock` of the lake, in a run of the dataset.
    """
    if (named := named_by(lake.root / CATALOG)) is not None:
        prune(lake.folder, retention, named)


def _note_learned(lake: Lake, versions: Mapping[str, str], at: str, most: int) -> None:
    """Note the versions of all that was learned, once a run has used them and ended well.

    versions: table -> version, of what is published; what failed a check is not.
    """
    learned = [name for name, plan in lake.plans.items() if plan.stays_in_force]
    if lake.plans and versions.keys() >= set(learned):
        note_in_force(lake.folder, {name: versions[name] for name in learned}, at, most)


def rewrite_catalog(lake: Lake) -> None:
    """Write the catalog anew with the views that a dataset has noted; they read what they read.

    The caller holds the `catalog_lock`. Nothing of the old file is left in the new one.
    Raises LakeError if it cannot be written whole: it then shows what it showed before.
    """
    catalog = lake.root / CATALOG
    noted = lake.published()
    if not catalog.exists() or not noted["views"]:
        return
    folders = sorted({lake.path(*v) for reads in noted["reads"].values() for v in reads.items()})
    with _draft_beside(catalog) as draft:
        _write(draft, catalog, lake, noted["views"], noted["withheld"], folders)
        replace(draft, catalog)


def _versions_that_fit(lake: Lake, tables: Sequence[Table]) -> dict[str, str]:
    """Name the latest version of every table, once they are found to belong together.

    What is checked are these very versions, whatever other runs write meanwhile.
    """
    versions = {table.name: lake.version(table.name) for table in tables if lake.has(table.name)}
    stamps = lake.stamps(lake.plans)
    stamps |= {name: read_stamp(lake.path(name, version)) for name, version in versions.items()}
    for table in tables:
        if table.name in lake.plans:
            check_stamp(lake.dataset, table.name, lake.plans, stamps)
        elif table.name not in versions:
            lake.version(table.name)  # it says what to do
    return versions


@contextmanager
def _draft_beside(catalog: Path) -> Iterator[Path]:
    """Give the name of a file to write, gone when the block ends, with all that killed runs left.

    Only one process publishes at a time, so no draft is of another.
    """
    pattern = f".{catalog.name}.*.tmp*"
    clear_left(catalog.parent.glob(pattern))
    try:
        yield catalog.with_name(f".{catalog.name}.{secrets.token_hex(3)}.tmp")
    finally:
        clear_left(catalog.parent.glob(pattern))


def _write(
    draft: Path,
    catalog: Path,
    lake: Lake,
    views: Mapping[str, str],
    withheld: Mapping[str, str],
    folders: Iterable[Path],
) -> None:
    """Write a catalog with new views of one dataset and those that all others have.

    withheld: view -> why it is of an earlier run. folders: of the parquet files that the new views
    read.
    Raises LakeError if it is not whole, or if a view of the dataset cannot be read.
    """
    try:
        with _attached(draft, "new", f"storage_version {literal(STORAGE_VERSION)}") as con:
            _copy(con, catalog, draft)
            con.execute(f"drop schema if exists new.{quoted(lake.dataset)} cascade")
            _add_views(con, lake.dataset, views, withheld)
            _add_the_missing(con, lake)
            written = _views(con, "new")
            con.execute("checkpoint new")  # closing would hide that it has failed
        if Path(f"{draft}.wal").exists():
            raise _not_written(catalog, "DuckDB left a part of it in a log")
        flush(draft)
        with _attached(draft, "new", "read_only") as con:
            if _views(con, "new") != written:
                raise _not_written(catalog, "not all views are in the file")
            for folder in folders:
                con.execute(f"from parquet_file_metadata({literal(all_parquet(folder))})")
            _check_views(con, lake.dataset, written)
    except (OSError, duckdb.Error) as error:
        raise _not_written(catalog, first_line(error)) from error


def _not_written(catalog: Path, reason: str) -> LakeError:
    return LakeError(
        f"{catalog}: cannot be written ({reason}); it shows what it showed before. Look whether the"
        " disk is full, then run again, or with --select catalog"
    )


@contextmanager
def _attached(file: Path, name: str, option: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a file of DuckDB under a name, beside an empty database in memory."""
    config: dict[str, Any] = {"autoinstall_known_extensions": "false", "threads": "2"}
    with duckdb.connect(config=config) as con:
        con.execute(f"attach {literal(str(file))} as {name} ({option})")
        yield con
        con.execute(f"detach {name}")


def _copy(con: duckdb.DuckDBPyConnection, catalog: Path, draft: Path) -> None:
    """Copy all views of the catalog in place, without reading what they read.

    One that cannot be read is made anew of what the datasets have noted.
    """
    if not catalog.is_file():
        return
    copied = Path(f"{draft}.old")  # since someone may have it open, and for writing
    shutil.copyfile(catalog, copied)
    try:
        con.execute(f"attach {literal(str(copied))} as old (read_only)")
        try:
            con.execute("copy from database old to new")
        finally:
            con.execute("detach old")
    except duckdb.Error as error:
        logger.warning(
            "%s cannot be read (%s): it is made anew of what the datasets have noted",
            catalog,
            first_line(error),
        )
        for schema in {view.schema for view in _views(con, "new")} - {*OWN_SCHEMAS}:
            con.execute(f"drop schema new.{quoted(schema)} cascade")


def _add_views(
    con: duckdb.DuckDBPyConnection,
    dataset: str,
    views: Mapping[str, str],
    withheld: Mapping[str, str],
) -> None:
    """Make the views of a dataset; those of an earlier run carry a comment that says why."""
    con.execute(f"create schema new.{quoted(dataset)}")
    for name, select in views.items():
        view = f"new.{quoted(dataset)}.{quoted(name)}"
        con.execute(f"create view {view} as {select}")
        if why := withheld.get(name):
            con.execute(f"comment on view {view} is {literal(f'of an earlier run: {why}')}")


def _add_the_missing(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Take out datasets whose folder is gone; add those that have noted views and show none."""
    shown = {view.schema for view in _views(con, "new")} - {*OWN_SCHEMAS, lake.dataset}
    for dataset in sorted(shown):
        if not (lake.root / dataset).is_dir():
            con.execute(f"drop schema new.{quoted(dataset)} cascade")
    for note in sorted(lake.root.glob(f"*/{PUBLISHED}")):
        dataset = note.parent.name
        noted = read_published(note.parent)
        if dataset == lake.dataset or dataset in shown or not noted["views"]:
            continue
        try:
            con.execute("begin")
            _add_views(con, dataset, noted["views"], noted["withheld"])
            con.execute("commit")
        except duckdb.Error as error:
            with suppress(duckdb.Error):
                con.execute("rollback")
            logger.warning(
                "dataset %s cannot be shown in the catalog (%s): run it again, or delete %s",
                dataset,
                first_line(error),
                note.parent,
            )


def _check_views(con: duckdb.DuckDBPyConnection, own: str, views: Sequence[View]) -> None:
    """Ask every view of the dataset for no row; of others' views that fail, only warn."""
    broken: dict[str, str] = {}
    for view in views:
        if view.schema in OWN_SCHEMAS or view.schema in broken:
            continue
        try:
            con.execute(f"from new.{quoted(view.schema)}.{quoted(view.name)} limit 0")
        except duckdb.Error as error:
            if view.schema == own:
                raise
            broken[view.schema] = f"{view.name}: {first_line(error)}"
    for dataset, reason in broken.items():
        logger.warning(
            "views of dataset %s cannot be read (%s); they stay as they were: run it again",
            dataset,
            reason,
        )


def _views(con: duckdb.DuckDBPyConnection, database: str) -> list[View]:
    return [View(*row) for row in con.execute(VIEWS_SQL, [database]).fetchall()]


def named_by(catalog: Path) -> str | None:
    """Return the queries of all views of a catalog, in one text; None if it cannot be read."""
    views = _shown(catalog)
    return None if views is None else "\n".join(view.sql for view in views)


def views_of(catalog: Path, dataset: str) -> dict[str, str]:
    """Return the query of every view that a catalog shows of a dataset; none if it is not there."""
    return {view.name: view.sql for view in _shown(catalog) or () if view.schema == dataset}


def _shown(catalog: Path) -> list[View] | None:
    copied = catalog.with_name(f".{catalog.name}.{os.getpid()}.tmp.named")
    try:
        shutil.copyfile(catalog, copied)
        with _attached(copied, "shown", "read_only") as con:
            return _views(con, "shown")
    except (OSError, duckdb.Error):
        return None
    finally:
        copied.unlink(missing_ok=True)
