"""Candidate pairs -> the best of them, by weight, within the budget.

A pair's weight is its evidence (pair_weights.py), in units of what singles out one record, plus
what its cosine is worth where there is an encoder. When linking, a record has one match or few: a
pair loses weight where its records have better ones. Nothing is sorted to be cut: the pairs of each
weight are counted, and where a weight is cut in two, the lower numbers stay.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from er_pipeline.blocking.pairs.pair_similarities import fill_similarities
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import exact_sum
from er_pipeline.blocking.tables.verdicts import Verdict, share_of
from er_pipeline.blocking.weights.pair_evidence import RIVALS_SHARE, PairWeights

logger = logging.getLogger(__name__)

DECIMALS = 4  # of weights; what differs by less is a tie
# Ranks at which the curve is noted, in pairs per record.
CURVE = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 100, 200)
# What the exchange rate speaks of.
A_MILLION = 1_000_000


class RankedFacts(TypedDict, total=False):
    """What ranking notes beside the pairs, where they are weighed.

    expected_matches: by the pairs' weights. weight_classes: per half unit of weight, heaviest
    first: weight (the lower end), pairs, kept, expected_matches, expected_matches_kept. ranks: see
    `_ranks`. The last two only where there is a budget.
    """

    pairs_made: int
    pairs_cut: int
    expected_matches: float
    expected_matches_cut: float
    weight_classes: list[dict[str, float]]
    ranks: list[dict[str, float]]
    budget_pairs: int
    matches_per_million_more_pairs: float


@dataclass(frozen=True)
class Kept:
    """Which of weighed_pairs, as p, stay.

    condition: over p and what is joined to it. joins: each finds at most one row per pair.
    """

    condition: str
    joins: str = ""


EVERY_PAIR = Kept("true")
FLOOR_JOIN = " left join floor_pairs as f on f.left_no = p.left_no and f.right_no = p.right_no"
IS_ON_FLOOR = "f.left_no is not null"


def is_final(spec: PipelineSpec) -> bool:
    """Return whether a pair's weight is known as soon as the pair is, and no pair is cut."""
    return spec.budget is None and spec.encoder is None and spec.link_mode != "link"


def weight_sql(weights: PairWeights, evidence: str, similarity: str | None = None) -> str:
    """Write the expression of a pair's own weight, rivals left aside.

    evidence: expression of its evidence in nats. similarity: of its cosine, if there is an encoder.
    """
    cosine = ""
    if similarity is not None:
        cosine = f" + {weights.cosine_weight} * coalesce({similarity}, 0)"
    return f"cast(round(({evidence}) / {weights.unit:.6f}{cosine}, {DECIMALS}) as float)"


def rank_pairs(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    weights: PairWeights,
    made: Path,
    kept: Path | None,
) -> RankedFacts:
    """Give all pairs their weight and write the best.

    made: folder of parquet files (left_no, right_no, strategy_mask, with an encoder similarity,
    and evidence in nats, or weight where `is_final`); similarities are filled in there.
    kept: the file to write, with weight instead of evidence; None where `is_final`, since all
    pairs stay as they are. Reads record_embeddings and the vectors where there is an encoder.
    Returns what was made, kept and cut, by class of weight, and what a million more would bring.

    Raises BudgetError if there are too many pairs and the budget says to fail.
    """
    if spec.encoder:
        fill_similarities(engine, lake, weights.n_records, made)
    engine.read_folder(made, "made_pairs")
    target, cut = None, EVERY_PAIR
    if kept is None:
        probability = weights.probability_sql(f"weight * {weights.unit:.6f}")
        engine.make_view("weighed_pairs", f"select *, {probability} as probability from made_pairs")
        n_made = _counted(engine)
    else:
        _weigh(engine, spec, weights)
        n_made = _counted(engine)
        target = spec.budget.pairs(weights.n_records) if spec.budget else None
        cut = _cut(engine, spec, n_made, target)
    facts = _account(engine, cut, n_made, target, weights)
    if kept is not None:
        columns = ["left_no", "right_no", "strategy_mask"]
        if spec.encoder:
            columns.append("similarity")
        engine.write(
            f"select {', '.join(f'p.{column}' for column in [*columns, 'weight'])}"
            f" from weighed_pairs as p{cut.joins} where {cut.condition}",
            kept,
            bulk=True,
        )
    return facts


