"""Swapped names: the first name of one record stands as the last name of the other, and vice versa.

Two comparisons that know nothing of each other call both names different, and a clerical slip
weighs as much as two strangers. So a level of its own says it, as in Splink's
ForenameSurnameComparison. It must be counted once: the comparison of the first of the two names has
the level, with an m and u of its own, and that of the second one a level for the same pairs which
says nothing. Of all other pairs both say what they say anyway.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted

# How the label of the level begins in both comparisons.
SWAPPED = "swapped with "
# Where the level stands among those of a comparison without that of missing values: below equal.
PLACE = 1


def swapped_sql(own: str, other: str) -> str:
    """Write that two records have two names the other way round, over x_l and x_r.

    own: the name that is compared; it differs, so equal values come first. Written as values that
    either record gives alone, so that pairs can be ruled out without being compared.
    """
    (left, right), (other_left, other_right) = (
        [quoted(f"{name}_{side}") for side in "lr"] for name in (own, other)
    )
    return (
        f"least({left}, {other_left}) = least({right}, {other_right})"
        f" and greatest({left}, {other_left}) = greatest({right}, {other_right})"
        f" and {left} <> {right}"
    )


def is_swapped(level: Mapping[str, Any]) -> bool:
    """Say whether a level of Splink's settings is that of swapped names."""
    return str(level.get("label_for_charts", "")).startswith(SWAPPED)


def says_nothing(level: Mapping[str, Any]) -> bool:
    """Say whether a level is said by another comparison already."""
    return is_swapped(level) and bool(level.get("fix_m_probability"))


def share_of_swapped(
    engine: Engine, spec: PipelineSpec, records: str, names: Sequence[str], possible: float
) -> float:
    """Give the exact share of swapped names among all pairs, of which there are `possible`.

    records: engine table with both names and source_no. Never 0: half a pair where there is none.
    """
    one, other = map(quoted, names)
    across, part = "", ""
    if spec.link_mode == "link":
        across, part = " and l.source_no <> r.source_no", "source_no, "
    counted = (
        f"select {part}{one}, {other}, count(*) as n from {records}"
        f" where {one} <> {other} group by all"
    )
    (twice,) = engine.row(
        f"with counted as ({counted}) select coalesce(sum(l.n * r.n), 0)::double"
        f" from counted as l join counted as r"
        f" on l.{one} = r.{other} and l.{other} = r.{one}{across}"
    )
    return max(0.5, float(twice) / 2) / max(1.0, possible)


def without_swapped(
    m: Sequence[float | None], levels: Sequence[Mapping[str, Any]], fixed: Collection[str]
) -> tuple[float | None, ...]:
    """Leave out what a session says of swapped names where its rule reads one of the two.

    m: of every level, equal values first. fixed: the fields that the rule reads.
    """
    read = [quoted(f"{field}_l") for field in fixed]
    return tuple(
        None
        if is_swapped(level) and any(column in str(level["sql_condition"]) for column in read)
        else share
        for share, level in zip(m, levels, strict=True)
    )
