"""Thinning: records taken out of versions of tables that people go on reading.

A file is written anew without the records and renamed into the place of the old one: a reader sees
one or the other, hard links of other versions are left alone, and a kill leaves nothing half. Doing
it twice changes nothing. Records keep their numbers, so that tables go on fitting each other; the
numbers of forgotten records are missing.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.files import point, sizes_of, write_whole
from er_pipeline.blocking.tables.files import replace as put_in_place
from er_pipeline.blocking.tables.publications import LATEST, Published
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.stamps import STAMP, Stamp, read_stamp
from er_pipeline.blocking.tables.traces import (
    ENTITY_NO,
    RowTraces,
    Traces,
    is_number_of_record,
    is_speaking,
)

RECORDS = "cleaned_records"
ENTITIES = "entities"
READ = "thinned_file"


@dataclass(frozen=True)
class Version:
    """A version of a table. records: that of cleaned_records whose numbers it has, if known."""

    table: str
    name: str
    folder: Path
    records: str | None = None

    @property
    def files(self) -> list[Path]:
        """Its parquet files."""
        return sorted(self.folder.glob("*.parquet"))


def versions_in(folder: Path) -> list[Version]:
    """List all versions of all tables of a dataset, finished or not.

    folder: of the dataset.
    """
    return [
        Version(path.parent.name, path.name, path)
        for path in sorted(folder.glob("*/*"))
        if path.is_dir() and not path.is_symlink() and not path.parent.name.startswith(".")
    ]


def with_their_records(versions: Sequence[Version], published: Published) -> list[Version]:
    """Find, by their stamps, which records the numbers in versions are of.

    published: what is shown; it decides where stamps say nothing, by what is shown together.
    """
    stamps = {(v.table, v.name): read_stamp(v.folder) for v in versions}
    together = [published["tables"], *published["reads"].values()]

    def records_of(version: Version) -> str | None:
        if version.table == RECORDS:
            return version.name
        stamp = stamps[version.table, version.name]
        for read, value in (stamp.made_from if stamp else {}).items():
            for other in versions:
                of_other = stamps[other.table, other.name]
                if other.table == read and of_other and value in _values(of_other):
                    found = records_of(other)
                    if found:
                        return found
        return next(
            (t[RECORDS] for t in together if t.get(version.table) == version.name and RECORDS in t),
            None,
        )

    return [replace(version, records=records_of(version)) for version in versions]


def mark_thinned(versions: Sequence[Version], unmarked: Collection[str]) -> None:
    """Give versions stamps that no step makes, so that nothing is taken for unchanged later.

    They go on following from each other. unmarked: tables that are learned, and stay in force.
    """
    stamps: dict[tuple[str, str], Stamp | None] = {}

    def mark(version: Version) -> Stamp | None:
        key = version.table, version.name
        if key in stamps:
            return stamps[key]
        stamp = stamps[key] = read_stamp(version.folder)
        if stamp is None or version.table in unmarked:
            return stamp
        made_from = dict(stamp.made_from)
        for other in versions:
            value = made_from.get(other.table)
            before = read_stamp(other.folder)
            if before and value in _values(before) and (now := mark(other)):
                made_from[other.table] = now.value
        thinned = stamp.thinned or stamp.value
        marked = stamps[key] = replace(stamp, made_from=made_from, thinned=thinned)
        if marked != stamp:
            _swap(version.folder / STAMP, marked.save_as)
        return marked

    for version in versions:
        mark(version)


def note_sizes(versions: Iterable[Version]) -> None:
    """Note the sizes that the files of versions have now, so that they are taken for whole."""
    for version in versions:
        stamp = read_stamp(version.folder)
        if stamp is not None and stamp.files:
            files = sizes_of(version.folder)
            noted = replace(stamp, files={name: files.get(name, 0) for name in stamp.files})
            if noted != stamp:
                _swap(version.folder / STAMP, noted.save_as)


def drop_versions(folder: Path, kept: Sequence[Version]) -> int:
    """Drop all versions of a dataset but some; return how many went.

    folder: of the dataset. A table of which none is left goes whole.
    """
    names = {(version.table, version.name) for version in kept}
    gone = [v for v in versions_in(folder) if (v.table, v.name) not in names]
    for version in gone:
        of_table = sorted(name for table, name in names if table == version.table)
        latest = version.folder.parent / LATEST
        if latest.is_symlink() and os.readlink(latest) == version.name:
            if of_table:
                point(latest, of_table[-1])
            else:
                latest.unlink()
        if of_table:
            shutil.rmtree(version.folder, ignore_errors=True)
        else:
            shutil.rmtree(version.folder.parent, ignore_errors=True)
    return len(gone)


def numbers_of(engine: Engine, version: Version, traces: Traces) -> list[int]:
    """Give the numbers that the records have in a version of cleaned_records."""
    engine.read_folder(version.folder, READ)
    ids = ", ".join(map(literal, sorted(traces.record_ids)))
    return [
        number
        for (number,) in engine.rows(
            f"select record_no from {READ} where source = {literal(traces.source)}"
            f" and record_id in ({ids}) order by record_no"
        )
    ]


def moved_entities(engine: Engine, entities: Version, numbers: Sequence[int]) -> dict[int, int]:
    """Give, for records that stand for an entity, the number that does so without them."""
    if not numbers:
        return {}
    engine.read_folder(entities.folder, READ)
    listed = ", ".join(map(str, numbers))
    return dict(
        engine.rows(
            f"select {ENTITY_NO}, min(record_no) from {READ} where {ENTITY_NO} in ({listed})"
            f" and record_no not in ({listed}) group by {ENTITY_NO}"
        )
    )


def values_of(engine: Engine, version: Version, numbers: Sequence[int]) -> set[str]:
    """Give the values of records in a version of cleaned_records that are long enough to search."""
    if not numbers:
        return set()
    engine.read_folder(version.folder, READ)
    fields = [
        name
        for name, kind in engine.described(f"select * from {READ}")
        if kind == "VARCHAR" and name not in ("record_id", "source")
    ]
    listed = ", ".join(map(str, numbers))
    rows = [
        engine.rows(f"select {quoted(name)} from {READ} where record_no in ({listed})")
        for name in fields
    ]
    return {value for found in rows for (value,) in found if value and is_speaking(value)}


def shared_values(
    engine: Engine, version: Version, values: Collection[str], numbers: Sequence[int]
) -> set[str]:
    """Give the values that rows of other records have, too, in a version of any table.

    Rows are of other records where the table has numbers of records and they are not these.
    """
    shared = set[str]()
    known = ", ".join(map(literal, sorted(values)))
    for file in version.files if values else ():
        engine.read_file(file, READ)
        columns = engine.described(f"select * from {READ}")
        of_records = [c for c in columns if not _is_text(c[1])]
        traces = Traces("", [])
        is_own = traces.in_rows(of_records, numbers, {}).removed
        if is_own == "false":
            continue
        for name, kind in columns:
            if _is_text(kind):
                rows = engine.rows(
                    f"select distinct v from (select {_cell(name, kind)} as v from {READ}"
                    f" where not coalesce({is_own}, false)) where v in ({known})"
                )
                shared |= {value for (value,) in rows}
    return shared


def has_values(engine: Engine, file: Path, values: Collection[str]) -> bool:
    """Say whether any cell of a parquet file, or any part of a list, is one of some values."""
    engine.read_file(file, READ)
    known = ", ".join(map(literal, sorted(values)))
    for name, kind in engine.described(f"select * from {READ}") if values else ():
        if _is_text(kind):
            (is_there,) = engine.row(
                f"select count(*) > 0 from (select {_cell(name, kind)} as v from {READ})"
                f" where v in ({known})"
            )
            if is_there:
                return True
    return False


def has_numbers(engine: Engine, version: Version) -> bool:
    """Say whether a version of a table holds numbers of records."""
    for file in version.files[:1]:
        engine.read_file(file, READ)
        columns = engine.described(f"select * from {READ}")
        return any(is_number_of_record(name, kind) for name, kind in columns)
    return False


def touched_rows(engine: Engine, file: Path, rows: RowTraces) -> int:
    """Count the rows of a file that go or change."""
    engine.read_file(file, READ)
    (n_rows,) = engine.row(f"select count(*) from {READ} where {rows.touched}")
    return int(n_rows)


def names_rows(engine: Engine, version: Version, traces: Traces) -> bool:
    """Say whether a version of a table names any of the records by their ids."""
    return any(
        touched_rows(engine, file, row_traces(engine, file, traces, [], {}))
        for file in version.files
    )


def row_traces(
    engine: Engine,
    file: Path,
    traces: Traces,
    numbers: Collection[int],
    moved: Mapping[int, int],
) -> RowTraces:
    """Say which rows of a parquet file are of the records."""
    engine.read_file(file, READ)
    return traces.in_rows(engine.described(f"select * from {READ}"), numbers, moved)


def thin_file(engine: Engine, file: Path, rows: RowTraces) -> None:
    """Write a file anew without the rows that go, in the order that the others had."""
    engine.read_file(file, READ)
    selected = ", ".join(
        f"{rows.replaced[name]} as {quoted(name)}" if name in rows.replaced else quoted(name)
        for name, _ in engine.described(f"select * from {READ}")
    )
    kept = f"select {selected} from {READ} where not coalesce({rows.removed}, false)"
    _swap(file, lambda draft: engine.write(kept, draft))


def notes_in(folders: Iterable[Path]) -> Iterator[Path]:
    """Give the notes that lie in folders: facts, verdicts, why a step failed."""
    for folder in folders:
        yield from sorted(path for path in folder.glob("*.json") if path.is_file())


def names_any(path: Path, traces: Traces) -> bool:
    """Say whether a note names any of the records."""
    return _masked(path, traces) is not None


def mask_file(path: Path, traces: Traces) -> bool:
    """Take the records out of a note; return whether it named any. What is no JSON goes whole."""
    masked = _masked(path, traces)
    if masked == "":
        path.unlink()
    elif masked is not None:
        write_whole(path, masked)
    return masked is not None


def _masked(path: Path, traces: Traces) -> str | None:
    """Return a note without the records, None if it names none; empty for what is no JSON."""
    text = path.read_text("utf-8", "replace")
    try:
        note = json.loads(text)
    except ValueError:
        return "" if traces.mask(text) != text else None
    masked = traces.mask_note(note)
    return None if masked == note else json.dumps(masked, indent=1)


def _is_text(kind: str) -> bool:
    return kind in ("VARCHAR", "VARCHAR[]")


def _cell(name: str, kind: str) -> str:
    return f"unnest({quoted(name)})" if kind == "VARCHAR[]" else quoted(name)


def _values(stamp: Stamp) -> set[str]:
    """Give what a table that was made of this one may have noted as its stamp."""
    return {stamp.value, stamp.thinned or stamp.value}


def _swap(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file anew and put it in the place of the old one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(3)}.tmp")
    try:
        write(draft)
        put_in_place(draft, path)
    finally:
        draft.unlink(missing_ok=True)
