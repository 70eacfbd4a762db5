"""Odd levels: near values of one field that stand beside quite other values of a second one.

The fields of a match are damaged independently, or nearly so. How often one of them differs
altogether is therefore much the same whether another field is equal or only near. Where it is not,
and most of the matches that are only near in one field differ altogether in another, although those
that are equal in it hardly ever do, near values are no sign of a match: ann.miller@mail.com is near
ann.moller@mail.com, whose surname is another. No truth is needed.

That the threshold cuts off pairs of two damages makes such pairs rarer, not more frequent.
Sources that swap two columns damage both wholly, so only the levels in between are looked at.

Two parts of one address, such as zip and street, are not damaged independently: who moves within a
city has a near zip and another street. They are not held against each other.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.spec.concepts import concept_of
from er_pipeline.blocking.spec.declared_comparisons import comparisons_with
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict, share_of
from er_pipeline.matching.em_sessions import levels_of
from er_pipeline.matching.record_names import record_names

NEAR_IS_A_SIGN = Check(
    "near_values_mean_a_match",
    "Values that are near by their form alone, such as addresses of one pattern, join strangers.",
    stops=False,
    limits=("checks.max_doubtful_matches",),
)

# A level is odd where so many of its matches differ in another field, by the lower end of the 95%
# interval, and less than the other share of the matches do that are equal in it. Of 33 tables, two
# had such a level, of a precision of .28 and .91.
MOST = 0.4
FEW = 0.25
# Matches on a level that say something about it.
LEAST_MATCHES = 10
# Parts of an address, as fields are called.
OF_ADDRESS = ("street", "zip", "city", "state", "country")


class OddLevel(TypedDict):
    """A level of one field whose matches mostly differ altogether in another.

    near: the field of the level; label: what it is called; level: its gamma. field: the other
    field. known: matches of the level in which both fields are filled; differ: those of them that
    differ in the other field. of_equal: the share that differs of those equal in `near`. example:
    two records. matches, wrong: where truth is known, all matches of the level, and those of them
    that are not true.
    """

    near: str
    label: str
    level: int
    field: str
    known: int
    differ: int
    of_equal: float
    example: list[str]
    matches: NotRequired[int]
    wrong: NotRequired[int]


def find_odd_levels(
    engine: Engine, spec: PipelineSpec, model: Mapping[str, Any], matches: str, threshold: float
) -> list[OddLevel]:
    """Find the odd levels of the matches, those of most matches first.

    model: Splink's settings, trained. matches: engine table (left_no, right_no, match_probability,
    gamma_<field>). Reads the engine's cleaned_records.
    """
    levels = {c["output_column_name"]: levels_of(c) for c in model["comparisons"]}
    names = list(levels)
    accepted = f"(select * from {matches} where match_probability >= {threshold!r})"
    found = []
    for near, of_near in levels.items():
        counts = "".join(
            f", count(*) filter (where {_level(name)} >= 0),"
            f" count(*) filter (where {_level(name)} = 0)"
            for name in names
        )
        top = len(of_near) - 1
        rows = {
            row[0]: row[1:]
            for row in engine.rows(
                f"select {_level(near)}{counts} from {accepted} where {_level(near)} > 0 group by 1"
            )
        }
        equal = rows.pop(top, None)
        if equal is None:
            continue
        for i, name in enumerate(names):
            n_equal, differ_of_equal = equal[2 * i : 2 * i + 2]
            if name == near or share_of(differ_of_equal, n_equal) >= FEW:
                continue
            if _is_of_address(spec, near) and _is_of_address(spec, name):
                continue
            for level, row in sorted(rows.items()):
                known, differ = row[2 * i : 2 * i + 2]
                if known < LEAST_MATCHES or interval(differ, known)[0] < MOST:
                    continue
                found.append(
                    OddLevel(
                        near=near,
                        label=str(of_near[top - level]["label_for_charts"]),
                        level=level,
                        field=name,
                        known=known,
                        differ=differ,
                        of_equal=round(share_of(differ_of_equal, n_equal), 6),
                        example=_example(engine, spec, accepted, (near, level), name),
                    )
                )
    return sorted(found, key=lambda odd: (-odd["differ"], odd["near"], odd["field"]))


def _example(
    engine: Engine, spec: PipelineSpec, accepted: str, near: tuple[str, int], field: str
) -> list[str]:
    ((left, right),) = engine.rows(
        f"select left_no, right_no from {accepted}"
        f" where {_level(near[0])} = {near[1]} and {_level(field)} = 0"
        " order by match_probability desc, left_no, right_no limit 1"
    )
    names = record_names(engine, spec, [left, right])
    return [names[left], names[right]]


def odd_matches(found: Sequence[OddLevel]) -> float:
    """Return how many matches the odd levels hold more than they should.

    Of two fields that differ on one level the matches are the same; so those of one field count.
    """
    by_field: dict[str, float] = {}
    for odd in found:
        more = odd.get("wrong", odd["differ"] - odd["of_equal"] * odd["known"])
        by_field[odd["field"]] = by_field.get(odd["field"], 0.0) + more
    return max(by_field.values(), default=0.0)


def judge_odd_levels(found: Sequence[OddLevel], matches: int, spec: PipelineSpec) -> Verdict:
    """Judge how many of the matches stand on odd levels; where truth is known, how many are wrong.

    matches: at the threshold.
    """
    most = spec.checks.max_doubtful_matches
    share = share_of(odd_matches(found), matches)
    numbers: dict[str, int | float] = {"odd_levels": len(found), "odd_share": share}
    if share <= most:
        text = f"{share:.1%} of the matches stand on odd levels (at most {most:.1%} wanted)."
        return Verdict(NEAR_IS_A_SIGN.name, True, "warn", text, numbers)
    first = max(found, key=lambda odd: odd.get("wrong", odd["differ"]))
    exact = comparisons_with(spec, {first["near"]: "exact"})
    text = (
        f"About {share:.1%} of {matches:,} matches (at most {most:.1%} wanted) seem to join"
        f" strangers. {_counted(first)}. So that level is no sign of a match: compare it exactly"
        f" ({exact}) or with a higher threshold. If they are one, set checks:"
        f" max_doubtful_matches to {min(1.0, (int(share * 100) + 1) / 100):g}."
    )
    return Verdict(NEAR_IS_A_SIGN.name, False, "warn", text, numbers)


def _counted(odd: OddLevel) -> str:
    near, (left, right) = f"{odd['near']} only near ({odd['label']})", odd["example"]
    if "wrong" in odd:
        return (
            f"{odd['wrong']:,} of {odd['matches']:,} matches with {near} are no true pairs, such as"
            f" {left} and {right}; most of them differ altogether in {odd['field']}"
        )
    return (
        f"{odd['differ']:,} of {odd['known']:,} matches with {near} differ altogether in"
        f" {odd['field']}, such as {left} and {right}; of those with equal {odd['near']}"
        f" {odd['of_equal']:.0%} do"
    )


def _is_of_address(spec: PipelineSpec, field: str) -> bool:
    concept = concept_of(field)
    called = concept is not None and concept.field in OF_ADDRESS
    return called or spec.field_kinds.get(field) == "address"


def _level(field: str) -> str:
    return quoted(f"gamma_{field}")
