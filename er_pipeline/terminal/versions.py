"""What a lake keeps of a dataset: every publication, since when, until when, and what it takes."""

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import seconds_text
from er_pipeline.blocking.tables.publications import disk_bytes


class Kept(TypedDict):
    """A publication: when the catalog began to show it and ceased to, its tables and their bytes.

    bytes: of the versions that no later publication shows.
    """

    since: str
    until: str | None
    tables: int
    bytes: int


def kept_publications(lake: Lake) -> list[Kept]:
    """List the publications of a dataset that are kept, the one that is shown first."""
    published = lake.published()
    if not published["tables"]:
        return []
    every: list[tuple[str, str | None, dict[str, str]]] = [
        (published["at"], None, published["tables"]),
        *((s["at"], s["until"], s["tables"]) for s in reversed(published["before"])),
    ]
    seen: set[tuple[str, str]] = set()
    listed = []
    for since, until, tables in every:
        new = [version for version in tables.items() if version not in seen]
        seen.update(new)
        folders = [lake.path(table, version) for table, version in new]
        listed.append(
            Kept(
                since=seconds_text(since),
                until=None if until is None else seconds_text(until),
                tables=len(tables),
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
