"""The versions of what a dataset has learned: those that were in force, and candidates."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

from er_pipeline.blocking.tables.in_force import read_sets
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import seconds_text
from er_pipeline.candidates import CANDIDATES, Comparison, candidates


class Version(TypedDict):
    """One version. learned_at: UTC, by its name. records: that it was learned from, if noted.

    since: when it was put in force last, None of a candidate. in_force: whether it is now.
    comparison: of a candidate, with what was in force then.
    """

    version: str
    learned_at: str
    records: int | None
    since: str | None
    in_force: bool
    comparison: Comparison | None


def list_versions(lake: Lake) -> list[Version]:
    """List the versions of a dataset: those that were in force, the one that is, and candidates."""
    now = {name: lake.version(name) for name in lake.plans if lake.has(name)}
    listed = [
        Version(
            version=one["version"],
            learned_at=seconds_text(one["version"]),
            records=_records(lake, one["tables"]),
            since=seconds_text(one["since"]),
            in_force=one["tables"].items() <= now.items(),
            comparison=None,
        )
        for one in read_sets(lake.folder)
    ]
    for candidate in candidates(lake):
        comparison = candidate["comparison"]
        home = Lake(lake.folder / CANDIDATES, candidate["version"])
        listed.append(
            Version(
                version=candidate["version"],
                learned_at=seconds_text(candidate["version"]),
                records=_records(home, candidate["tables"]),
                since=None,
                in_force=False,
                comparison=comparison,
            )
        )
    return listed


def version_lines(listed: Sequence[Version]) -> Iterator[str]:
    """Write the versions as lines of a table."""
    if not listed:
        yield "nothing has been learned yet, or no run with it has ended well"
        return
    width = max(len(one["version"]) for one in listed)
    yield f"{'version':<{width}}  {'learned from':>16}  state"
    for one in listed:
        records = "" if one["records"] is None else f"{one['records']:,} records"
        state = f"in force since {one['since']}" if one["in_force"] else f"promoted {one['since']}"
        comparison = one["comparison"]
        if comparison is not None:
            state = "candidate"
            after, moves = comparison["candidate"], comparison["moves"]
            state += f": {after['pairs']:,.0f} pairs, {after['cpu_seconds']:,.1f} CPU s"
            if moves:
                state += f", {moves['ids_moved']:,} ids would move"
        yield f"{one['version']:<{width}}  {records:>16}  {state}"
    yield "er-pipeline promote DEFS VERSION puts one in force"


def versions_answer(listed: Sequence[Version]) -> dict[str, Any]:
    """Give the same for programs."""
    return {"versions": list(listed)}


def _records(lake: Lake, tables: Mapping[str, str]) -> int | None:
    for table, version in tables.items():
        try:
            learned_from = lake.facts(table, version).get("learned_from")
        except (OSError, ValueError):
            continue
        if learned_from:
            return int(learned_from["records"])
    return None
