"""The lake: where a table lies. A table is written whole or not at all.

    <root>/<dataset>/<table>/<version>/*.parquet     one folder per version, plus facts.json
    <root>/<dataset>/<table>/latest                  a symbolic link to the version last written
    <root>/<dataset>/<table>/current                 the one of the last good run, for people
    <root>/<dataset>/published.json                  the versions that the catalog shows
    <root>/catalog.duckdb                            one view per table, for people

A version is written under a temporary name, renamed, and becomes the latest by replacing one link,
so a reader sees the old table or the new one, never half. Reading resolves the link once, so even a
table of many files is read from one version. The pipeline reads `latest`; people read the catalog
or `current`, which move only when a run has ended well.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from er_pipeline.blocking.tables.errors import LakeError

LATEST = "latest"
CURRENT = "current"
FACTS = "facts.json"
PUBLISHED = "published.json"
RUN_METRICS_INBOX = "run_metrics_inbox"


class Lake:
    """The tables of one dataset.

    root: the lake's folder, shared by all datasets; made on the first write.
    dataset: the dataset's name, a folder below it.
    declared: table -> digest of the settings that shape it (`declarations`); it is kept with each
    table, and a table made under other settings is refused. Nothing is compared where left out.
    """

    def __init__(self, root: Path, dataset: str, declared: Mapping[str, str] | None = None) -> None:
        """Name the place; nothing is read or made yet."""
        self.declared = dict(declared or {})
        self.root = root.absolute()
        self.dataset = dataset
        self.folder = self.root / dataset

    def has(self, table: str) -> bool:
        """Tell whether the table has been written."""
        return (self.folder / table / LATEST).exists()

    def version(self, table: str) -> str:
        """Name the version of a table that was written last.

        Raises LakeError if the table has never been written.
        """
        try:
            return os.readlink(self.folder / table / LATEST)
        except OSError as error:
            raise LakeError(
                f"table {self.dataset}/{table} is not in the lake {self.root}: "
                f"materialize {self.dataset}/{table} first"
            ) from error

    def path(self, table: str, version: str | None = None) -> Path:
        """Give the folder of a table's parquet files, in one version (the latest)."""
        return self.folder / table / (version or self.version(table))

    def facts(self, table: str, version: str | None = None) -> Any:
        """Read what was noted when a version of a table (the latest) was written.

        The module that writes the table declares what the notes hold, as a TypedDict or in words.
        """
        return json.loads((self.path(table, version) / FACTS).read_text("utf-8"))

    def last_good_facts(self, table: str) -> Any:
        """Read what the last good run before the latest version noted; None where there is none."""
        published = self.published()
        for versions in (published["tables"], published["previous"]):
            version = versions.get(table)
            if version not in (None, self.version(table)):
                return self.facts(table, version)
        return None

    def check_declared(self, table: str) -> None:
        """Refuse a table that was made under other settings than those declared now.

        Raises LakeError that says which table to make again.
        """
        made_under = self.facts(table).get("declared")
        if self.declared and made_under != self.declared.get(table, made_under):
            raise LakeError(
                f"{self.dataset}/{table} was made under other settings than the defs.yaml has now:"
                f" materialize {self.dataset}/{table} again, or run the whole dataset"
            )

    @contextmanager
    def writing(self, table: str, facts: Mapping[str, Any] | None = None) -> Iterator["TableDraft"]:
        """Write a new version of a table; it becomes the latest when the block ends without error.

        facts: small JSON-ready notes to keep beside the table; more can be added to the draft.
        """
        version = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(3)}"
        final = self.folder / table / version
        draft = TableDraft(final.with_name(f"{version}.tmp"), dict(facts or {}))
        if table in self.declared:
            draft.facts["declared"] = self.declared[table]
        draft.folder.mkdir(parents=True)
        try:
            yield draft
            (draft.folder / FACTS).write_text(json.dumps(draft.facts, indent=1), "utf-8")
            draft.folder.rename(final)
        except BaseException:
            shutil.rmtree(draft.folder, ignore_errors=True)
            raise
        _point(final.with_name(LATEST), version)

    def tables(self) -> list[str]:
        """List the tables that have been written, by name."""
        if not self.folder.is_dir():
            return []
        return sorted(path.parent.name for path in self.folder.glob(f"*/{LATEST}"))

    def published(self) -> dict[str, Any]:
        """Read which versions the catalog shows, which it showed before, and since when."""
        try:
            published: dict[str, Any] = json.loads((self.folder / PUBLISHED).read_text("utf-8"))
        except FileNotFoundError:
            return {"tables": {}, "previous": {}, "at": ""}
        return published

    def publish(self, tables: Mapping[str, str]) -> None:
        """Note which versions the catalog shows from now on, and drop the ones nobody can need.

        Kept are: what the catalog shows, what it showed before (it may still be open somewhere),
        what was written last, and everything written since the catalog was last published
        (another run may be reading it).
        """
        before = self.published()
        note = {"tables": dict(tables), "previous": before["tables"], "at": _now()}
        write_whole(self.folder / PUBLISHED, json.dumps(note, indent=1))
        for table, version in tables.items():
            _point(self.folder / table / CURRENT, version)
        for table in self.tables():
            keep = {self.version(table), tables.get(table), before["tables"].get(table)}
            for folder in (self.folder / table).iterdir():
                written_at = folder.name.split("-")[0]
                if folder.is_symlink() or folder.name in keep or written_at >= before["at"]:
                    continue
                shutil.rmtree(folder, ignore_errors=True)


class TableDraft:
    """A table being written: put parquet files into `folder`, notes into `facts`."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        """Hold the folder and the notes of one version."""
        self.folder = folder
        self.facts = facts

    def file(self, name: str = "part-0") -> Path:
        """Give the path of one parquet file of the table."""
        return self.folder / f"{name}.parquet"


def link_files(source: Path, target: Path) -> None:
    """Put the parquet files of one folder into another, without copying them where that can be."""
    for file in sorted(source.glob("*.parquet")):
        try:
            os.link(file, target / file.name)
        except OSError:  # no hard links there
            shutil.copyfile(file, target / file.name)


def write_whole(path: Path, text: str) -> None:
    """Replace a small text file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(3)}.tmp")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, path)


def _point(link: Path, version: str) -> None:
    """Make a link point to another version, in one step."""
    draft = link.with_name(f"{version}.{link.name}.link")
    draft.symlink_to(version)
    os.replace(draft, link)


def _now() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
