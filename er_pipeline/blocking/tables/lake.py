"""The lake: where a table lies. A table is written whole or not at all.

    <root>/<dataset>/<table>/<version>/*.parquet     one folder per version, with its notes:
    <root>/<dataset>/<table>/<version>/stamp.json    what shaped it (`stamps.py`)
    <root>/<dataset>/<table>/<version>/facts.json    what its step counted
    <root>/<dataset>/<table>/latest                  a symbolic link to the version last written
    <root>/<dataset>/<table>/current                 the one of the last good run, for people
    <root>/<dataset>/in_force.json            which learned tables are in force (`in_force.py`)
    <root>/<dataset>/published.json                  what the catalog shows (`publications.py`)
    <root>/catalog.duckdb                            one view per table, for people

A version is written under a temporary name, renamed, and becomes the latest by replacing one link,
so a reader sees the old table or the new one, never half. Reading resolves the link once, so even a
table of many files is read from one version. The pipeline reads `latest`; people read the catalog
or `current`, which move only when a run has ended well.
"""

import json
import logging
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.files import link_file, made_folder, point, sizes_of
from er_pipeline.blocking.tables.in_force import version_in_force
from er_pipeline.blocking.tables.moments import moment
from er_pipeline.blocking.tables.outside import library_versions
from er_pipeline.blocking.tables.publications import (
    LATEST,
    PUBLISHED,
    Published,
    read_published,
)
from er_pipeline.blocking.tables.shown_links import version_shown
from er_pipeline.blocking.tables.stamps import Plan, Stamp, check_stamp, read_stamp, upstream_of
from er_pipeline.blocking.tables.table import Facts

logger = logging.getLogger(__name__)

FACTS = "facts.json"
SPILL = ".spill"


