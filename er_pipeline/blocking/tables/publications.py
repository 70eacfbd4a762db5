"""Publications: which versions of its tables a dataset shows, showed before, and which can go.

    <dataset>/published.json         what the catalog shows since when, and what it showed before
    <dataset>/<table>/current        the files of the version that it shows, see `shown_links.py`

A version is kept as long as a reader may have it open: while the catalog shows it, for some days
after, and always for the last few publications.
"""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict

from er_pipeline.blocking.tables.files import (
    clear_left,
    is_left,
    replace,
    write_draft,
    write_whole,
)
from er_pipeline.blocking.tables.in_force import finish_promotion, kept_in_force
from er_pipeline.blocking.tables.moments import moment
from er_pipeline.blocking.tables.shown_links import (
    CURRENT,
    drop_broken_links,
    drop_links,
    moment_shown,
    move_links,
    prepare_links,
    take_links_back,
    target_of,
    version_shown,
)

logger = logging.getLogger(__name__)

LATEST = "latest"
PUBLISHED = "published.json"


class Shown(TypedDict):
    """What was shown until a moment, as in `Published`; older releases noted no views, settings."""

    at: str
    until: str
    tables: dict[str, str]
    reads: dict[str, dict[str, str]]
    views: dict[str, str]
    settings: dict[str, str]


class Published(TypedDict):
    """What is shown of a dataset.

    tables: table -> version. views: view -> its query. reads: view -> table -> version, of all that
    it reads; a view of an earlier run reads tables of that run. withheld: table -> why its last
    version is not shown. previous: what was shown before. before: all that was shown and is kept,
    oldest first. kept: ledger -> table -> version, of itself and what it is kept with, as it was
    last shown, however long ago. settings: those that were declared, see `declared_settings`.
    """

    at: str
    tables: dict[str, str]
    views: dict[str, str]
    reads: dict[str, dict[str, str]]
    withheld: dict[str, str]
    previous: dict[str, str]
    before: list[Shown]
    kept: dict[str, dict[str, str]]
    settings: dict[str, str]


