"""Shared values: matches that rest on values which relatives, neighbours or colleagues share, too.

A model adds up what fields say as if strangers shared them independently. Who shares a home shares
surname, street, zip, city and phone at once, so together these seem proof of a match although they
are none. A first name or a birth date that differs speaks against it; where it is missing, nothing
does, and the pair is accepted.

What is missing can be judged by what is not. Of all pairs of records equal in the same fields, some
have the missing one in both; how many of these differ altogether in it? Of matches as few as the
model has learned. What is more, are strangers, and so is that share of the pairs that miss it. A
match that differs in such a field is a stranger's where most of those pairs differ in it. No truth
is needed.

Who moves looks the same with the roles changed: equal in name and birth date, different in street
and phone. By numbers alone the two are one. So what people change is no witness: address, phone,
e-mail. What they keep is one, first name and birth date. Of any other field most must differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.spec.concepts import concept_of
from er_pipeline.blocking.spec.declared_comparisons import comparisons_with
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict, share_of
from er_pipeline.matching.comparisons import compared_value
from er_pipeline.matching.em_sessions import level_sql, levels_of
from er_pipeline.matching.record_names import record_names

SHARED_IS_A_SIGN = Check(
    "equal_values_mean_a_match",
    "Who shares a home or a firm shares many values: where the rest is missing, they seem one.",
    stops=False,
    limits=("checks.max_doubtful_matches",),
)

# What people keep, and what they change, as fields are called.
KEPT = frozenset({"first_name", "birth_date"})
CHANGED = frozenset({"street", "zip", "city", "state", "country", "phone", "email"})
CHANGED_KINDS = frozenset({"address", "phone", "phones", "email", "emails"})
NAMES = frozenset({"person_name", "full_name"})
MOST = 0.5
# Sets of equal fields that are looked at, those of most matches first, and of each so many groups
# of equal records, and so many records of a group: at most 200,000 pairs.
MAX_SETS = 12
MAX_GROUPS = 1000
MAX_OF_GROUP = 20
# Pairs with both values that say something about a field, and groups that they are of.
LEAST_GROUPS = 10


class SharedValues(TypedDict):
    """Matches that rest on equal values of the same fields, and what speaks against these.

    equal: the fields. field: one in which such pairs differ altogether although matches hardly do.
    known: pairs of records equal in `equal` that have `field` in both, in a sample; differ: those
    of them that differ in it. of_matches: the share that the model expects of matches. matches:
    accepted ones, in which `field` is missing or differs. doubtful: strangers among them,
    estimated. example: two records.
    """

    equal: list[str]
    field: str
    known: int
    differ: int
    of_matches: float
    matches: int
    doubtful: float
    example: list[str]


# The fields of a pattern by what they are like: equal, missing, differing.
_Pattern = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
# Of a field: pairs with both values, those of them that differ, what matches alone make differ.
_Seen = tuple[int, int, float, float]


def find_shared_values(
    engine: Engine, spec: PipelineSpec, model: Mapping[str, Any], matches: str, threshold: float
) -> list[SharedValues]:
    """Find the sets of fields whose equal values join strangers, those of most first.

    model: Splink's settings, trained. matches: engine table (left_no, right_no, match_probability,
    gamma_<field>). Reads the engine's cleaned_records. Matches with a near value are left out: it
    says more than those counted here show.
    """
    comparisons = {c["output_column_name"]: c for c in model["comparisons"]}
    witnesses = [name for name in comparisons if not _is_changed(spec, name)]
    if not witnesses:
        return []
    by_set: dict[tuple[str, ...], dict[_Pattern, int]] = {}
    for pattern, n in _patterns(engine, comparisons, matches, threshold):
        if set(pattern[1] + pattern[2]) & set(witnesses):
            by_set.setdefault(pattern[0], {})[pattern] = n
    largest = sorted(by_set, key=lambda equal: (-sum(by_set[equal].values()), equal))[:MAX_SETS]
    found: list[SharedValues] = []
    for equal in largest:
        asked = [n for n in witnesses if any(n in p[1] + p[2] for p in by_set[equal])]
        seen = _differing(engine, spec, comparisons, equal, asked)
        found += _doubted(engine, spec, by_set[equal], seen, matches, threshold)
    return sorted(found, key=lambda shared: (-shared["doubtful"], shared["equal"]))


def _is_changed(spec: PipelineSpec, field: str) -> bool:
    concept = concept_of(field)
    called = concept is not None and concept.field in CHANGED
    return called or spec.field_kinds.get(field) in CHANGED_KINDS


def _is_kept(field: str) -> bool:
    concept = concept_of(field)
    return concept is not None and concept.field in KEPT


def _patterns(
    engine: Engine, comparisons: Mapping[str, Any], matches: str, threshold: float
) -> Iterable[tuple[_Pattern, int]]:
    """Count the matches by their equal, missing and differing fields, of those without a near one.

    Only those that miss a field or differ in one.
    """
    tops = {name: len(levels_of(c)) - 1 for name, c in comparisons.items()}
    far = " and ".join(f"{_level(name)} in (-1, 0, {top})" for name, top in tops.items())
    some = " or ".join(f"{_level(name)} < 1" for name in tops)
    for *levels, n in engine.rows(
        f"select {', '.join(map(_level, tops))}, count(*) from {matches}"
        f" where match_probability >= {threshold!r} and {far} and ({some})"
        " group by all order by all"
    ):
        at = dict(zip(tops, levels, strict=True))
        yield (
            (
                tuple(name for name, level in at.items() if level > 0),
                tuple(name for name, level in at.items() if level < 0),
                tuple(name for name, level in at.items() if level == 0),
            ),
            n,
        )


def _differing(
    engine: Engine,
    spec: PipelineSpec,
    comparisons: Mapping[str, Any],
    equal: Sequence[str],
    asked: Sequence[str],
) -> dict[str, _Seen]:
    """Count for each field asked how many of the pairs with equal values differ altogether in it.

    Returns, beside the counts, the share of strangers that they show, 0 where they show none, and
    the share that the model expects to differ of matches.
    """
    if not equal:
        return {}
    columns = sorted({*equal, *(c for name in asked for c in spec.compared_columns[name])})
    values = ", ".join(compared_value(name) for name in columns)
    same = ", ".join(map(quoted, equal))
    filled = " and ".join(f"{quoted(name)} is not null" for name in equal)
    several = "count(distinct source_no)" if spec.link_mode == "link" else "count(*)"
    engine.make_table(
        "sharing",
        f"""
        with compared as (select record_no, source_no, {values} from cleaned_records),
        groups as (
            select {same}, min(record_no) as group_no from compared where {filled}
            group by {same} having {several} > 1
            order by {engine.row_hash("cast(min(record_no) as varchar)")} limit {MAX_GROUPS}
        )
        select c.*, g.group_no from compared as c join groups as g using ({same})
        qualify row_number() over (
            partition by g.group_no
            order by {engine.row_hash("cast(c.record_no as varchar)")}, c.record_no
        ) <= {MAX_OF_GROUP}
        """,
    )
    sides = ", ".join(
        f"{side}.{quoted(name)} as {quoted(f'{name}_{side}')}" for name in columns for side in "lr"
    )
    graded = ", ".join(f"{level_sql(comparisons[name])} as {_level(name)}" for name in asked)
    across = " and l.source_no <> r.source_no" if spec.link_mode == "link" else ""
    counts = ", ".join(
        f"count(*) filter (where {_level(name)} >= 0), count(*) filter (where {_level(name)} = 0),"
        f" count(distinct group_no) filter (where {_level(name)} >= 0)"
        for name in asked
    )
    row = engine.row(
        f"""
        select {counts} from (
            select group_no, {graded} from (
                select l.group_no, {sides} from sharing as l join sharing as r
                    on l.group_no = r.group_no and l.record_no < r.record_no{across}
            )
        )
        """
    )
    seen = {}
    for i, name in enumerate(asked):
        known, differ, groups = row[3 * i : 3 * i + 3]
        usual = float(levels_of(comparisons[name])[-1]["m_probability"])
        seen[name] = (known, differ, _strangers(name, known, differ, groups, usual), usual)
    return seen


def _strangers(field: str, known: int, differ: int, groups: int, usual: float) -> float:
    """Estimate the share of strangers among pairs of which so many differ in a field.

    groups: of equal records, the independent trials. usual: share of matches that differ. Returns 0
    where the lower end of the 95% interval is no more than that, or the field is no witness.
    """
    if groups < LEAST_GROUPS:
        return 0.0
    share = differ / known
    low, _ = interval(share * groups, groups)
    if low <= usual:
        return 0.0
    strangers = (share - usual) / (1 - usual)
    return strangers if _is_kept(field) or strangers >= MOST else 0.0


def _doubted(
    engine: Engine,
    spec: PipelineSpec,
    patterns: Mapping[_Pattern, int],
    seen: Mapping[str, _Seen],
    matches: str,
    threshold: float,
) -> Iterable[SharedValues]:
    """Give what speaks against the matches of one set of equal fields, by the field that does."""
    n_matches: dict[str, int] = {}
    doubtful: dict[str, float] = {}
    commonest: dict[str, tuple[int, _Pattern]] = {}
    for pattern, n in patterns.items():
        _, missing, differing = pattern
        wrong = {name: seen[name][2] for name in missing if name in seen}
        for name in differing:
            if name in seen and seen[name][2] >= MOST:
                known, differ, strangers, usual = seen[name]
                wrong[name] = max(0.0, 1 - (1 - strangers) * usual * known / differ)
        field = max(wrong, key=lambda name: wrong[name], default="")
        if not field or not wrong[field]:
            continue
        n_matches[field] = n_matches.get(field, 0) + n
        doubtful[field] = doubtful.get(field, 0.0) + wrong[field] * n
        commonest[field] = max(commonest.get(field, (0, pattern)), (n, pattern))
    for field, n in n_matches.items():
        known, differ, _, usual = seen[field]
        pattern = commonest[field][1]
        yield SharedValues(
            equal=list(pattern[0]),
            field=field,
            known=known,
            differ=differ,
            of_matches=round(usual, 6),
            matches=n,
            doubtful=round(doubtful[field], 1),
            example=_example(engine, spec, pattern, matches, threshold),
        )


def _example(
    engine: Engine, spec: PipelineSpec, pattern: _Pattern, matches: str, threshold: float
) -> list[str]:
    equal, missing, differing = pattern
    alike = [f"{_level(name)} > 0" for name in equal]
    alike += [f"{_level(name)} = -1" for name in missing]
    alike += [f"{_level(name)} = 0" for name in differing]
    ((left, right),) = engine.rows(
        f"select left_no, right_no from {matches} where match_probability >= {threshold!r}"
        f" and {' and '.join(alike)} order by match_probability desc, left_no, right_no limit 1"
    )
    names = record_names(engine, spec, [left, right])
    return [names[left], names[right]]


def judge_shared_values(found: Sequence[SharedValues], matches: int, spec: PipelineSpec) -> Verdict:
    """Judge how many of the matches rest on shared values alone.

    matches: at the threshold.
    """
    most = spec.checks.max_doubtful_matches
    share = share_of(sum(shared["doubtful"] for shared in found), matches)
    name = SHARED_IS_A_SIGN.name
    numbers: dict[str, int | float] = {"shared_sets": len(found), "shared_share": share}
    if share <= most:
        text = f"{share:.1%} of the matches rest on shared values (at most {most:.1%} wanted)."
        return Verdict(name, True, "warn", text, numbers)
    first = found[0]
    left, right = first["example"]
    fields, field = ", ".join(first["equal"]), first["field"]
    text = (
        f"About {share:.1%} of {matches:,} matches (at most {most:.1%} wanted) seem to join two who"
        f" only share a home, a firm or the like. {first['differ']:,} of {first['known']:,} pairs"
        f" of records with equal {fields} differ altogether in {field};"
        f" {first['matches']:,} matches rest on these although {field} is missing or differs, such"
        f" as {left} and {right}. {_remedy(spec, first['equal'])} If they are one, set checks:"
        f" max_doubtful_matches to {min(1.0, (int(share * 100) + 1) / 100):g}."
    )
    return Verdict(name, False, "warn", text, numbers)


def _remedy(spec: PipelineSpec, equal: Sequence[str]) -> str:
    """Say how to count what is shared but once; a name is no part of that."""
    shared = [name for name in equal if not _is_kept(name) and spec.field_kinds[name] not in NAMES]
    if len(shared) < 2:
        return "Label such pairs, or compare a field in which they differ."
    fewer = comparisons_with(spec, dict.fromkeys(shared[1:]))
    return f"Count what is shared once ({fewer}), or label such pairs."


def _level(field: str) -> str:
    return quoted(f"gamma_{field}")
