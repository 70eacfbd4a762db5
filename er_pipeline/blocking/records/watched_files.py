"""Watched files: whether the files of the sources have changed, and have been left alone since.

A file that is still being written changes between two looks, or has a time of change that is too
young. One look costs a stat per file; bytes are read only where content is compared.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from er_pipeline.blocking.records.remote_files import is_remote, list_remote
from er_pipeline.blocking.records.snapshots import at_snapshot
from er_pipeline.blocking.records.source_files import database_file, files_of
from er_pipeline.blocking.records.table_formats import format_of_table, table_outside
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.outside import file_fingerprint

# Of a DuckDB file, changes that are not in the file itself yet.
WAL = ".wal"


@dataclass(frozen=True)
class Seen:
    """What was seen of the files, as a cursor keeps it.

    settled: path -> mark of what the last run was started for. moving: what differs from that, as
    it was at the last look, and since when. content: path -> SHA-256, where content is compared.
    """

    settled: Mapping[str, str]
    moving: Mapping[str, str] = field(default_factory=dict)
    since: float = 0.0
    content: Mapping[str, str] = field(default_factory=dict)

    def cursor(self) -> str:
        """Write it as a text."""
        return json.dumps(self.__dict__, sort_keys=True)

    @classmethod
    def read(cls, cursor: str | None) -> "Seen | None":
        """Read it; None if there is none, or none that can be read."""
        try:
            noted: Any = json.loads(cursor or "")
            return cls(**noted)
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True)
class Look:
    """What came of a look at the files.

    seen: for the next one. changed: names of the files for which a run is to start; none otherwise.
    why: what is waited for, for people.
    """

    seen: Seen
    changed: tuple[str, ...] = ()
    why: str = ""

    @property
    def key(self) -> str:
        """What stands for this change: the same one asks for one run only."""
        return hashlib.sha256(self.seen.cursor().encode()).hexdigest()[:16]


def look_at_sources(spec: PipelineSpec, before: Seen | None, now: float | None = None) -> Look:
    """Look at the files of all sources, and compare with the look before.

    before: None at the first look, which starts no run. now: seconds, as time.time() gives them.
    """
    watch = spec.schedule.watch
    assert watch is not None, "nobody asked"
    now = time.time() if now is None else now
    try:
        marks = dict(_marks(spec))
    except (InputError, OSError) as error:  # such as between the deletion of a file and its return
        text = str(error)
        return Look(before or Seen({}), why=f"not all files are there: {text}")
    by_content = watch.compare == "content"
    if before is None:
        content = _contents(marks, {}) if by_content else {}
        return Look(Seen(marks, content=content), why="this is the first look at the files")
    changed = _different(before.settled, marks)
    if not changed:
        same = Seen(before.settled, content=before.content)
        return Look(same, why="no file has changed")
    moving = {path: marks.get(path, "") for path in changed}
    since = before.since if before.moving == moving else now
    left_alone = now - max(since, *(_time_of(mark) for mark in moving.values()))
    # What was only just seen to differ is looked at once more, however old its time says it is.
    if left_alone < watch.quiet_seconds or before.moving != moving:
        return Look(
            Seen(before.settled, moving, since, before.content),
            why=f"{changed[0]} has changed, and is left alone for {watch.quiet_seconds:g} s first",
        )
    if by_content:
        content = _contents(marks, {p: s for p, s in before.content.items() if p not in moving})
        if content == before.content:
            return Look(Seen(marks, content=content), why="only times have changed, no content")
        return Look(Seen(marks, content=content), changed)
    return Look(Seen(marks), changed)


def _marks(spec: PipelineSpec) -> Iterator[tuple[str, str]]:
    """Give size and time of change of every file of the sources, those of the newest snapshot."""
    for i, source in enumerate(at_snapshot(spec, None).sources):
        files: list[Path] = []
        if format_of_table(source, spec.folder):
            for place, version in table_outside(source, spec.folder).items():
                yield place, f"{version}:0"
        elif source.path and is_remote(source.path):
            for found in list_remote(source.path, f"sources.{i}.path"):
                seconds = found.changed.timestamp() if found.changed else 0
                yield found.place, f"{found.mark}:{int(seconds * 1e9)}"
        elif source.path:
            files = list(files_of(source.path, spec.folder, f"sources.{i}.path").files)
        elif source.database:
            _, file = database_file(source.database, spec.folder)
            wal = file.with_name(file.name + WAL)
            files = [file, *([wal] if wal.exists() else [])]
        for file in files:
            status = file.stat()
            yield str(file), f"{status.st_size}:{status.st_mtime_ns}"


def _different(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Name the files that are new, gone or otherwise marked."""
    return tuple(p for p in sorted({*before, *now}) if before.get(p) != now.get(p))


def _time_of(mark: str) -> float:
    """Return when a file was changed last, in seconds; 0 for one that is gone."""
    return int(mark.rpartition(":")[2]) / 1e9 if mark else 0.0


def _contents(marks: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    return {
        path: known.get(path) or (file_fingerprint(Path(path)) if Path(path).is_file() else mark)
        for path, mark in sorted(marks.items())
    }
