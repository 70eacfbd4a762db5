"""Contested matches: where sources are linked, matches that give a record a second partner.

A source that is linked holds nobody twice; of two matches of one record at most one is right then.
So of the matches between two sources no more are right than the records of either of them that have
one, whatever the model is sure of: what is above that is contested. No truth is needed.

One-to-one, a single partner is chosen. Where others score nearly as high, the choice is a guess: of
k such partners one is right.
"""

from collections.abc import Sequence
from typing import TypedDict

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict, share_of
from er_pipeline.matching.record_names import record_names

FEW_ARE_CONTESTED = Check(
    "few_matches_are_contested",
    "Of two partners that a record of another source has, one is wrong if nobody stands twice.",
    stops=False,
    limits=("checks.max_doubtful_matches",),
)

# Bits of weight that are no reason to choose: a factor of two.
NEARLY_EQUAL = 1.0
# A field tells partners apart where it says less for the worse one in so many of the cases.
OFTEN = 0.2


class Contested(TypedDict):
    """Matches that cannot all be right, or be chosen with reason.

    matches: between records of different sources. contested: those of them beyond one per record.
    linked: records that have a partner, of the smaller side. guessed: those of them whose chosen
    partner is expected to be another one's. differ: fields in which the second partner is less like
    the record than the best one is, the most frequent first. example: a record and two partners of
    it, as names; empty where none has two.
    """

    matches: int
    contested: int
    linked: int
    guessed: float
    differ: list[str]
    example: list[str]


def find_contested(
    engine: Engine, spec: PipelineSpec, matches: str, threshold: float
) -> Contested | None:
    """Count the matches that are contested; None where one source may hold somebody twice.

    matches: engine table (left_no, right_no, match_probability, match_weight, gamma_<field>).
    Reads the engine's cleaned_records.
    """
    if spec.link_mode != "link":
        return None
    fields = list(spec.comparison_fields)
    levels = "".join(f", m.{_level(name)}" for name in fields)
    engine.make_table(
        "linking",
        f"select m.left_no, m.right_no, m.match_weight, l.source_no as left_source,"
        f" r.source_no as right_source{levels} from {matches} as m"
        " join cleaned_records as l on l.record_no = m.left_no"
        " join cleaned_records as r on r.record_no = m.right_no"
        f" where m.match_probability >= {threshold!r}",
    )
    found = Contested(matches=0, contested=0, linked=0, guessed=0.0, differ=[], example=[])
    worse: dict[str, int] = dict.fromkeys(fields, 0)
    n_second, longest = 0, 0
    for left_source, right_source, n, lefts, rights in engine.rows(
        "select left_source, right_source, count(*), count(distinct left_no),"
        " count(distinct right_no) from linking group by all order by all"
    ):
        one, other = ("left_no", "right_no") if lefts < rights else ("right_no", "left_no")
        engine.make_table(
            "partners",
            f"""
            select *, row_number() over (best) as place, count(*) over (partition by {one}) as n,
                first_value(match_weight) over (best) - match_weight as below
                {"".join(_below_the_best(name) for name in fields)}
            from linking
            where left_source = {left_source} and right_source = {right_source}
            window best as (partition by {one} order by match_weight desc, {other})
            """,
        )
        (guessed,) = engine.row(
            "select coalesce(sum(1 - 1.0 / k), 0) from (select count(*) as k from partners"
            f" where below <= {NEARLY_EQUAL!r} group by {one})"
        )
        counts = engine.row(
            "select count(*) filter (where place = 2)"
            + "".join(
                f", count(*) filter (where place = 2 and {quoted(f'worse_{name}')})"
                for name in fields
            )
            + " from partners"
        )
        found["matches"] += n
        found["contested"] += n - min(lefts, rights)
        found["linked"] += min(lefts, rights)
        found["guessed"] += float(guessed)
        n_second += counts[0]
        for name, count in zip(fields, counts[1:], strict=True):
            worse[name] += count
        if counts[0] > longest:
            longest = counts[0]
            found["example"] = _example(engine, spec, one, other)
    found["guessed"] = round(found["guessed"], 1)
    found["differ"] = [
        name
        for name in sorted(fields, key=lambda name: -worse[name])
        if worse[name] > OFTEN * n_second
    ]
    return found


def _below_the_best(field: str) -> str:
    level = _level(field)
    return (
        f", {level} >= 0 and {level} < first_value({level}) over (best) as"
        f" {quoted(f'worse_{field}')}"
    )


def _example(engine: Engine, spec: PipelineSpec, one: str, other: str) -> list[str]:
    """Name a record with two partners, one of those whose second is the surest."""
    ((record, best, second),) = engine.rows(
        f"select s.{one}, b.{other}, s.{other} from partners as s"
        f" join partners as b on b.{one} = s.{one} and b.place = 1 where s.place = 2"
        f" order by s.match_weight desc, s.{one} limit 1"
    )
    names = record_names(engine, spec, [record, best, second])
    return [names[record], names[best], names[second]]


def contested_share(found: Contested, *, one_to_one: bool) -> float:
    """Return the share of the matches, or of the links chosen, that is expected to be wrong."""
    if one_to_one:
        return share_of(found["guessed"], found["linked"])
    return share_of(found["contested"], found["matches"])


def judge_contested(found: Contested, most: float, *, one_to_one: bool) -> Verdict:
    """Judge how many matches are contested.

    most: share of them that may be. one_to_one: only the best partner of a record is taken.
    """
    share = contested_share(found, one_to_one=one_to_one)
    numbers: dict[str, int | float] = {
        "contested_share": share,
        "contested": found["contested"],
        "guessed": found["guessed"],
        "linked": found["linked"],
    }
    name = FEW_ARE_CONTESTED.name
    if share <= most:
        what = "of the links are a guess" if one_to_one else "of the matches are contested"
        text = f"{share:.1%} {what} (at most {most:.1%} wanted)."
        return Verdict(name, True, "warn", text, numbers)
    limit = min(1.0, (int(share * 100) + 1) / 100)
    such_as = ""
    if found["example"]:
        record, best, second = found["example"]
        such_as = f", such as {best} and {second} of {record}"
    if one_to_one:
        text = (
            f"About {found['guessed']:,.0f} of {found['linked']:,} links ({share:.1%}; at most"
            f" {most:.1%} wanted) are a guess among partners whose scores are nearly equal"
            f"{such_as}. {_apart(found['differ'])} Or set checks: max_doubtful_matches to"
            f" {limit:g}."
        )
    else:
        text = (
            f"At least {found['contested']:,} of {found['matches']:,} matches ({share:.1%}; at"
            f" most {most:.1%} wanted) give a record a second partner in the other source"
            f"{such_as}; of these at most one is right where a source holds nobody twice."
            f" {_apart(found['differ'])} matching: {{one_to_one: true}} takes only the best. If a"
            " source does hold some twice, write mode: link_and_dedupe, or set checks:"
            f" max_doubtful_matches to {limit:g}."
        )
    return Verdict(name, False, "warn", text, numbers)


def _apart(differ: Sequence[str]) -> str:
    if not differ:
        return (
            "No field that is compared parts such partners: compare one in which they differ, such"
            " as a number, a size or a year."
        )
    return (
        f"The worse one differs mostly in {', '.join(differ[:3])}, which weighs too little: compare"
        " a field that says more, or label such pairs."
    )


def _level(field: str) -> str:
    return quoted(f"gamma_{field}")