class Lake:
    """The tables of one dataset.

    root: the lake's folder, shared by all datasets; made on the first write.
    dataset: the dataset's name, a folder below it.
    plans: what shapes each table (`plans_of` a flow). With them every table that is written gets a
    stamp, and one that does not follow from the settings and its inputs is refused. Without them
    tables are read and written as they come.
    takes_over: whether steps may take over from the last good run what cannot have changed; the
    tables are the same if not.
    snapshot: the date whose snapshot steps are to read, where sources have one; None is the newest.
    """

    def __init__(self, root: Path, dataset: str, plans: Mapping[str, Plan] | None = None) -> None:
        """Name the place; nothing is read or made yet."""
        self.plans = dict(plans or {})
        self.root = root.absolute()
        self.dataset = dataset
        self.folder = self.root / dataset
        self._only: frozenset[str] | None = None
        self._pinned: dict[str, str] = {}
        self.takes_over = True
        self.snapshot: str | None = None
        self._outside: dict[str, str] = {}
        self._writes: frozenset[str] = frozenset()
        self._seen: dict[str, Stamp | None] | None = None

    def for_step(
        self,
        reads: Collection[str],
        writes: Collection[str],
        outside: Mapping[str, str] | None = None,
    ) -> Self:
        """Return this lake as one step sees it.

        Every table it opens stays at the version that was the latest then, whatever other runs
        write meanwhile, and is one of those it declares. outside: what the step finds outside the
        lake, noted beside every table that it writes.
        """
        seen = type(self)(self.root, self.dataset, self.plans)
        seen._only = frozenset(reads) | frozenset(writes)
        seen.takes_over = self.takes_over
        seen.snapshot = self.snapshot
        seen._outside = dict(outside or {})
        seen._writes = frozenset(writes)
        return seen

    def as_it_stands(self) -> Self:
        """Return this lake for who only looks at it.

        A table stays at the version that it had when it was looked at first, and every stamp is
        read once, not once for each table that is made of it.
        """
        stands = type(self)(self.root, self.dataset, self.plans)
        stands._seen = {}
        return stands

    def taking_nothing_over(self) -> Self:
        """Return this lake for steps that are to make everything anew."""
        anew = type(self)(self.root, self.dataset, self.plans)
        anew.takes_over = False
        anew.snapshot = self.snapshot
        return anew

    def at_snapshot(self, day: str | None) -> Self:
        """Return this lake for steps that are to read the snapshot of a date."""
        dated = type(self)(self.root, self.dataset, self.plans)
        dated.takes_over = self.takes_over
        dated.snapshot = day
        return dated

    @property
    def spill(self) -> Path:
        """The folder for what does not fit into an engine's memory."""
        return self.root / SPILL

    @property
    def opened(self) -> frozenset[str]:
        """The tables that a step has opened so far."""
        return frozenset(self._pinned)

    def open(self, engine: Engine, table: str, name: str | None = None) -> None:
        """Make a table readable in an engine, under its own name or another.

        Raises LakeError if it has never been written, or does not follow from the settings and
        tables as they are now: it says which table to make again.
        """
        self.check(table)
        engine.read_folder(self.path(table), name or table)

    def check(self, table: str) -> None:
        """Raise LakeError if a table is missing or stale; what it is made of is looked at, too."""
        version = self.version(table)
        if self._only is not None:
            assert table in self._only, f"a step opens {table}, which it does not declare"
            if table in self._pinned:
                return
        if table in self.plans:
            needed = upstream_of(table, self.plans)
            check_stamp(self.dataset, table, self.plans, self.stamps(needed))
        if self._only is not None:
            self._pinned[table] = version

    def stamps(self, tables: Iterable[str]) -> dict[str, Stamp | None]:
        """Read the stamps of tables, as far as they have been written."""
        if self._seen is None:
            return {table: read_stamp(self.path(table)) for table in tables if self.has(table)}
        wanted = list(tables)
        for table in wanted:
            if table not in self._seen and self.has(table):
                self._seen[table] = read_stamp(self.path(table))
        return {table: self._seen[table] for table in wanted if table in self._seen}

    def stamp(self, table: str) -> str:
        """Return the stamp of a table as it was last written; empty if none was noted."""
        noted = read_stamp(self.path(table))
        return noted.value if noted else ""

    def has(self, table: str) -> bool:
        """Say whether the table has been written."""
        version = version_in_force(self.folder, table)
        return version is not None and (self.folder / table / version).exists()

    def version(self, table: str) -> str:
        """Name the version of a table that was written last.

        Raises LakeError if the table has never been written.
        """
        if table in self._pinned:
            return self._pinned[table]
        version = version_in_force(self.folder, table)
        if version is None:
            step = self.plans[table].step if table in self.plans else table
            raise LakeError(
                f"table {self.dataset}/{table} is not in the lake {self.root}: "
                f"materialize {self.dataset}/{step} first, or name the lake that holds it"
            )
        if self._seen is not None:
            self._pinned[table] = version
        return version

    def path(self, table: str, version: str | None = None) -> Path:
        """Return the folder of a table's parquet files, in one version (the latest)."""
        return self.folder / table / (version or self.version(table))

    def facts(self, table: str, version: str | None = None) -> Facts:
        """Read what was noted when a version of a table (the latest) was written.

        Raises LakeError if a step reads the latest of a table that is stale.
        """
        if version is None and self._only is not None:
            self.check(table)
        facts: Facts = json.loads((self.path(table, version) / FACTS).read_text("utf-8"))
        return facts

    def last_good_facts(self, table: str) -> Facts | None:
        """Read what the last good run before the latest version noted; None if there is none."""
        found = self.last_good(table)
        return found[1] if found else None

    def last_good(self, table: str) -> tuple[str, Facts] | None:
        """Return the version that the last good run before the latest left, and what it noted.

        The latest version may have been shown by several runs, which left it as it was.
        """
        published = self.published()
        earlier = [published["previous"], *(shown["tables"] for shown in published["before"][::-1])]
        for versions in (published["tables"], *earlier):
            version = versions.get(table)
            if version is None or version == self.version(table):
                continue
            try:
                return version, self.facts(table, version)
            except (OSError, ValueError) as error:
                path = self.path(table, version) / FACTS
                logger.warning("%s cannot be read (%s): left out of account", path, error)
        return None

    def before(self, *tables: str) -> dict[str, Path] | None:
        """Return the folders of tables as the last good run left them, all of one run.

        What a night compares itself with, or takes over; this run's own tables are published at its
        end. None if one of them is not published, or they are of different runs. What forgotten
        records were taken out of is no table of any run: a step that would take over from it makes
        all anew, while a table of history goes on from what is left.
        """
        shown = self.published()["tables"]
        if not all(table in shown for table in tables):
            return None
        folders = {table: self.folder / table / shown[table] for table in tables}
        stamps = {table: read_stamp(folder) for table, folder in folders.items()}
        for table, stamp in stamps.items():
            if stamp is None or (stamp.thinned is not None and not self._goes_on):
                return None
            plan = self.plans.get(table)
            in_force = plan is not None and plan.stays_in_force
            for read, value in stamp.made_from.items():
                of_input = stamps.get(read)
                if of_input is None or (plan and in_force and read not in plan.learned_with):
                    continue
                if of_input.value != value:
                    return None
        return folders

    def is_made_alike(self, table: str, folder: Path) -> bool:
        """Say whether a version of a table was made by the code, settings and libraries of now.

        Of the same inputs it would then come out as it is; one that forgotten records were taken
        out of would not.
        """
        stamp, plan = read_stamp(folder), self.plans.get(table)
        return (
            stamp is not None
            and plan is not None
            and stamp.thinned is None
            and (stamp.code, stamp.settings) == (plan.code, plan.settings)
            and stamp.libraries == library_versions()
        )

    def ledger(self, table: str, kept_with: Sequence[str]) -> dict[str, Path] | None:
        """Return the folders of a ledger and of what it is kept with, as it was last published.

        However long ago that was, and whatever has been published since. None if it never was.
        Where the note of what is published is lost, the links for people stand in for it.
        Raises LakeError if one of the folders is gone: nobody goes on without it by accident.
        """
        published = self.published()
        versions = published["kept"].get(table)
        if versions is None and not published["at"]:
            shown = {name: version_shown(self.folder / name) for name in (table, *kept_with)}
            if all(shown.values()):
                return {name: folder for name, folder in shown.items() if folder}
        if versions is None:
            return None
        folders = {name: self.folder / name / version for name, version in versions.items()}
        lost = [str(folder) for folder in folders.values() if not folder.is_dir()]
        if lost:
            raise LakeError(
                f"{', '.join(lost)}: not there any more, though {self.dataset}/{table} goes on from"
                f" it; bring it back from a backup, or take {table!r} out of `kept` in"
                f" {self.folder / PUBLISHED} to begin {table} anew"
            )
        return folders

    @property
    def _goes_on(self) -> bool:
        """Whether the step that sees this lake makes a table that follows from earlier nights."""
        plans = [self.plans[table] for table in self._writes if table in self.plans]
        return any(plan.is_from_outside for plan in plans)

    @contextmanager
    def writing(self, table: str, facts: Mapping[str, Any] | None = None) -> Iterator["TableDraft"]:
        """Write a new version of a table; it becomes the latest when the block ends without error.

        facts: small JSON-ready notes to keep beside the table; more can be added to the draft.
        A table made from outside needs the draft's `content`, too.
        Raises LakeError if one of its inputs, as it was read, is stale.
        """
        version = f"{moment()}-{secrets.token_hex(3)}"
        final = self.folder / table / version
        draft = TableDraft(final.with_name(f"{version}.tmp"), dict(facts or {}))
        with made_folder(draft.folder):
            try:
                yield draft
                if table in self.plans:
                    self._stamp_of(table, draft).save(draft.folder)
                (draft.folder / FACTS).write_text(json.dumps(draft.facts, indent=1), "utf-8")
                draft.folder.rename(final)
            except BaseException:
                shutil.rmtree(draft.folder, ignore_errors=True)
                raise
            point(final.with_name(LATEST), version)
        self._pinned.pop(table, None)

    def _stamp_of(self, table: str, draft: "TableDraft") -> Stamp:
        plan = self.plans[table]
        made_from = {}
        for read in plan.reads:
            self.check(read)
            made_from[read] = self.stamp(read)
        made_from |= {read: self.stamp(read) for read in plan.learned_with}  # checked with those
        has_content = draft.content is not None
        assert plan.is_from_outside == has_content, f"{table}: content belongs to it"
        return Stamp(
            plan.code,
            plan.settings,
            made_from,
            draft.content,
            self._outside,
            library_versions(),
            sizes_of(draft.folder),
        )

    def tables(self) -> list[str]:
        """List the tables that have been written, by name."""
        if not self.folder.is_dir():
            return []
        return sorted(path.parent.name for path in self.folder.glob(f"*/{LATEST}"))

    def published(self) -> Published:
        """Read which versions the catalog shows, which it showed before, and since when."""
        return read_published(self.folder)


class TableDraft:
    """A table being written: put parquet files into `folder`, notes into `facts`.

    content: a fingerprint of what it holds, needed where that follows from more than settings and
    other tables.
    """

    def __init__(self, folder: Path, facts: Facts) -> None:
        """Hold the folder and the notes of one version."""
        self.folder = folder
        self.facts = facts
        self.content: str | None = None

    def file(self, name: str = "part-0") -> Path:
        """Return the path of one parquet file of the table."""
        return self.folder / f"{name}.parquet"


def link_files(source: Path, target: Path) -> None:
    """Put the parquet files of one folder into another, without copying them where that can be."""
    for file in sorted(source.glob("*.parquet")):
        link_file(file, target / file.name)
