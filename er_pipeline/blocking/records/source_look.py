"""A look at a source: where it is, how old, and how many records it gave."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from er_pipeline.blocking.records.remote_files import is_remote, list_remote, origin_of
from er_pipeline.blocking.records.source_files import database_file, files_of
from er_pipeline.blocking.records.table_formats import format_of_table, table_outside
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.printable import count_of, without_password


@dataclass(frozen=True)
class SourceLook:
    """What can be seen of a source from outside.

    place: a path, a database's table or query, or that the records are made up. files: how many it
    means; size: theirs, in bytes; changed: when the last of them was. None of what has no files.
    """

    place: str
    files: int | None = None
    size: int | None = None
    changed: datetime | None = None


def look_at(source: Source, folder: Path) -> SourceLook:
    """Look at a source. folder: where relative paths start.

    Raises InputError if there are no such files, OSError if one cannot be looked at.
    """
    if format_of_table(source, folder):
        (place,) = table_outside(source, folder)
        return SourceLook(place)
    if source.path and is_remote(source.path):
        remote = list_remote(source.path, "path")
        ages = [file.changed for file in remote if file.changed]
        size = sum(file.size or 0 for file in remote)
        return SourceLook(origin_of(source.path), len(remote), size, max(ages, default=None))
    if source.path:
        found = files_of(source.path, folder, "path")
        states = [file.stat() for file in found.files]
        changed = datetime.fromtimestamp(max(state.st_mtime for state in states), UTC)
        return SourceLook(found.origin, len(states), sum(s.st_size for s in states), changed)
    if source.database:
        _, file = database_file(source.database, folder)
        state = file.stat()
        changed = datetime.fromtimestamp(state.st_mtime, UTC)
        return SourceLook(f"{file}, table {source.table}", 1, state.st_size, changed)
    return SourceLook(declared_place(source))


def declared_place(source: Source) -> str:
    """Say where a source is, without looking there."""
    if source.url:
        return f"the query at {without_password(source.url)}"
    if source.database:
        return f"{source.database}, table {source.table}"
    if source.path and is_remote(source.path):
        return origin_of(source.path)
    return source.path or "made-up people, by the declaration"


def source_sentence(look: SourceLook, n_records: int, now: datetime) -> str:
    """Say how many records a source gave, and how old it is."""
    age = f", last changed {age_text(now - look.changed)} before" if look.changed else ""
    return f"{n_records:,} records of {look.place}{age}."


def age_text(age: timedelta) -> str:
    """Write an age in the largest unit that it fills: 3 days, 1 hour, 5 minutes."""
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return count_of(seconds // length, unit)
    return "less than a minute"
