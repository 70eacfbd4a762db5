"""What came of expectations in words and numbers: a sentence for each that fails, and a grid."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from er_pipeline.blocking.records.expectation_outcomes import Outcome
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import shown

# Unexpected values that a row of the grid shows, and a sentence.
SHOWN_IN_GRID, SHOWN_IN_SENTENCE = 5, 1
HEADER = (
    *("expectation", "severity", "verdict", "observed", "unexpected", "share", "for example"),
)
BEGINNINGS = ("expect_column_values_to_", "expect_column_", "expect_")


def sentence(outcome: Outcome, *, with_values: bool) -> str:
    """Say what fails, and by how much; with_values: whether values of records may be quoted."""
    columns = ", ".join(outcome.columns)
    about = f"{columns}: " if columns else ""
    kwargs, name = outcome.expectation.kwargs, outcome.expectation.name
    if outcome.why_not:
        return f"{about}{name} could not be judged: {reason(outcome, with_values=with_values)}"
    share = _percent(outcome)
    examples = ", ".join(_unexpected(outcome, SHOWN_IN_SENTENCE)) if with_values else ""
    such_as = f", such as {examples}" if examples else ""
    if name == "expect_column_values_to_not_be_null":
        allowed = 1 - kwargs.get("mostly", 1.0)
        return f"{about}{share:.1f}% are empty, at most {allowed:.1%} allowed"
    if name == "expect_column_values_to_match_regex":
        return f"{about}{share:.1f}% do not match {kwargs.get('regex')!r}{such_as}"
    if name == "expect_column_values_to_be_unique":
        return f"{about}{share:.1f}% are not unique{such_as}"
    expected = outcome.prose or name
    if "unexpected_count" in outcome.result:
        n = outcome.result["unexpected_count"]
        return f"{expected}: {n:,} do not ({share:.1f}%){such_as}"
    observed = _observed(outcome, with_values=with_values)
    return f"{about if columns and columns not in expected else ''}{expected}" + (
        f"; it is {observed}" if observed else ""
    )


def reason(outcome: Outcome, *, with_values: bool) -> str:
    """Say why an expectation could not be judged; the library's own words may quote a value."""
    if outcome.why_not and not with_values and not outcome.needs_all:
        return "Great Expectations could not run it; with report: {record_values: true} it says why"
    return outcome.why_not or ""


def grid_of(outcomes: Iterable[Outcome], *, with_values: bool) -> Grid:
    """List what came of every expectation, those that fail first."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.succeeded)
    return Grid(HEADER, [_row(outcome, with_values=with_values) for outcome in ordered])


def numbers_of(outcomes: Iterable[Outcome]) -> dict[str, int | float]:
    """Return the numbers behind the outcomes by names that stay the same, for plots over time."""
    numbers: dict[str, int | float] = {}
    for outcome in outcomes:
        about = "_".join([*outcome.columns, _short(outcome.expectation.name)])
        for kind, value in _numbers(outcome):
            name, n = f"{kind}_{about}", 1
            while name in numbers:  # the same expectation again, with other arguments
                n += 1
                name = f"{kind}_{about}_{n}"
            numbers[name] = value
    return numbers


def without_values(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result without what quotes records: counts, shares and measures alone."""
    return {
        name: value
        for name, value in result.items()
        if isinstance(value, int | float) or (value is None and name == "observed_value")
    }


def _numbers(outcome: Outcome) -> Iterator[tuple[str, float]]:
    if outcome.why_not:
        return
    observed = outcome.result.get("observed_value")
    if "unexpected_percent" in outcome.result:
        yield "unexpected_percent", _percent(outcome)
    elif isinstance(observed, int | float) and math.isfinite(observed):
        yield "observed", observed


def _row(outcome: Outcome, *, with_values: bool) -> tuple[str, ...]:
    n = outcome.result.get("unexpected_count")
    expectation = outcome.expectation
    verdict = "held" if outcome.succeeded else "not judged" if outcome.why_not else "failed"
    return (
        outcome.prose or f"{', '.join(outcome.columns)}: {expectation.name}",
        expectation.severity,
        verdict,
        reason(outcome, with_values=with_values) or _observed(outcome, with_values=with_values),
        "" if n is None else f"{n:,}",
        "" if n is None else f"{_percent(outcome):.1f}%",
        ", ".join(_unexpected(outcome, SHOWN_IN_GRID)) if with_values else "",
    )


def _percent(outcome: Outcome) -> float:
    return float(outcome.result.get("unexpected_percent") or 0.0)


def _observed(outcome: Outcome, *, with_values: bool) -> str:
    observed = outcome.result.get("observed_value")
    if isinstance(observed, float):
        return f"{observed:,.6g}"
    if isinstance(observed, int):
        return f"{observed:,}"
    return "" if observed is None or not with_values else shown(observed)


def _unexpected(outcome: Outcome, most: int) -> list[str]:
    found: list[str] = []
    for value in outcome.result.get("partial_unexpected_list") or []:
        text = shown(value)
        if text not in found:
            found.append(text)
    return found[:most]


def _short(name: str) -> str:
    return next(name.removeprefix(part) for part in BEGINNINGS if name.startswith(part))
