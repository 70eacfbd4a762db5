"""Two publications or runs compared: figures, checks, pairs and entities, strategies, settings.

What a night gained and lost stands in its own tables, with the causes; of publications with others
between them the nights are added up, so a pair that came and went again counts in both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from er_pipeline.blocking.changes.cause_counts import CauseCount
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.publications import Shown
from er_pipeline.blocking.tables.stamps import read_stamp
from er_pipeline.blocking.tables.verdict_notes import noted_verdicts
from er_pipeline.evaluation.followed_figures import FIGURES, change_text, flat_figures

REPORT, PAIRS, EVENTS = "blocking_report", "unified_pairs", "entity_events"
ESTIMATED = "recall_low"
# Noun -> the table of it, and the one that lists what was gained and lost.
CHANGES = {"pairs": (PAIRS, "pair_changes"), "matches": ("matches", "match_changes")}


@dataclass(frozen=True)
class Side:
    """One of both: how people call it, its figures, and what was shown, if that is kept."""

    name: str
    figures: Mapping[str, float]
    shown: Shown | None = None


@dataclass
class Compared:
    """What differs. figures, strategies: (name, before, now, change); None on a side without it.

    checks: table, check, passed_before, passed_now, text. changes: noun -> rows of change, cause,
    pairs and strategies; a noun is missing where it is not known. events: rows of event, cause,
    entities and records; None if not known. settings: name -> (before, now); None if not known.
    unknown: why something is not known. nights: publications from the one to the other.
    """

    before: str
    now: str
    figures: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    changes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    events: list[dict[str, Any]] | None = None
    strategies: list[dict[str, Any]] = field(default_factory=list)
    settings: list[dict[str, Any]] | None = None
    unknown: list[str] = field(default_factory=list)
    nights: int = 0


def side_of(lake: Lake, shown: Shown, name: str) -> Side:
    """Return a publication as one side, with the figures of the report that it showed."""
    return Side(name, flat_figures(_report(lake, shown)), shown)


def compare_runs(
    engine: Engine, lake: Lake, before: Side, now: Side, between: Sequence[Shown]
) -> Compared:
    """Compare two sides.

    between: the publications from the one to the other, both included, oldest first.
    """
    found = Compared(before.name, now.name, figures=list(_figures(before.figures, now.figures)))
    found.unknown += [
        f"the figures of {side.name}: its report was withheld or not made"
        for side, other in ((before, now), (now, before))
        if other.figures and not side.figures
    ]
    if before.shown is None or now.shown is None:
        gone = before.name if before.shown is None else now.name
        found.unknown.append(f"the tables of {gone} are not kept: figures alone are compared")
        return found
    found.nights = len(between) - 1
    found.checks = list(_checks(lake, before.shown, now.shown))
    found.strategies = _strategies(_report(lake, before.shown), _report(lake, now.shown))
    for noun, (of, table) in CHANGES.items():
        if table not in now.shown["tables"]:
            continue
        counted = _added_up(lake, of, table, between)
        if counted is None:
            found.unknown.append(f"{noun} gained and lost: {table} of a night between is not kept")
        else:
            found.changes[noun] = counted
    found.events = _events(engine, lake, before.shown, now.shown)
    if not before.shown["settings"] or not now.shown["settings"]:
        found.unknown.append("settings that changed: one of both was published without them")
    else:
        found.settings = list(_settings(before.shown["settings"], now.shown["settings"]))
    return found


def _report(lake: Lake, shown: Shown) -> Mapping[str, Any]:
    version = shown["tables"].get(REPORT)
    return {} if version is None else lake.facts(REPORT, version)


def _figures(before: Mapping[str, float], now: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    known = "pairs_completeness" in now
    for figure in FIGURES:
        if known and figure.metric == ESTIMATED:  # a bound without truth says no more than truth
            continue
        then, after = before.get(figure.metric), now.get(figure.metric)
        if then is None and after is None:
            continue
        yield {
            "figure": figure.metric,
            "title": figure.title,
            "before": then,
            "now": after,
            "before_text": "" if then is None else figure.text(then),
            "now_text": "" if after is None else figure.text(after),
            "change": "" if after is None else change_text(figure, after, then),
        }


def _checks(lake: Lake, before: Shown, now: Shown) -> Iterator[dict[str, Any]]:
    """Give the checks that came out otherwise; of those that are new, the failed ones."""
    for table in sorted({*before["tables"], *now["tables"]}):
        then, after = (
            {verdict.check: verdict for verdict in _verdicts(lake, shown, table)}
            for shown in (before, now)
        )
        for check in dict.fromkeys([*after, *then]):
            passed = tuple(side[check].passed if check in side else None for side in (then, after))
            if passed[0] == passed[1] or (None in passed and False not in passed):
                continue
            yield {
                "table": table,
                "check": check,
                "passed_before": passed[0],
                "passed_now": passed[1],
                "text": (after if check in after else then)[check].text,
            }


def _verdicts(lake: Lake, shown: Shown, table: str) -> Sequence[Any]:
    version = shown["tables"].get(table)
    return (noted_verdicts(lake, table, version=version) or ()) if version else ()


def _strategies(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the strategies whose pairs moved, those that moved most first."""
    then, after = before.get("strategies", {}), now.get("strategies", {})
    moved = []
    for name in dict.fromkeys([*after, *then]):
        old, new = (side[name]["pairs"] if name in side else None for side in (then, after))
        if old != new:
            change = (new or 0) - (old or 0)
            moved.append({"strategy": name, "before": old, "now": new, "change": change})
    return sorted(moved, key=lambda m: -abs(m["change"]))


