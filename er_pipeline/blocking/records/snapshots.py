"""Snapshots: for which dates a dataset's sources have files, and which date a run reads.

A run reads one date: of every source with {date} in its path the snapshot of that date, of the
others what there is. Nights have a memory (ids are minted once, events are only added, changes are
those since the last good run), so the dates of a lake go forward alone: see `check_order`.
"""

import glob
from collections.abc import Sequence
from pathlib import Path

from er_pipeline.blocking.records.record_changes import RECORDS
from er_pipeline.blocking.records.remote_files import find_remote, is_remote, origin_of
from er_pipeline.blocking.spec.dated_paths import (
    checked_date,
    day_in,
    glob_of,
    is_dated,
    path_of,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.settings import resolved
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.errors import InputError, LakeError
from er_pipeline.blocking.tables.lake import Lake


def is_by_date(spec: PipelineSpec) -> bool:
    """Say whether a run of a dataset reads the snapshot of a date."""
    return any(is_dated(source.path) for source in spec.sources)


def snapshots(spec: PipelineSpec) -> list[str]:
    """List the dates for which every dated source has a snapshot, in order."""
    found = [_days(source, spec.folder) for source in _dated(spec)]
    return sorted(set.intersection(*found)) if found else []


def chosen_snapshot(spec: PipelineSpec, wanted: str | None = None) -> str | None:
    """Return the date that a run reads: the one wanted, else the newest; None if none is dated.

    Raises InputError if there is no such snapshot: it names the path, and the newest there is.
    """
    if not is_by_date(spec):
        return None
    there = snapshots(spec)
    if wanted is None:
        if not there:
            raise InputError(_none_at_all(spec))
        return there[-1]
    try:
        day = checked_date(wanted)
    except ValueError as error:
        raise InputError(str(error)) from error
    if day not in there:
        lacking = next(one for one in _dated(spec) if day not in _days(one, spec.folder))
        newest = f"the newest is {there[-1]}" if there else _none_at_all(spec)
        raise InputError(
            f"{_place(lacking, spec.folder, day)}: there is no such snapshot; {newest}"
        )
    return day


def chosen_snapshots(spec: PipelineSpec, first: str, last: str) -> list[str]:
    """List the dates from one to another for which there are snapshots, in order.

    first, last: both count; an empty text leaves that end open.
    Raises InputError if there is none: it names the newest there is.
    """
    try:
        ends = [checked_date(end) if end else "" for end in (first, last)]
    except ValueError as error:
        raise InputError(str(error)) from error
    there = snapshots(spec)
    found = [day for day in there if ends[0] <= day and (not ends[1] or day <= ends[1])]
    if not found:
        newest = f"the newest is {there[-1]}" if there else _none_at_all(spec)
        raise InputError(f"{first}..{last}: there is no snapshot between these dates; {newest}")
    return found


def at_snapshot(spec: PipelineSpec, day: str | None) -> PipelineSpec:
    """Return a spec whose dated sources are those of a date; as it is if there are none.

    day: of `chosen_snapshot`; None chooses the newest.
    Raises InputError as that does.
    """
    day = chosen_snapshot(spec, day)
    if day is None:
        return spec
    sources = [
        source.model_copy(update={"path": path_of(source.path, day), "name": source.label})
        if source.path and is_dated(source.path)
        else source
        for source in spec.sources
    ]
    return spec.model_copy(update={"sources": sources})


def published_snapshot(lake: Lake) -> str | None:
    """Return the date of the tables that the catalog shows; None if they are of none."""
    version = lake.published()["tables"].get(RECORDS)
    return _noted(lake, version) if version else None


def snapshot_in(lake: Lake) -> str | None:
    """Return the date of the records that were written last; None if they are of none."""
    return _noted(lake, lake.version(RECORDS)) if lake.has(RECORDS) else None


def _noted(lake: Lake, version: str) -> str | None:
    try:
        noted = lake.facts(RECORDS, version).get("snapshot")
    except (OSError, ValueError):  # the folder is gone or broken, and somebody else says so
        return None
    return noted if isinstance(noted, str) else None


def check_order(lake: Lake, day: str | None) -> None:
    """Raise LakeError if a date is before the one that the catalog shows.

    lake: with the tables. day: of `chosen_snapshot`.
    """
    shown = published_snapshot(lake)
    if day is not None and shown is not None and day < shown:
        raise LakeError(
            f"the snapshot of {day} is older than that of {shown}, which the catalog shows: ids and"
            " changes go on from night to night, so the dates of a lake run in their order; run a"
            f" date from {shown} on, or all of them from {day} on in an empty lake (--lake)"
        )


def check_is_of(lake: Lake, day: str | None) -> None:
    """Raise LakeError if the records that lie in the lake are of another date.

    day: of a run; None if it is of none, and takes the tables as they are.
    """
    if day is None:
        return
    there = snapshot_in(lake)
    if there != day:
        raise LakeError(
            f"the records in the lake are of {f'the snapshot of {there}' if there else 'no date'},"
            f" and this run is of {day}: run the whole dataset for {day}, or materialize"
            " cleaned_records of that date first"
        )


def _dated(spec: PipelineSpec) -> Sequence[Source]:
    return [source for source in spec.sources if is_dated(source.path)]


def _days(source: Source, folder: Path) -> set[str]:
    """Find the dates for which one source has files."""
    assert source.path
    if is_remote(source.path):
        # How a store writes its own name differs: an account, a bucket.
        path = source.path.split("?")[0].partition("://")[2].partition("/")[2]
        where = "`path` in the dataset's defs.yaml"
        places = [found.place for found in find_remote(glob_of(source.path), where)]
        found = {day_in(f"**/{path}", place) for place in places}
    else:
        path = str(Path(source.path).expanduser())
        places = glob.glob(glob_of(path), root_dir=folder, recursive=True)
        found = {day_in(path, place) for place in places}
    return {day for day in found if day}


def _place(source: Source, folder: Path, day: str) -> str:
    assert source.path
    path = path_of(source.path, day)
    return origin_of(path) if is_remote(path) else str(resolved(path, folder))


def _none_at_all(spec: PipelineSpec) -> str:
    """Say that no date has a snapshot of every source, with the newest of each."""
    said = []
    for source in _dated(spec):
        days = _days(source, spec.folder)
        said.append(f"{source.path} has {f'{max(days)} as its newest' if days else 'none'}")
    what = "no date has a snapshot of every source" if len(said) > 1 else "there is no snapshot yet"
    return f"{what}: {', '.join(said)}; {{date}} stands for a date such as 2026-11-01"
