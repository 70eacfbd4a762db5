"""In force: which version of all that was learned a dataset uses, and which it used before.

    <dataset>/in_force.json     the sets of learned tables that have been in force, the last one now
    <dataset>/promotion.json    the set that is being put in force; there only meanwhile

A table that stays in force is used as it was written last, as every table is. To put another set of
them in force takes several links, which move one after the other; from the moment its promotion is
noted, all of the set is read, whichever links have moved, and the next run moves the others.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from er_pipeline.blocking.tables.files import point, write_whole

IN_FORCE, PROMOTION = "in_force.json", "promotion.json"
LATEST = "latest"


class LearnedSet(TypedDict):
    """What was learned together, or at least used together.

    version: its name, a moment. since: when it was put in force. tables: table -> version.
    """

    version: str
    since: str
    tables: dict[str, str]


def read_sets(folder: Path) -> list[LearnedSet]:
    """Read the sets that have been in force and are kept, in the order they came to be, last now.

    folder: of the dataset. A note that cannot be read is none: what is in force is used on, and the
    next publication notes it anew.
    """
    noted = _read(folder / IN_FORCE)
    try:
        return [_set_of(one) for one in noted["sets"]]
    except (KeyError, TypeError, AttributeError):
        return []


def note_in_force(folder: Path, tables: Mapping[str, str], since: str, most: int) -> None:
    """Note which versions a good run has used, if they are others than before.

    folder: of the dataset. tables: table -> version, of those that stay in force; where there are
    none, nothing is kept. since: the moment. most: sets that are kept, the new one included.
    """
    sets = read_sets(folder)
    if not tables:
        (folder / IN_FORCE).unlink(missing_ok=True)
    elif not sets or sets[-1]["tables"] != tables or len(sets) > most:
        version = max(name.split("-")[0] for name in tables.values())
        _append(folder, LearnedSet(version=version, since=since, tables=dict(tables)), most)


def promote(folder: Path, promoted: LearnedSet, most: int) -> None:
    """Put a set in force, whose versions lie in the folders of the tables; all of it, or nothing.

    folder: of the dataset, of which no run may be at work. most: as for `note_in_force`.
    """
    finish_promotion(folder)
    note = {
        "set": promoted,
        "instead_of": {table: _target(folder / table) for table in promoted["tables"]},
        "most": most,
    }
    write_whole(folder / PROMOTION, json.dumps(note, indent=1))
    finish_promotion(folder)


def finish_promotion(folder: Path) -> None:
    """Move the links that a promotion has left; nothing if there is none. As for `promote`."""
    note = _read(folder / PROMOTION)
    if not note:
        return
    promoted = _set_of(note["set"])
    for table, version in promoted["tables"].items():
        if _target(folder / table) == note["instead_of"][table]:
            point(folder / table / LATEST, version)
    _append(folder, promoted, note["most"])
    (folder / PROMOTION).unlink()


def version_in_force(folder: Path, table: str) -> str | None:
    """Return the version of a table to use: the latest, or the one being promoted in its place.

    folder: of the dataset. None if the table has never been written.
    """
    latest = _target(folder / table)
    note = _read(folder / PROMOTION)
    if note and table in note["set"]["tables"] and note["instead_of"][table] == latest:
        return str(note["set"]["tables"][table])
    return latest


def kept_in_force(folder: Path) -> dict[str, set[str]]:
    """Return table -> versions that stay: they are in force, or have been and may be again."""
    sets: Iterable[LearnedSet] = read_sets(folder)
    note = _read(folder / PROMOTION)
    kept: dict[str, set[str]] = {}
    for one in [*sets, *([_set_of(note["set"])] if note else [])]:
        for table, version in one["tables"].items():
            kept.setdefault(table, set()).add(version)
    return kept


def _append(folder: Path, newest: LearnedSet, most: int) -> None:
    older = [one for one in read_sets(folder) if one["tables"] != newest["tables"]]
    kept = [*older, newest][-most:]
    write_whole(folder / IN_FORCE, json.dumps({"sets": kept}, indent=1))


def _set_of(noted: Mapping[str, Any]) -> LearnedSet:
    return LearnedSet(
        version=str(noted["version"]),
        since=str(noted["since"]),
        tables={str(table): str(version) for table, version in noted["tables"].items()},
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        noted = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _target(table: Path) -> str | None:
    try:
        return os.readlink(table / LATEST)
    except OSError:
        return None
