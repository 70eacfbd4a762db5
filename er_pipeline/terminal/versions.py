"""What a lake keeps of a dataset: every publication, since when, until when, and what it takes."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import made_at, moment, seconds_text
from er_pipeline.blocking.tables.publications import Shown, disk_bytes, shown_until
from er_pipeline.terminal.exit_codes import UsageError

NOW = "now"
# How a moment may be written, and how long it lasts.
PRECISIONS = {
    "%Y-%m-%d %H:%M:%S": timedelta(seconds=1),
    "%Y-%m-%d %H:%M": timedelta(minutes=1),
    "%Y-%m-%d": timedelta(days=1),
}


class Kept(TypedDict):
    """A publication: when the catalog began to show it and ceased to, its tables and their bytes.

    bytes: of the versions that no later publication shows.
    """

    since: str
    until: str | None
    tables: int
    bytes: int


def every_publication(lake: Lake) -> list[Shown]:
    """List all that is shown and was shown and is kept, newest first; until: empty for now."""
    published = lake.published()
    if not published["tables"]:
        return []
    return [shown_until(published, ""), *reversed(published["before"])]


def publication_at(lake: Lake, text: str) -> Shown:
    """Return what was shown at a moment: now, 2026-11-27, 2026-11-27 02:00, or a version's name.

    A day, a minute or a second counts to its end, so that a moment as `version_lines` writes it
    names the publication that began then.
    Raises UsageError if the text names no moment, LakeError if nothing is kept that was shown then.
    """
    every = every_publication(lake)
    if not every:
        raise LakeError(
            f"nothing is published of dataset {lake.dataset} in the lake {lake.root}: run"
            " er-pipeline run first, or name the lake that holds it with --lake"
        )
    if text == NOW:
        return every[0]
    end = moment(_end_of(text))
    for publication in every:
        if publication["at"] <= end:
            return publication
    raise LakeError(
        f"nothing is kept that was shown at {text} (UTC); the oldest publication that is kept began"
        f" at {seconds_text(every[-1]['at'])}, see er-pipeline versions"
    )


def _end_of(text: str) -> datetime:
    with suppress(ValueError):
        return made_at(text)
    plain = text.strip().removesuffix("UTC").removesuffix("Z").strip().replace("T", " ")
    for form, lasts in PRECISIONS.items():
        with suppress(ValueError):
            begins = datetime.strptime(plain, form).replace(tzinfo=UTC)
            return begins + lasts - timedelta(microseconds=1)
    raise UsageError(
        f"{text!r} is no moment: write {NOW}, or one in UTC as er-pipeline versions shows it, such"
        " as '2026-11-27 02:00'"
    )


def kept_publications(lake: Lake) -> list[Kept]:
    """List the publications of a dataset that are kept, the one that is shown first."""
    seen: set[tuple[str, str]] = set()
    listed = []
    for publication in every_publication(lake):
        since, until = publication["at"], publication["until"]
        new = [version for version in publication["tables"].items() if version not in seen]
        seen.update(new)
        folders = [lake.path(table, version) for table, version in new]
        listed.append(
            Kept(
                since=seconds_text(since),
                until=seconds_text(until) if until else None,
                tables=len(publication["tables"]),
                bytes=disk_bytes(folders),
            )
        )
    return listed


def version_lines(listed: Sequence[Kept]) -> Iterator[str]:
    """Write the publications as lines of a table."""
    if not listed:
        yield "nothing has been published yet"
        return
    yield f"{'shown since':<20} {'until':<20} {'tables':>6} {'MiB':>10}"
    for kept in listed:
        size = f"{kept['bytes'] / 2**20:,.1f}"
        yield f"{kept['since']:<20} {kept['until'] or 'now':<20} {kept['tables']:>6} {size:>10}"


def versions_answer(listed: Sequence[Kept], freed: int | None) -> dict[str, Any]:
    """Give the same for programs; freed: bytes, if versions were pruned."""
    return {"publications": list(listed), "bytes_freed": freed}
