"""What training estimates: chance, m and u of every level, and how many matches there are.

u: of the level of equal values exactly, from the frequencies of the values, and so that of swapped
names; of the other levels from random pairs. Both count matches too, which are taken out once their
share is known.
m: the median over the sessions that trained it. A level that no session saw says no more for a
match than the next one below it.
prior: two rules on different fields catch matches independently, if records are damaged here and
there; so as in capture and recapture, the first rule's share of the second one's matches is its
share of all. The median over the pairs of rules is taken. A record damaged everywhere is caught by
none, so this errs towards few matches, and the model towards caution.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from er_pipeline.blocking.records.match_share import count_agreeing_pairs
from er_pipeline.blocking.spec.declared_comparisons import names_in_either_order
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import exact_sum, quoted
from er_pipeline.matching.em_sessions import (
    RECORDS,
    START_SHARE,
    Session,
    block_column,
    levels_of,
    without_frequencies,
)
from er_pipeline.matching.splink_linker import linker_of, model_settings, predicted
from er_pipeline.matching.swapped_names import PLACE, is_swapped, says_nothing, share_of_swapped

# m of a comparison that no session trained: what most clean fields are like.
UNTRAINED_EQUAL = 0.9
# Where nearly all pairs of equal values are matches, what is left for chance is noise; no u is
# taken to be less than this share of what was seen.
LEAST_SHARE_OF_CHANCE = 0.02
# Splink takes no m of 0.
LEAST_M = 1e-18
# Pairs that two rules share and that are scored to count the matches among them.
MAX_SHARED_PAIRS = 5_000_000


def estimate_chance(
    engine: Engine,
    spec: PipelineSpec,
    comparisons: Sequence[Mapping[str, Any]],
    n_possible: float,
) -> list[list[float]]:
    """Give for every comparison the share of all pairs that stand on each level, equal first.

    The shares of equal values and of swapped names are exact, the others are a sample's. On a level
    that the sample has not seen stands half a pair of it: that a sample of a million has none does
    not say that there is none among a million times as many.
    """
    assert spec.matching is not None, "matching is on"
    plain = [without_frequencies(comparison) for comparison in comparisons]
    tables = [RECORDS]
    if spec.link_mode == "link":
        tables = []
        for i, _ in enumerate(spec.sources):
            tables.append(f"{RECORDS}_{i}")
            engine.make_table(tables[-1], f"select * from {RECORDS} where source_no = {i}")
    link_type = "link_only" if spec.link_mode == "link" else "dedupe_only"
    settings = model_settings(spec, plain, START_SHARE, link_type)
    with linker_of(engine, tables, settings) as (linker, _):
        linker.training.estimate_u_using_random_sampling(
            max_pairs=spec.matching.max_u_pairs, seed=spec.seed
        )
        sampled = linker.misc.save_model_to_json()["comparisons"]
    chance = []
    least = 0.5 / min(spec.matching.max_u_pairs, n_possible)
    for comparison in sampled:
        shares = [
            max(least, level.get("u_probability") or 0.0) for level in levels_of(comparison)[1:]
        ]
        equal = _share_of_equal(engine, spec, comparison["output_column_name"])
        found = [equal, *(share * (1 - equal) / sum(shares) for share in shares)]
        if is_swapped(levels_of(comparison)[PLACE]):
            names = names_in_either_order(spec)
            found[PLACE] = share_of_swapped(engine, spec, RECORDS, names, n_possible)
        chance.append(found)
    return chance


def combine(
    comparisons: Sequence[Mapping[str, Any]], sessions: Sequence[Session]
) -> tuple[dict[str, list[float]], list[str]]:
    """Take the median m over the sessions; give every level some of it.

    Returns m by comparison, the level of equal values first, and what has no m of its own: the
    first and last level where no match was seen on it, which get half a match's share, and
    comparisons that no session left free, which get a usual m.
    """
    m: dict[str, list[float]] = {}
    untrained = []
    for comparison in comparisons:
        name, levels = comparison["output_column_name"], levels_of(comparison)
        found = [session for session in sessions if name in session.m]
        if not found:
            rest = (1 - UNTRAINED_EQUAL) / (len(levels) - 1)
            m[name] = [UNTRAINED_EQUAL, *[rest] * (len(levels) - 1)]
            untrained.append(f"{name}: no session left it free")
            continue
        least = 0.5 / max(1.0, sum(session.matches for session in found))
        seen = [
            [s.m[name][i] for s in found if s.m[name][i] is not None] for i in range(len(levels))
        ]
        untrained += [
            f"{name}: {levels[i]['label_for_charts']}: no pair of a session is on it"
            for i in unseen_levels(name, sessions)
            if i in (0, len(levels) - 1)  # one in between weighs no more than the next
        ]
        shares = [max(least, median(x or 0.0 for x in s) if s else 0.0) for s in seen]
        m[name] = [round(share / sum(shares), 9) for share in shares]
    return m, untrained


def estimate_matches(
    engine: Engine,
    spec: PipelineSpec,
    sessions: Sequence[Session],
    comparisons: Sequence[Mapping[str, Any]],
    m: Mapping[str, Sequence[float]],
) -> tuple[float, dict[str, float]]:
    """Estimate how many matches there are among all pairs; see the top of this module.

    Returns the estimate, and that of every pair of rules on different fields, by their names.
    """
    by_rule = {session.rule: session for session in sessions}
    rules = [(i, rule) for i, rule in enumerate(spec.training_conjunctions) if rule.name in by_rule]
    estimates: dict[str, float] = {}
    for a, (i, first) in enumerate(rules):
        for j, second in rules[a + 1 :]:
            if set(first.source_columns) & set(second.source_columns):
                continue
            shared = _shared_matches(engine, spec, i, j, by_rule[second.name], comparisons)
            if shared is not None and shared >= 1:
                n = by_rule[first.name].matches * by_rule[second.name].matches / shared
                estimates[f"{first.name}, {second.name}"] = round(n, 1)
    least = max(session.matches for session in sessions)
    if estimates:
        return max(least, median(estimates.values())), estimates
    # One rule, or all on one field: what it catches, over the share of matches it lets through.
    caught = []
    for _, rule in rules:
        share = 1.0
        for name in rule.source_columns:
            share *= m[name][0] if name in m else 1.0
        caught.append(by_rule[rule.name].matches / max(share, 0.01))
    return max(least, median(caught)), estimates


def _shared_matches(
    engine: Engine,
    spec: PipelineSpec,
    i: int,
    j: int,
    session: Session,
    comparisons: Sequence[Mapping[str, Any]],
) -> float | None:
    """Count the matches among the pairs that two rules share, as the session of one judges them."""
    columns = [block_column(i), block_column(j)]
    n_pairs = count_agreeing_pairs(engine, spec.link_mode, RECORDS, columns)
    if not n_pairs or n_pairs > MAX_SHARED_PAIRS:
        return None
    across = " and l.source_no <> r.source_no" if spec.link_mode == "link" else ""
    engine.make_table(
        "shared_pairs",
        f"""
        select l.record_no as join_key_l, r.record_no as join_key_r, '0' as match_key
        from {RECORDS} as l join {RECORDS} as r
            on {" and ".join(f"l.{column} = r.{column}" for column in columns)}
            and l.record_no < r.record_no{across}
        """,
    )
    judged = [
        filled_comparison(without_frequencies(comparison), session.m[name], session.u[name])
        for comparison in comparisons
        if (name := comparison["output_column_name"]) in session.m
    ]
    share = min(max(session.match_share, 1e-9), 1 - 1e-9)
    settings = model_settings(spec, judged, share, "dedupe_only")
    with (
        linker_of(engine, [RECORDS], settings) as (linker, api),
        predicted(linker, api, "shared_pairs") as scored,
    ):
        (matches,) = engine.row(f"select {exact_sum('match_probability')} from {scored}")
    return float(matches)


def _share_of_equal(engine: Engine, spec: PipelineSpec, field: str) -> float:
    """Give the exact share of equal values among all pairs that have both."""
    mode, column = spec.link_mode, quoted(field)
    both = count_agreeing_pairs(engine, mode, RECORDS, [], [column])
    return count_agreeing_pairs(engine, mode, RECORDS, [column]) / max(1.0, both)


def at_least(seen: Sequence[float], least: float) -> list[float]:
    """Raise the shares below the least to it."""
    return [max(least, share) for share in seen]


def u_of_strangers(seen: Sequence[float], m: Sequence[float], prior: float) -> list[float]:
    """Take the matches out of the shares seen among all pairs."""
    shares = [
        max(share - prior * m_share, LEAST_SHARE_OF_CHANCE * share, 1e-12)
        for share, m_share in zip(seen, m, strict=True)
    ]
    return [round(share / sum(shares), 12) for share in shares]


def unseen_levels(name: str, sessions: Sequence[Session]) -> list[int]:
    """List the levels of a comparison on which no session that trained it had a pair."""
    found = [session.m[name] for session in sessions if name in session.m]
    return [i for i, shares in enumerate(zip(*found, strict=True)) if set(shares) == {None}]


def cautious_m(
    m: Sequence[float], u: Sequence[float], unseen: Sequence[int], swapped: Sequence[int] = ()
) -> list[float]:
    """Let a level that no session has seen say no more for a match than the next one below it.

    Chance has mostly not been seen on it either, and half a match over next to nothing would be
    very much. swapped: levels of swapped names, which then say nothing.
    """
    shares = list(m)
    for i in sorted(unseen, reverse=True):
        if i + 1 < len(shares):
            shares[i] = min(shares[i], u[i] * shares[i + 1] / u[i + 1])
        if i in swapped:
            shares[i] = u[i]
    return shares


def filled_comparison(
    comparison: Mapping[str, Any],
    m: Sequence[float | None] | None,
    u: Sequence[float] | None,
) -> dict[str, Any]:
    """Put m and u into a comparison of Splink's settings."""
    levels = [dict(level) for level in comparison["comparison_levels"]]
    trained = [level for level in levels if not level.get("is_null_level")]
    for i, level in enumerate(trained):
        if m is not None:
            share = m[i]
            level["m_probability"] = LEAST_M if share is None else max(share, LEAST_M)
        if u is not None:
            level["u_probability"] = u[i]
        if m is not None and u is not None and says_nothing(level):
            level["m_probability"] = u[i]
    return {**comparison, "comparison_levels": levels}
