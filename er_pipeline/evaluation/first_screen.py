"""What people read first of a table: what came out, the figures that matter, one picture, the rest.

The figures stand beside those of the last good run. Numbers that are there to be plotted over the
runs come last.
"""

import logging
from collections.abc import Mapping, Sequence

from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import time_text
from er_pipeline.blocking.tables.pictures import Grid, Shown
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Facts, Table
from er_pipeline.evaluation.table_answers import COUNTED, Answer, answer_of

logger = logging.getLogger(__name__)

VERDICT = "verdict"
FIGURES = "key_figures"
# What facts of another kind than expected make of the code that reads them.
UNLIKE = (KeyError, TypeError, ValueError, AttributeError, IndexError)
# What a float is a share of the whole by: written in percent.
SHARES = ("share", "recall", "precision", "f1", "completeness", "coverage", "filled")


def first_screen(
    step: Step, table: Table, lake: Lake, rows: int, rows_before: int | None = None
) -> dict[str, Shown]:
    """Return what is shown of a table, in the order in which people are to read it.

    rows, rows_before: of the table now, and as the last good run before this version left it.
    """
    answer = answer_of(table.name)
    facts = lake.facts(step.name)
    shown = {"rows": rows, **step.show(facts)}
    good = lake.last_good(step.name)
    before = _shown_before(step, good[1], rows_before) if good else {}
    first: dict[str, Shown] = {VERDICT: sentence_of(table.name, facts, rows)}
    since = time_text(good[0]) if good and before else ""
    first[FIGURES] = _figures(answer, shown, before, since)
    if table.name != step.name:  # the rest is of the main table
        return first
    rest = {name: value for name, value in shown.items() if name != "rows"}
    picture = answer.picture if answer.picture in rest else _first_picture(rest)
    if picture:
        first[picture] = rest.pop(picture)
    plotted = {name: value for name, value in rest.items() if isinstance(value, int | float)}
    return {**first, **{n: v for n, v in rest.items() if n not in plotted}, **plotted}


def sentence_of(table: str, facts: Facts, rows: int) -> str:
    """Answer a table's question; where its facts lack what that takes, it is counted instead."""
    try:
        return answer_of(table).sentence(facts, rows)
    except UNLIKE as error:  # what is only shown never stops a run
        logger.warning("%s: no sentence can be made of its facts: %r", table, error)
        return COUNTED.sentence(facts, rows)


def _shown_before(step: Step, facts: Facts, rows: int | None) -> Mapping[str, Shown]:
    """Return what the last good run showed; nothing if its facts are of another kind."""
    try:
        shown = step.show(facts)
    except UNLIKE as error:
        logger.info("%s: the figures of the last good run are left out: %r", step.name, error)
        return {}
    return shown if rows is None else {"rows": rows, **shown}


def _figures(
    answer: Answer, shown: Mapping[str, Shown], before: Mapping[str, Shown], since: str
) -> Grid:
    """Put the few figures that matter beside those of the last good run."""
    rows: list[Sequence[str]] = []
    names = list(dict.fromkeys(("rows", *answer.matters)))
    if any(shown.get(name) == shown["rows"] for name in names[1:]):
        names = names[1:]  # it is one of the others
    for name in names:
        now, then = shown.get(name), before.get(name)
        if not isinstance(now, int | float) or isinstance(now, bool):
            continue
        row = [name.replace("_", " "), figure_text(name, now)]
        if since and isinstance(then, int | float):
            row += [figure_text(name, then), _change(name, now, then)]
        elif since:
            row += ["", ""]
        rows.append(row)
    if since:
        rows.append(["made", "", since, ""])
    compared = ("last good run", "change") if since else ()
    return Grid(("figure", "now", *compared), rows)


def figure_text(name: str, value: int | float) -> str:
    """Write a figure: 12,345 or 0.5, a share as 95.86%."""
    if isinstance(value, float) and any(word in name for word in SHARES):
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _change(name: str, now: float, then: float) -> str:
    if now == then:
        return "none"
    sign = "+" if now > then else "-"
    return f"{sign}{figure_text(name, abs(now - then))}"


def _first_picture(shown: Mapping[str, Shown]) -> str | None:
    drawn = (n for n, v in shown.items() if not isinstance(v, int | float | str | Grid))
    return next(drawn, None)