def judge_ranking(facts: Mapping[str, Any], spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge what the budget left, from the facts of `unify_pairs`."""
    if spec.budget is None:
        return
    pairs, budget = facts["pairs"] - facts.get("second_pass_pairs", 0), facts["budget_pairs"]
    made, cut = facts["pairs_made"], facts["pairs_cut"]
    yield Verdict(
        "budget_is_kept",
        pairs <= budget and pairs == made - cut,
        "error",
        f"{pairs:,} of {made:,} pairs were kept, {cut:,} cut (at most {budget:,} wanted).",
        {"pairs": pairs, "budget_pairs": budget, "pairs_cut": cut},
    )
    lost = share_of(facts["expected_matches_cut"], facts["expected_matches"])
    most = spec.checks.max_matches_cut
    yield Verdict(
        "budget_loses_little",
        lost <= most,
        "warn",
        f"The pairs that were cut hold about {lost:.2%} of the expected matches (a warning above"
        f" {most:.0%}); a million more pairs would buy about"
        f" {facts['matches_per_million_more_pairs']:,.0f} of them.",
        {
            "expected_matches_cut_share": lost,
            "matches_per_million_more_pairs": facts["matches_per_million_more_pairs"],
        },
    )


def _counted(engine: Engine) -> int:
    return int(engine.row("select count(*) from weighed_pairs")[0])


def _weigh(engine: Engine, spec: PipelineSpec, weights: PairWeights) -> None:
    """Make weighed_pairs: made_pairs with weight, own (without rivals) and probability."""
    own = weight_sql(weights, "evidence", "similarity" if spec.encoder else None)
    probability = weights.probability_sql("evidence")
    if spec.link_mode != "link":
        engine.make_view(
            "weighed_pairs",
            f"select *, {own} as own, {own} as weight, {probability} as probability"
            " from made_pairs",
        )
        return
    engine.make_view("own_pairs", f"select *, {own} as own from made_pairs")
    for side in ("left", "right"):
        engine.make_table(
            f"best_{side}",
            f"select {side}_no as record_no, max(own) as own from own_pairs group by {side}_no",
        )
    engine.make_table(
        "best_of_record",
        "select record_no, max(own) as own from (select record_no, own from best_left"
        " union all select record_no, own from best_right) group by record_no",
    )
    rivals = f"{RIVALS_SHARE} * (l.own + r.own) / 2"
    engine.make_view(
        "weighed_pairs",
        f"""
        select p.*, cast(round(p.own - {rivals}, {DECIMALS}) as float) as weight,
            {probability} as probability
        from own_pairs as p join best_of_record as l on l.record_no = p.left_no
        join best_of_record as r on r.record_no = p.right_no
        """,
    )


def _cut(engine: Engine, spec: PipelineSpec, n_made: int, target: int | None) -> Kept:
    """Decide which pairs stay.

    Raises BudgetError if there are too many and the budget says to fail.
    """
    budget = spec.budget
    if budget is None or target is None or n_made <= target:
        return EVERY_PAIR
    if budget.on_over_budget == "fail":
        raise BudgetError(
            f"there are {n_made:,} pairs, {n_made - target:,} more than the budget of {target:,};"
            " write on_over_budget: trim to keep the best, or raise the budget"
        )
    if not target:
        return Kept("false")
    floor = budget.floor_per_record
    if floor is None:
        floor = int(spec.link_mode == "link")  # a record of a clean source has one match or none
    if not floor:
        return _best(engine, "weighed_pairs", target)
    _mark_floor(engine, floor)
    (n_floor,) = engine.row("select count(*) from floor_pairs")
    if n_floor >= target:
        # Even that is too much: those that are among the best of both records come first.
        engine.make_table(
            "floor_pairs",
            "select * from floor_pairs order by sides desc, weight desc, left_no, right_no"
            f" limit {target}",
        )
        return Kept(IS_ON_FLOOR, FLOOR_JOIN)
    engine.make_view(
        "pairs_beyond_floor",
        "select p.* from weighed_pairs as p anti join floor_pairs as f"
        " on f.left_no = p.left_no and f.right_no = p.right_no",
    )
    best = _best(engine, "pairs_beyond_floor", target - int(n_floor))
    return Kept(f"{IS_ON_FLOOR} or {best.condition}", FLOOR_JOIN + best.joins)


def _best(engine: Engine, pairs: str, n_kept: int) -> Kept:
    """Keep so many pairs, the heaviest; of equal ones the lower numbers.

    Nothing is sorted: the pairs of each weight are counted.
    """
    engine.make_table(
        "pairs_of_weight",
        "select weight, n, sum(n) over (order by weight desc) as n_until from"
        f" (select weight, count(*) as n from {pairs} group by weight)",
    )
    threshold, n_above = engine.row(
        f"select min(weight) filter (where n_until - n < {n_kept}),"
        f" coalesce(max(n_until) filter (where n_until <= {n_kept}), 0)::bigint"
        " from pairs_of_weight"
    )
    if n_above == n_kept:  # the threshold's own pairs all fit
        return Kept(f"p.weight >= {threshold!r}::float")
    engine.make_table(
        "pairs_at_threshold",
        f"select left_no, right_no from {pairs} where weight = {threshold!r}::float"
        f" order by left_no, right_no limit {n_kept - n_above}",
    )
    return Kept(
        f"(p.weight > {threshold!r}::float or t.left_no is not null)",
        " left join pairs_at_threshold as t on t.left_no = p.left_no and t.right_no = p.right_no",
    )


def _mark_floor(engine: Engine, floor: int) -> None:
    """Make floor_pairs: those among the best of either record; sides: of how many of the two."""
    engine.make_table(
        "floor_pairs",
        f"""
        with sided as (
            select left_no as record_no, left_no, right_no, own, weight from weighed_pairs
            union all select right_no, left_no, right_no, own, weight from weighed_pairs
        ),
        ranked as (
            select left_no, right_no, weight, row_number() over (
                partition by record_no order by own desc, left_no, right_no) as rank
            from sided
        )
        select left_no, right_no, any_value(weight) as weight, count(*) as sides
        from ranked where rank <= {floor} group by left_no, right_no
        """,
    )


def _account(
    engine: Engine, cut: Kept, n_made: int, target: int | None, weights: PairWeights
) -> RankedFacts:
    """Account for what was kept and what was cut."""
    engine.make_table(
        "weight_counts",
        f"select p.weight, {cut.condition} as is_kept, count(*) as n,"
        f" {exact_sum('p.probability')} as matches"
        f" from weighed_pairs as p{cut.joins} group by 1, 2",
    )
    counted = engine.rows(
        f"""
        select floor(weight * 2) / 2 as low, sum(n)::bigint,
            coalesce(sum(n) filter (where is_kept), 0)::bigint, {exact_sum("matches")},
            {exact_sum("case when is_kept then matches else 0.0 end")}
        from weight_counts group by 1 order by 1 desc
        """
    )
    classes = [
        {
            "weight": float(low),
            "pairs": n,
            "kept": n_kept,
            "expected_matches": round(matches, 2),
            "expected_matches_kept": round(matches_kept, 2),
        }
        for low, n, n_kept, matches, matches_kept in counted
    ]
    n_kept = sum(row["kept"] for row in classes)
    matches = sum(found for *_, found, _ in counted)
    matches_kept = sum(found for *_, found in counted)
    facts: RankedFacts = {
        "pairs_made": n_made,
        "pairs_cut": n_made - n_kept,
        "expected_matches": round(matches, 1),
        "expected_matches_cut": round(max(0.0, matches - matches_kept), 1),
        "weight_classes": classes,
        "ranks": _ranks(engine, weights.n_records, matches),
    }
    if target is not None:
        facts["budget_pairs"] = target
        facts["matches_per_million_more_pairs"] = _exchange_rate(engine)
    return facts


def _exchange_rate(engine: Engine) -> float:
    """Estimate the matches among the next million pairs, the best of those that were cut.

    Where fewer were cut, those are all that can be bought.
    """
    (matches,) = engine.row(
        f"""
        with cut as (
            select n, matches, sum(n) over (order by weight desc) - n as n_before
            from weight_counts where not is_kept
        )
        select coalesce({exact_sum(f"matches * least(n, {A_MILLION} - n_before) / n")}, 0)
        from cut where n_before < {A_MILLION}
        """
    )
    return round(float(matches), 1)


def _ranks(engine: Engine, n_records: int, matches: float) -> list[dict[str, float]]:
    """Return at which weight how many pairs are reached, and what share of the expected matches."""
    counted = engine.columns(
        f"select weight, sum(n)::bigint as n, {exact_sum('matches')} as matches from weight_counts"
        " group by weight order by weight desc"
    )
    weight = np.asarray(counted["weight"], np.float64)
    pairs = np.cumsum(np.asarray(counted["n"], np.int64))
    found = np.cumsum(np.asarray(counted["matches"], np.float64))
    ranks = []
    for per_record in CURVE:
        place = int(np.searchsorted(pairs, per_record * n_records, side="right")) - 1
        if place < 0:
            continue
        ranks.append(
            {
                "pairs_per_record": round(float(pairs[place]) / n_records, 4),
                "weight": round(float(weight[place]), DECIMALS),
                "expected_completeness": round(min(1.0, share_of(float(found[place]), matches)), 6),
            }
        )
        if place == len(pairs) - 1:
            break
    return ranks
