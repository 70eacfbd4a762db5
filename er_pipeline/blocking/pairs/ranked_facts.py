"""What a ranking made of the pairs: how many, with how many expected matches, were kept and cut."""

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from er_pipeline.blocking.pairs.pair_views import ViewFacts
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import exact_sum
from er_pipeline.blocking.tables.verdicts import share_of
from er_pipeline.blocking.weights.pair_evidence import PairWeights, count_records

DECIMALS = 4  # of weights; what differs by less is a tie
# Ranks at which the curve is noted, in pairs per record.
CURVE = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 100, 200)
# What the exchange rate speaks of.
A_MILLION = 1_000_000


class RankedFacts(TypedDict, total=False):
    """What ranking notes beside the pairs, where they are weighed.

    expected_matches: by the pairs' weights. weight_classes: per half unit of weight, heaviest
    first: weight (the lower end), pairs, kept, expected_matches, expected_matches_kept. ranks: see
    `_ranks`. views: where several decide. The last two only where there is a budget. pairs_weighed:
    of how many pairs all this was counted, where that is a sample.
    """

    pairs_made: int
    pairs_cut: int
    expected_matches: float
    expected_matches_cut: float
    weight_classes: list[dict[str, float]]
    ranks: list[dict[str, float]]
    views: ViewFacts
    pairs_weighed: int
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


def account_for(
    engine: Engine,
    cut: Kept,
    n_made: int,
    target: int | None,
    weights: PairWeights,
    scale: float = 1.0,
) -> RankedFacts:
    """Account for what was kept and what was cut.

    scale: pairs that each of weighed_pairs stands for, where these are a sample.
    """
    engine.make_table(
        "weight_counts",
        f"select round(p.weight, {DECIMALS}) as weight, {cut.condition} as is_kept, count(*) as n,"
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
            "pairs": round(n * scale),
            "kept": round(n_kept * scale),
            "expected_matches": round(matches * scale, 2),
            "expected_matches_kept": round(matches_kept * scale, 2),
        }
        for low, n, n_kept, matches, matches_kept in counted
    ]
    n_cut = sum(n - n_kept for _, n, n_kept, _, _ in counted)
    matches = sum(found for *_, found, _ in counted)
    matches_kept = sum(found for *_, found in counted)
    facts: RankedFacts = {
        "pairs_made": n_made,
        "pairs_cut": n_cut,
        "expected_matches": round(matches * scale, 1),
        "expected_matches_cut": round(max(0.0, matches - matches_kept), 1),
        "weight_classes": classes,
        "ranks": _ranks(engine, count_records(engine) / scale, matches),
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


def _ranks(engine: Engine, n_records: float, matches: float) -> list[dict[str, float]]:
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
