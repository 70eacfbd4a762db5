"""Matches in doubt: accepted pairs whose two values of a field are both backed by other records.

A damaged value stands in one record. So where two records that are said to be one differ in a
field, hardly ever both values are found again, each in another record of the same entity. Of twins,
of father and son, of namesakes they are: each of the two has a second record with a value of its
own. Nothing of this was used in training, where pairs are judged one by one, and no truth is
needed; EM cannot see it, as it takes such pairs for matches and their differences into m.

Pairs of which each record has, besides the other, a match of the same value are checked; those of
them that differ are conflicts. All conflicts are in doubt. Where a larger share of the checked are
conflicts than even of values that change, their number says more. Values that change make pairs
differ no more often among the checked than among all matches: than 1 - m, or than the matches show
that are not equal in every field, since copies of a damaged record back nothing. Where the 95%
interval of the share lies above that, the rest are pairs of two, and those that no second record
shows are estimated: from how often one side alone has one, as the sides of a pair of two are backed
alike, as in capture and recapture. Of true matches one side is backed and the other damaged in a
ratio of 2 (1 - c) to c to those checked, c = sqrt(m) being the share of values undamaged; these are
taken out first.

Where their number says no more than values that change do, their kind does: two spellings of one
value are often near each other, the values of two people hardly ever. Conflicts that are near
nearly as often as the other matches that differ are spellings, such as the venues of citations, and
none of them is in doubt.

Where hardly a record has a second match, hardly a pair can be checked: then this says nothing; see
`contested_matches` and `odd_levels`.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any, TypedDict

from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict, share_of
from er_pipeline.matching.em_sessions import levels_of
from er_pipeline.matching.record_names import record_names

IN_DOUBT = Check(
    "few_matches_are_in_doubt",
    "Twins, relatives and namesakes agree in nearly all: the model is sure of them, and wrong.",
    stops=False,
    limits=("checks.max_doubtful_matches",),
)

# Conflicts are spellings if they are near so many times as often as all matches that differ: .8 to
# 1.1 in citations and bibliographies, 0 to .5 in twins, songs and people among noise.
NEAR_AS_OFTEN = 0.6
# Thresholds above it are not proposed: matches with a missing value or two would be lost as well.
HIGHEST_RAISED = 0.999


class Doubt(TypedDict):
    """What speaks against the matches in one field.

    known: matches of which both records have a value. checked: those of them whose two values are
    both backed. conflicts: those of these that differ. doubtful: pairs of two among known, as far
    as they are seen or can be estimated; doubtful_high: the upper end of its 95% interval.
    example: the surest conflict, as names of two records. half_above: the probability that half of
    the conflicts reach.
    """

    field: str
    known: int
    checked: int
    conflicts: int
    doubtful: float
    doubtful_high: float
    example: list[str]
    half_above: float


def find_doubts(
    engine: Engine, spec: PipelineSpec, model: Mapping[str, Any], matches: str, threshold: float
) -> list[Doubt]:
    """Find the fields that speak against the matches, those with most doubtful pairs first.

    model: Splink's settings, trained. matches: engine table (left_no, right_no, match_probability,
    gamma_<field>). Reads the engine's cleaned_records.
    """
    tops = {c["output_column_name"]: len(levels_of(c)) - 1 for c in model["comparisons"]}
    differs_somewhere = " or ".join(
        f"{_level(name)} between 0 and {top - 1}" for name, top in tops.items()
    )
    engine.make_table(
        "accepted",
        f"select *, {differs_somewhere} as is_other from {matches}"
        f" where match_probability >= {threshold!r}",
    )
    # Matches of one entity are no independent trials. It is known by the least record nearby.
    engine.make_table(
        "least_nearby",
        """
        select record_no, min(other_no) as least_no from (
            select left_no as record_no, left_no as other_no from accepted
            union all select right_no, left_no from accepted
        ) group by record_no
        """,
    )
    doubts = []
    for comparison in model["comparisons"]:
        name = comparison["output_column_name"]
        m = float(levels_of(comparison)[0]["m_probability"])
        found = _doubt_of(engine, spec, name, tops[name], m)
        if found:
            doubts.append(found)
    return sorted(doubts, key=lambda doubt: (-doubt["doubtful"], doubt["field"]))


def _doubt_of(engine: Engine, spec: PipelineSpec, field: str, top: int, m: float) -> Doubt | None:
    level = _level(field)
    engine.make_table(
        "backed_values",
        f"""
        select record_no, count(*) as n from (
            select left_no as record_no from accepted where {level} = {top}
            union all select right_no from accepted where {level} = {top}
        ) group by record_no
        """,
    )
    engine.make_table(
        "backed_pairs",
        f"""
        select a.left_no, a.right_no, a.match_probability, a.is_other, a.{level} < {top} as differs,
            a.{level} between 1 and {top - 1} as is_near,
            cast(coalesce(l.n, 0) > (a.{level} = {top})::int as integer)
                + cast(coalesce(r.n, 0) > (a.{level} = {top})::int as integer) as n_backed
        from accepted as a
        left join backed_values as l on l.record_no = a.left_no
        left join backed_values as r on r.record_no = a.right_no
        where a.{level} >= 0
        """,
    )
    known, others, differ, near, checked, conflicts, spelt, half_backed, above = engine.row(
        """
        select count(*), count(*) filter (where is_other), count(*) filter (where differs),
            count(*) filter (where is_near),
            count(*) filter (where n_backed = 2), count(*) filter (where n_backed = 2 and differs),
            count(*) filter (where n_backed = 2 and is_near),
            count(*) filter (where n_backed = 1 and differs),
            quantile_disc(match_probability, 0.5) filter (where n_backed = 2 and differs)
        from backed_pairs
        """
    )
    if not conflicts:
        return None
    (entities,) = engine.row(
        "select count(distinct least(l.least_no, r.least_no)) from backed_pairs as p"
        " join least_nearby as l on l.record_no = p.left_no"
        " join least_nearby as r on r.record_no = p.right_no where p.n_backed = 2"
    )
    expected = max(1 - m, share_of(differ, others))
    are_spellings = spelt > NEAR_AS_OFTEN * share_of(near, differ) * conflicts
    doubtful, high = doubtful_pairs(
        checked, conflicts, half_backed, differ, entities, expected, m, are_spellings=are_spellings
    )
    ((left, right),) = engine.rows(
        "select left_no, right_no from backed_pairs where n_backed = 2 and differs"
        " order by match_probability desc, left_no, right_no limit 1"
    )
    names = record_names(engine, spec, [left, right])
    return {
        "field": field,
        "known": known,
        "checked": checked,
        "conflicts": conflicts,
        "doubtful": round(doubtful, 1),
        "doubtful_high": round(high, 1),
        "example": [names[left], names[right]],
        "half_above": above,
    }


def doubtful_pairs(
    checked: int,
    conflicts: int,
    half_backed: int,
    differ: int,
    entities: int,
    expected: float,
    m: float,
    *,
    are_spellings: bool = False,
) -> tuple[float, float]:
    """Estimate how many of the matches that differ in a field are pairs of two.

    checked, conflicts: as of `Doubt`. half_backed: matches that differ and have one value backed.
    differ: all matches that differ. entities: that the checked are of, as independent trials.
    expected: share of the checked that differ where values change. m: share of matches with equal
    values. are_spellings: whether the conflicts are as often near as other matches that differ.
    Returns the estimate and the upper end of its 95% interval; where values that change may have
    made the conflicts, both are these alone, and none if they are spellings.
    """
    share = share_of(conflicts, checked)
    low, _ = interval(share * entities, entities)
    if low <= expected:
        seen = 0.0 if are_spellings else float(conflicts)
        return seen, seen
    excess = (share - expected) / (1 - expected)
    both = excess * checked
    undamaged = sqrt(m)
    of_true = (1 - excess) * checked * 2 * (1 - undamaged) / undamaged
    one = max(0.0, half_backed - of_true)
    backed = 2 * both / (2 * both + one)  # of the sides of pairs of two, the share that is backed
    trials = (both + one) * entities / checked
    backed_low, _ = interval(backed * trials, trials)
    # None is more than all that differ, but for what true matches account for.
    most = both + one + differ - conflicts - half_backed
    return min(most, both / backed**2), min(most, both / max(backed_low, 1e-9) ** 2)


def doubtful_share(doubts: Sequence[Doubt], matches: int) -> tuple[float, float]:
    """Return the estimated share of the matches that are pairs of two, and its upper end.

    matches: at the threshold. Fields are not summed: of two, the matches may be the same.
    """
    shares = [_share_of_field(doubt, matches) for doubt in doubts]
    return max((low for low, _ in shares), default=0.0), max((up for _, up in shares), default=0.0)


def _share_of_field(doubt: Doubt, matches: int) -> tuple[float, float]:
    # What was seen alone says nothing of matches in which the field is missing.
    of = matches if _is_seen_only(doubt) else doubt["known"]
    return share_of(doubt["doubtful"], of), share_of(doubt["doubtful_high"], of)


def _is_seen_only(doubt: Doubt) -> bool:
    return doubt["doubtful_high"] == doubt["conflicts"]


def judge_doubts(doubts: Sequence[Doubt], matches: int, most: float) -> Verdict:
    """Judge how many of the matches are in doubt.

    matches: at the threshold. most: share of them that may be. It warns unless the interval of the
    estimate lies below that.
    """
    share, high = doubtful_share(doubts, matches)
    numbers: dict[str, int | float] = {
        "matches": matches,
        "doubtful_share": share,
        "doubtful_share_high": high,
        **{f"conflicts_{doubt['field']}": doubt["conflicts"] for doubt in doubts},
    }
    if high <= most:
        text = f"About {share:.1%} of {matches:,} matches are in doubt (at most {most:.1%} wanted)."
        return Verdict(IN_DOUBT.name, True, "warn", text, numbers)
    first = max(doubts, key=lambda doubt: _share_of_field(doubt, matches)[1])
    left, right = first["example"]
    of_all = f"of {matches:,} matches"
    counted = (
        f"At least {share:.1%} {of_all} ("
        if _is_seen_only(first)
        else f"About {share:.1%} {of_all} (up to {high:.1%}; "
    )
    text = (
        f"{counted}at most {most:.1%} wanted)"
        f" seem to join two that are alike, such as twins, relatives or namesakes."
        f" {first['conflicts']:,} of {first['checked']:,} pairs differ in {first['field']} although"
        " each of the two values stands in another record of its own, such as"
        f" {left} and {right}; damage does not do that."
        f" {_remedy(first['half_above'])} If they are one and {first['field']} only changed,"
        f" set checks: max_doubtful_matches to {min(1.0, (int(high * 100) + 1) / 100):g}."
    )
    return Verdict(IN_DOUBT.name, False, "warn", text, numbers)


def _remedy(half_above: float) -> str:
    """Say what parts the pairs of two, half of which have at least this probability."""
    apart = "compare a field in which such two differ, or label such pairs."
    if half_above >= HIGHEST_RAISED:
        return f"Most of them score above {HIGHEST_RAISED:g}, so no threshold parts them: {apart}"
    return f"Half of them score {half_above:.6g} or less: raise matching: threshold above, {apart}"


def _level(field: str) -> str:
    return quoted(f"gamma_{field}")
