"""Which share of the known matches are candidates, and whether they are enough to settle recall.

Truth of a few records is true, but says little: ten known matches, all found, are seen as often
where a quarter of all matches is lost. There the estimates have a word, too.
"""

from typing import TypedDict

from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake


class KnownRecall(TypedDict):
    """Known matches, and how many of them are candidates."""

    true_pairs: int
    found: int


def count_known(engine: Engine, lake: Lake) -> KnownRecall:
    """Count the known matches, and those among the engine's unified_pairs. Reads true_pairs."""
    lake.open(engine, "true_pairs")
    (n_true,) = engine.row("select count(*) from true_pairs")
    (n_found,) = engine.row(
        "select count(*) from true_pairs as t"
        " join unified_pairs as u on u.left_no = t.left_no and u.right_no = t.right_no"
    )
    return {"true_pairs": n_true, "found": n_found}


def truth_settles(known: KnownRecall | None, wanted: float) -> bool:
    """Say whether the 95% interval of the known matches lies on one side of the recall wanted."""
    if known is None:
        return False
    low, high = interval(known["found"], known["true_pairs"])
    return low >= wanted or high < wanted


def known_sentence(known: KnownRecall | None, wanted: float) -> str:
    """Say what is known beside an estimate of recall; nothing without truth."""
    if known is None:
        return ""
    if truth_settles(known, wanted):
        return " Truth is known: missed_matches says which share it is in fact."
    return (
        f" Of the {known['true_pairs']:,} known matches {known['found']:,} are candidates: too few"
        " to be sure of all."
    )