def new_note(
    tables: Mapping[str, str],
    views: Mapping[str, str],
    reads: Mapping[str, Mapping[str, str]],
    withheld: Mapping[str, str],
    kept: Mapping[str, Mapping[str, str]] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Published:
    """Make the note of what is shown from now on; a `Publication` adds what was shown before."""
    return Published(
        at=moment(),
        tables=dict(tables),
        views=dict(views),
        reads={view: dict(read) for view, read in reads.items()},
        withheld=dict(withheld),
        previous={},
        before=[],
        kept={ledger: dict(versions) for ledger, versions in (kept or {}).items()},
        settings=dict(settings or {}),
    )


@dataclass(frozen=True)
class Retention:
    """How long versions are kept that are no longer shown.

    days: since they were last shown. versions: the publications that are kept however old they are,
    the one that is shown included. learned: the same of sets of learned tables, the one in force
    included.
    """

    days: float = 7
    versions: int = 2
    learned: int = 5


def read_published(folder: Path) -> Published:
    """Read what is shown of a dataset; nothing if there is no note, or none that can be read.

    folder: of the dataset.
    """
    path = folder / PUBLISHED
    try:
        noted: Any = json.loads(path.read_text("utf-8"))
        tables = _texts(noted["tables"])
        previous = _texts(noted.get("previous", {}))
        at = str(noted["at"])
        older = {"at": "", "until": at, "tables": previous}  # as notes were before the history
        before = noted.get("before", [older] if previous else [])
        return Published(
            at=at,
            tables=tables,
            views=_texts(noted.get("views", {})),
            reads=_nested(noted, "reads"),
            withheld=_texts(noted.get("withheld", {})),
            previous=previous,
            before=[
                Shown(
                    at=str(s["at"]),
                    until=str(s["until"]),
                    tables=_texts(s["tables"]),
                    reads=_nested(s, "reads"),
                    views=_texts(s.get("views", {})),
                    settings=_texts(s.get("settings", {})),
                )
                for s in before
            ],
            kept=_nested(noted, "kept"),
            settings=_texts(noted.get("settings", {})),
        )
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        logger.warning(
            "%s cannot be read (%s): taken as if nothing had been published; the next publication"
            " writes it anew",
            path,
            error,
        )
    return {**new_note({}, {}, {}, {}), "at": ""}


def shown_until(note: Published, until: str) -> Shown:
    """Return what a note shows as it is kept when it is no longer shown."""
    return Shown(
        at=note["at"],
        until=until,
        tables=note["tables"],
        reads=note["reads"],
        views=note["views"],
        settings=note["settings"],
    )


class Publication:
    """A publication: prepared where nobody looks, so that to commit it takes renames alone.

    folder: of the dataset. note: of `new_note`; what was shown before is added. shown: table ->
    version that the catalog in place names. They are not those noted if a run was killed between
    the catalog and its note.
    """

    def __init__(
        self,
        folder: Path,
        note: Published,
        retention: Retention,
        shown: Mapping[str, str],
    ) -> None:
        """Decide what is kept of what was shown before; nothing is written yet."""
        self.folder = folder
        self.tables = note["tables"]
        self.before = read_published(folder)
        self.at = note["at"]
        self._draft: Path | None = None
        self._kept = list(self._kept_of(shown, retention))
        self._note = note
        note["previous"] = self._kept[-1]["tables"] if self._kept else {}
        note["before"] = self._kept
        note["kept"] = {**self.before["kept"], **note["kept"]}

    def prepare(self) -> None:
        """Write the note and the links of what is to be shown."""
        prepare_links(self.folder, self.at, self.tables)
        self._draft = write_draft(self.folder / PUBLISHED, json.dumps(self._note, indent=1))

    def commit(self) -> None:
        """Note what the catalog shows now, and let the links for people follow."""
        assert self._draft, "prepare() comes first"
        replace(self._draft, self.folder / PUBLISHED)
        move_links(self.folder, self.at, self.tables)

    def give_up(self) -> None:
        """Take back what was prepared."""
        if self._draft:
            self._draft.unlink(missing_ok=True)
        take_links_back(self.folder, self.at)

    def clean(self, named: str) -> None:
        """Drop the versions that nobody can need, and what killed runs left.

        named: a text that holds the name of every version that the catalog in place reads; these
        stay, whatever the note says. Kept are also the versions written last, and those written
        since the last publication: another run may be reading them; and what was learned and is in
        force, or has been and may be again; and ledgers. A table of which nothing else is kept
        belongs to a declaration that is no more, and goes whole.
        """
        since = self.before["at"]
        in_force = kept_in_force(self.folder)
        kept: list[Published | Shown] = [self._note, *self._kept]
        for latest in sorted(self.folder.glob(f"*/{LATEST}")):
            table, last = latest.parent, target_of(latest) or ""
            shown = {version for publication in kept for version in _shown_of(publication, table)}
            shown |= in_force.get(table.name, set())
            if not shown and _is_undeclared(table.name, last, self._note, since, named):
                shutil.rmtree(table, ignore_errors=True)
                continue
            if table.name not in self.tables:
                (table / CURRENT).unlink(missing_ok=True)
            for version in table.iterdir():
                written_at = version.name.split("-")[0]
                if version.is_symlink() or not version.is_dir() or written_at >= since:
                    continue
                if version.name in {last, *shown} or version.name in named:
                    continue
                if not version.name.endswith(".tmp") or is_left(version):
                    shutil.rmtree(version, ignore_errors=True)
        drop_links(self.folder, moments_shown(self._note))

    def _kept_of(self, shown: Mapping[str, str], retention: Retention) -> Iterator[Shown]:
        """Give what was shown and is kept, oldest first."""
        history, noted = list(self.before["before"]), self.before["tables"]
        last = shown_until(self.before, self.at)
        if noted:
            history.append(last)
        if any(noted.get(table) != version for table, version in shown.items()):
            nothing: Any = {"reads": {}, "views": {}, "settings": {}}
            history.append({**last, **nothing, "tables": dict(shown)})
        yield from kept_of(history, retention)


def kept_of(history: Sequence[Shown], retention: Retention) -> Iterator[Shown]:
    """Give, of what was shown, oldest first, what is to be kept beside what is shown now."""
    least = moment(datetime.now(UTC) - timedelta(days=retention.days))
    n_kept_anyway = retention.versions - 1
    for place, publication in enumerate(history):
        if len(history) - place <= n_kept_anyway or publication["until"] >= least:
            yield publication


def links_lead_to(folder: Path, published: Published) -> bool:
    """Say whether the links for people lead to what is noted as shown.

    folder: of the dataset. Not so if a run was killed between the note and its links. Where nothing
    is noted, nothing leads anywhere.
    """
    return moment_shown(folder) == published["at"] and all(
        version_shown(folder / table) == (folder / table / version).resolve()
        for table, version in published["tables"].items()
    )


def prune(folder: Path, retention: Retention, named: str) -> int:
    """Drop the versions of a dataset that are no longer to be kept; return the bytes that it freed.

    folder: of the dataset; no run of it may be at work. named: as in `Publication.clean`. What is
    shown and what was written last stays, unless it belongs to a declaration that is no more.
    """
    published = read_published(folder)
    kept = list(kept_of(published["before"], retention))
    all_shown: list[Published | Shown] = [published, *kept]
    in_force = kept_in_force(folder)
    freed = 0
    for latest in sorted(folder.glob(f"*/{LATEST}")):
        table = latest.parent
        shown = in_force.get(table.name, set()).union(*(_shown_of(p, table) for p in all_shown))
        last = target_of(latest) or ""
        if not shown and _is_undeclared(table.name, last, published, published["at"], named):
            freed += disk_bytes([version for version in table.iterdir() if version.is_dir()])
            shutil.rmtree(table, ignore_errors=True)
            continue
        stays = {last, *shown}
        for version in table.iterdir():
            is_version = version.is_dir() and not version.is_symlink()
            if is_version and version.name not in stays and version.name not in named:
                freed += disk_bytes([version])
                shutil.rmtree(version, ignore_errors=True)
    if kept != published["before"]:
        published["before"] = kept
        write_whole(folder / PUBLISHED, json.dumps(published, indent=1))
        drop_links(folder, moments_shown(published))
    return freed


def _is_undeclared(table: str, last: str, note: Published, since: str, named: str) -> bool:
    """Say whether a table belongs to a declaration that is no more, if no version of it is shown.

    last: its last version. note: what is shown now. since: of the publication before it.
    """
    is_old = bool(last) and last not in named and last.split("-")[0] < since
    return is_old and table not in note["withheld"]


def forget_gone(folder: Path) -> None:
    """Note that nothing is kept of what a dataset showed before, nor of tables that are gone.

    folder: of the dataset. Why a step failed may quote what it has read, and goes, too.
    """
    drop_broken_links(folder)
    published = read_published(folder)
    if published["at"]:
        for table, why in published["withheld"].items():
            if not why.endswith((" failed", " is withheld")):
                published["withheld"][table] = "its step failed"
        tables = published["tables"].items()
        published["tables"] = {t: v for t, v in tables if (folder / t / v).is_dir()}
        published["before"], published["previous"] = [], {}
        write_whole(folder / PUBLISHED, json.dumps(published, indent=1))


def clear_leftovers(folder: Path) -> None:
    """Remove what killed runs of a dataset left: half-written versions, notes and links.

    folder: of the dataset; no other run of it may be at work. What one was promoting is in force.
    """
    finish_promotion(folder)
    clear_left(path for pattern in ("*.tmp", "*.link") for path in _below(folder, pattern))
    drop_links(folder, moments_shown(read_published(folder)))


def named_versions(folder: Path, named: str) -> dict[str, str]:
    """Find, of every table of a dataset, the version that a text names: table -> version."""
    return {
        version.parent.name: version.name
        for version in sorted(folder.glob("*/*-*"))
        if version.is_dir() and not version.is_symlink() and version.name in named
    }


def disk_bytes(folders: Sequence[Path]) -> int:
    """Return what the files of some versions take on the disk, in bytes."""
    return sum(path.stat().st_size for folder in folders for path in folder.glob("*"))


def _below(folder: Path, pattern: str) -> Iterator[Path]:
    yield from folder.glob(pattern)
    yield from folder.glob(f"*/{pattern}")


def moments_shown(published: Published) -> set[str]:
    """Return the moments whose links stay: whoever has followed one goes on reading its tables."""
    return {published["at"], *(shown["at"] for shown in published["before"])}


def _shown_of(publication: Published | Shown, table: Path) -> set[str]:
    """List the versions of a table that a publication shows or keeps, or that its views read."""
    kept: Any = publication.get("kept", {})
    tables = [publication["tables"], *publication["reads"].values(), *kept.values()]
    return {read[table.name] for read in tables if table.name in read}


def _nested(noted: Any, name: str) -> dict[str, dict[str, str]]:
    return {str(key): _texts(versions) for key, versions in noted.get(name, {}).items()}


def _texts(value: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()}