def _added_up(
    lake: Lake, of: str, table: str, between: Sequence[Shown]
) -> list[dict[str, Any]] | None:
    """Add up what every publication gained and lost; None if one of them did not count it."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for before, now in pairwise(between):
        counted = _gained_and_lost(lake, of, table, before["tables"], now["tables"])
        if counted is None:
            return None
        for count in counted:
            key = (count["change"], count["cause"])
            row = sums.setdefault(key, {"pairs": 0, "strategies": {}})
            row["pairs"] += count["pairs"]
            for strategy, n in count["strategies"].items():
                row["strategies"][strategy] = row["strategies"].get(strategy, 0) + n
    rows = [{"change": change, "cause": cause, **row} for (change, cause), row in sums.items()]
    return sorted(rows, key=lambda row: -row["pairs"])


def _gained_and_lost(
    lake: Lake, of: str, table: str, before: Mapping[str, str], now: Mapping[str, str]
) -> Sequence[CauseCount] | None:
    """Return what a publication counted against the one before; None if it was against another."""
    if table not in now or not {of, PAIRS} <= before.keys() or of not in now:
        return None
    if before.get(table) == now[table]:
        stamps = [read_stamp(lake.path(of, tables[of])) for tables in (before, now)]
        return () if stamps[0] and stamps[0] == stamps[1] else None  # it was withheld
    facts = lake.facts(table, now[table])
    causes: Sequence[CauseCount] = facts["causes"]
    return causes if facts["since"] == before[PAIRS] else None


def _events(engine: Engine, lake: Lake, before: Shown, now: Shown) -> list[dict[str, Any]] | None:
    """Count what happened to entities since; None if one of both had none."""
    versions = [shown["tables"].get(EVENTS) for shown in (before, now)]
    if None in versions:
        return None
    for name, version in zip(("events_then", "events_now"), versions, strict=True):
        engine.read_folder(lake.path(EVENTS, version), name)
    rows = engine.rows(
        """
        select event, cause, count(distinct entity_id), sum(records)::bigint from events_now
        where event_no > (select coalesce(max(event_no), 0) from events_then)
        group by event, cause order by 3 desc, event, cause
        """
    )
    names = ("event", "cause", "entities", "records")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _settings(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for name in dict.fromkeys([*now, *before]):
        if before.get(name) != now.get(name):
            yield {"setting": name, "before": before.get(name), "now": now.get(name)}
