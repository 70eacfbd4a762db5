"""Doubts about precision: what speaks against the matches of a threshold, without truth.

Four views, since wrong matches show in four ways: two who are alike are each recorded twice
(`match_doubts`), a record gets two partners in a source that holds nobody twice
(`contested_matches`), near values of a field stand beside quite other ones of another
(`odd_levels`), what is equal is shared by strangers, and the rest is missing (`shared_values`).
Each has a check of its own, which names the columns; they share a limit.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NotRequired, TypedDict

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.matching.contested_matches import (
    FEW_ARE_CONTESTED,
    Contested,
    find_contested,
    judge_contested,
)
from er_pipeline.matching.match_doubts import IN_DOUBT, Doubt, find_doubts, judge_doubts
from er_pipeline.matching.odd_levels import (
    NEAR_IS_A_SIGN,
    OddLevel,
    find_odd_levels,
    judge_odd_levels,
)
from er_pipeline.matching.shared_values import (
    SHARED_IS_A_SIGN,
    SharedValues,
    find_shared_values,
    judge_shared_values,
)


class PrecisionDoubts(TypedDict):
    """What speaks against the matches; nothing is known of a first pass.

    contested: None where a source may hold somebody twice.
    """

    doubts: NotRequired[list[Doubt]]
    contested: NotRequired[Contested | None]
    odd_levels: NotRequired[list[OddLevel]]
    shared_values: NotRequired[list[SharedValues]]


def checks_of(spec: PipelineSpec) -> list[Check]:
    """List the checks on precision; that on partners only where sources are linked."""
    contested = [FEW_ARE_CONTESTED] if spec.link_mode == "link" else []
    return [IN_DOUBT, *contested, NEAR_IS_A_SIGN, SHARED_IS_A_SIGN]


def find_precision_doubts(
    engine: Engine, spec: PipelineSpec, model: Mapping[str, Any], matches: str, threshold: float
) -> PrecisionDoubts:
    """Find what speaks against the matches of the threshold.

    model: Splink's settings, trained. matches: engine table of matches. Reads the engine's
    cleaned_records.
    """
    return PrecisionDoubts(
        doubts=find_doubts(engine, spec, model, matches, threshold),
        contested=find_contested(engine, spec, matches, threshold),
        odd_levels=find_odd_levels(engine, spec, model, matches, threshold),
        shared_values=find_shared_values(engine, spec, model, matches, threshold),
    )


def judge_precision(
    found: PrecisionDoubts, n_matches: int, spec: PipelineSpec
) -> Iterator[Verdict]:
    """Judge whether more of the matches are in doubt than may be.

    Where truth is known, match_quality judges the odd levels by it.
    """
    assert spec.matching is not None, "matching is on"
    most = spec.checks.max_doubtful_matches
    if "doubts" in found:
        yield judge_doubts(found["doubts"], n_matches, most)
    if contested := found.get("contested"):
        yield judge_contested(contested, most, one_to_one=spec.matching.one_to_one)
    if "odd_levels" in found and spec.truth is None:
        yield judge_odd_levels(found["odd_levels"], n_matches, spec)
    elif "odd_levels" in found:
        n = len(found["odd_levels"])
        text = f"{count_of(n, 'odd level')}; truth is known, so match_quality judges by it."
        yield Verdict(NEAR_IS_A_SIGN.name, True, "warn", text, {"odd_levels": n})
    if "shared_values" in found and spec.truth is None:
        yield judge_shared_values(found["shared_values"], n_matches, spec)
    elif "shared_values" in found:
        n = len(found["shared_values"])
        sets = count_of(n, "set of shared values", "sets of shared values")
        text = f"{sets}; truth is known, so match_quality judges."
        yield Verdict(SHARED_IS_A_SIGN.name, True, "warn", text, {"shared_sets": n})


def doubts_grid(found: PrecisionDoubts) -> Grid | None:
    """Show the fields of which both values are backed; None where none is."""
    rows = [
        (
            doubt["field"],
            f"{doubt['doubtful']:,.0f}",
            f"{doubt['conflicts']:,} of {doubt['checked']:,}",
            " and ".join(doubt["example"]),
        )
        for doubt in found.get("doubts", [])
    ]
    return (
        Grid(("field", "doubtful matches", "both values backed", "such as"), rows) if rows else None
    )
