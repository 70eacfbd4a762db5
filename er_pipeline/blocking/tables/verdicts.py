"""A verdict: one thing that must hold, and the numbers behind it.

Verdicts are found in the pure half, so that a notebook, a dry run and a Dagster check judge alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from er_pipeline.blocking.tables.pictures import Grid


@dataclass(frozen=True)
class Verdict:
    """One thing that must hold, with the numbers behind it.

    check: name of the check. severity: error stops what comes after, warn only says so.
    text: one sentence for people: what was found, and what to do where it failed.
    grid: more of what was found, row by row, where there is more to say.
    """

    check: str
    passed: bool
    severity: Literal["error", "warn"]
    text: str
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    grid: Grid | None = None


def share_of(part: float, whole: float) -> float:
    """Return part / whole; 0 where there is no whole."""
    return part / whole if whole else 0.0


def unless(passed: bool, text: str) -> str:
    """Return a text that only a verdict that failed has."""
    return "" if passed else text
