"""What differs between two runs, written for people."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.evaluation.compared_runs import Compared
from er_pipeline.evaluation.page.night_changes import CAUSES
from er_pipeline.evaluation.report import aligned_rows
from er_pipeline.terminal.text_table import table_lines

# Strategies, checks and settings that are listed; --json has all.
MOST_LISTED = 12
PASSED = {True: "passed", False: "failed", None: "not there"}
WIDTH = 98


def diff_lines(found: Compared, width: int | None) -> Iterator[str]:
    """Write what differs, the figures first, line by line; width: as in `table_lines`."""
    yield f"{found.before} -> {found.now}"
    if found.nights > 1:
        yield f"({found.nights} publications later; what each one gained and lost is added up)"
    yield ""
    rows = [(f["title"], f["before_text"], f["now_text"], f["change"]) for f in found.figures]
    yield from aligned_rows(("figure", "before", "now", "change"), rows)
    yield from _checks(found)
    yield from _changes(found, width)
    yield from _strategies(found, width)
    yield from _settings(found, width)
    if found.unknown:
        yield ""
    for text in found.unknown:
        yield f"Not known: {text}."


def _checks(found: Compared) -> Iterator[str]:
    for check in found.checks[:MOST_LISTED]:
        then, now = PASSED[check["passed_before"]], PASSED[check["passed_now"]]
        yield ""
        yield f"Check {check['table']}: {check['check']}: {then} -> {now}"
        yield from wrap(check["text"], WIDTH, initial_indent="  ", subsequent_indent="  ")
    if len(found.checks) > MOST_LISTED:
        yield f"and {len(found.checks) - MOST_LISTED:,} more checks: --json lists all"


def _changes(found: Compared, width: int | None) -> Iterator[str]:
    for noun, counted in found.changes.items():
        yield ""
        sums = {
            c: sum(row["pairs"] for row in counted if row["change"] == c)
            for c in ("gained", "lost")
        }
        yield f"{noun.capitalize()}: {sums['gained']:,} gained, {sums['lost']:,} lost"
        if counted:
            rows = [
                (
                    row["change"],
                    f"{row['pairs']:,}",
                    CAUSES.get(row["cause"], row["cause"]),
                    ", ".join(list(row["strategies"])[:3]),
                )
                for row in counted
            ]
            yield from _listed(("change", noun, "because", "found by"), rows, width)
    if found.events is not None:
        yield ""
        if not found.events:
            yield "Entities: nothing happened to them"
            return
        rows = [
            (e["event"], f"{e['entities']:,}", f"{e['records']:,}", e["cause"].replace("_", " "))
            for e in found.events
        ]
        yield from _listed(("entities", "number", "records", "because"), rows, width)


def _strategies(found: Compared, width: int | None) -> Iterator[str]:
    if found.strategies:
        rows = [
            (s["strategy"], _number(s["before"]), _number(s["now"]), f"{s['change']:+,}")
            for s in found.strategies
        ]
        yield ""
        yield from _listed(("strategy", "pairs before", "now", "change"), rows, width)


def _settings(found: Compared, width: int | None) -> Iterator[str]:
    if found.settings is None:
        return
    yield ""
    if not found.settings:
        yield "No setting changed."
        return
    rows = [
        (s["setting"], s["before"] or "not written", s["now"] or "not written")
        for s in found.settings
    ]
    yield from _listed(("setting", "before", "now"), rows, width)


def _listed(
    header: tuple[str, ...], rows: Sequence[tuple[str, ...]], width: int | None
) -> Iterator[str]:
    yield from table_lines(header, rows[:MOST_LISTED], width)
    if len(rows) > MOST_LISTED:
        yield f"and {count_of(len(rows) - MOST_LISTED, 'more', 'more')}: --json lists all"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
