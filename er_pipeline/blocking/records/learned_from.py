"""What was learned from: how many records, and how full their fields were.

It is noted beside all that is learned. Where the records of a night are no longer like those, what
is in force may no longer fit.
"""

import math
from collections.abc import Iterable, Iterator

from er_pipeline.blocking.records.seen_values import seen_values
from er_pipeline.blocking.spec.learned import LearnedFrom
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.verdicts import share_of

# A field is another one where its population stability index over filled and empty passes this: a
# moderate shift, as scorecards are watched; 50% filled become 66%, or 98% become 91%.
# Source: Siddiqi, "Credit Risk Scorecards", Wiley, 2006, chapter 10.
MOST_SHIFT = 0.1
# The share of the rarer of filled and empty is taken for no less: one of 100 records may be odd.
LEAST_SHARE = 0.01
# The chance that two records match, and how rare a value is, follow the number of records: 1.5
# times as many move a pair's weight by half a bit.
MOST_GROWTH = 1.5


def learned_from(engine: Engine, fields: Iterable[str]) -> LearnedFrom:
    """Describe the engine's cleaned_records: how many, how full fields are, which values."""
    names = list(fields)
    return {**records_of(engine, names), "seen": seen_values(engine, names)}


def records_of(engine: Engine, fields: Iterable[str]) -> LearnedFrom:
    """Count the engine's cleaned_records, and how full these fields are."""
    names = list(fields)
    counts = "".join(f", count({quoted(name)})" for name in names)
    n_records, *filled = engine.row(f"select count(*){counts} from cleaned_records")
    shares = {name: round(share_of(n, n_records), 4) for name, n in zip(names, filled, strict=True)}
    return LearnedFrom(records=n_records, filled=shares)


def find_drift(then: LearnedFrom, now: LearnedFrom) -> Iterator[str]:
    """Say in what the records of a night differ from those that was learned from, if they do."""
    fewer, more = sorted((max(1, then["records"]), max(1, now["records"])))
    if more > MOST_GROWTH * fewer:
        yield f"{now['records']:,} records, {then['records']:,} when it was learned"
    for name, share in now["filled"].items():
        before = then["filled"].get(name)
        if before is not None and _shift(before, share) > MOST_SHIFT:
            yield f"{name} is filled in {share:.0%}, {before:.0%} when it was learned"


def _shift(before: float, now: float) -> float:
    """Return the population stability index of one field, over filled and empty."""
    shift = 0.0
    for a, b in ((before, now), (1 - before, 1 - now)):
        a, b = max(a, LEAST_SHARE), max(b, LEAST_SHARE)
        shift += (b - a) * math.log(b / a)
    return shift
