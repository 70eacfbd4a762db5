"""How much a run has, held against the last good run: far less is seldom what somebody wanted."""

from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict, share_of

RECORDS_KEPT = Check(
    "records_do_not_vanish",
    "A source that was cut short would replace good tables by a part of them.",
    limits=("checks.max_records_drop",),
)
PAIRS_KEPT = Check(
    "pairs_do_not_vanish",
    "A field that a source writes otherwise since last night makes no pair, and no error.",
    limits=("checks.max_pairs_drop",),
)


def judge_records_drop(n_records: int, before: int | None, most: float) -> Verdict:
    """Judge the number of records against that of the last good run, None if there was none."""
    drop = _drop(n_records, before)
    passed = drop <= most
    text = f"{n_records:,} records"
    if before is None:
        text += "; there is no good run before to compare with."
    else:
        text += f", {before:,} in the last good run"
        text += f" ({drop:.0%} fewer; at most {most:.0%} wanted)." if drop else "."
    if not passed:
        text += (
            " Is a source cut short? If so few are right, raise checks: max_records_drop to"
            f" {_next_limit(drop)} for this run."
        )
    numbers = {"records": n_records, "records_before": before or 0, "records_drop": drop}
    return Verdict(RECORDS_KEPT.name, passed, "error", text, numbers)


def judge_pairs_drop(n_pairs: int, before: int | None, most: float) -> Verdict:
    """Judge the number of candidate pairs against that of the last good run.

    Fewer pairs warn, since other settings make fewer; none at all, after some, is an error. A first
    run without a pair warns.
    """
    drop = _drop(n_pairs, before)
    passed = drop <= most and n_pairs > 0
    text = f"{n_pairs:,} candidate pairs" if n_pairs else "There is not one candidate pair"
    if before is None:
        text += "; there is no good run before to compare with." if n_pairs else "."
    else:
        text += f", {before:,} in the last good run"
        text += f" ({drop:.0%} fewer; at most {most:.0%} wanted)." if drop else "."
    if not n_pairs:
        text += (
            " Do the sources write the fields alike? See how full they are and what is commonest in"
            " them: er-pipeline run --dry-run."
        )
    elif not passed:
        text += (
            " Has a field of a source changed? If so few are right, raise checks: max_pairs_drop to"
            f" {_next_limit(drop)} for this run."
        )
    if before and not n_pairs:
        text += " If no pair is right, write checks: {max_pairs_drop: 1} for this run."
    lost_all = bool(before) and not n_pairs and most < 1
    numbers = {"pairs": n_pairs, "pairs_before": before or 0, "pairs_drop": drop}
    return Verdict(PAIRS_KEPT.name, passed, "error" if lost_all else "warn", text, numbers)


def _drop(now: int, before: int | None) -> float:
    return max(0.0, share_of((before or 0) - now, before or 0))


def _next_limit(drop: float) -> str:
    """Round a share up to the next hundredth, so that the limit named is one that holds."""
    return f"{min(1.0, (int(drop * 100) + 1) / 100):g}"
