"""Completeness: which share of the true pairs, or of the expected ones, the candidates hold."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from er_pipeline.blocking.pairs.unified_pairs import UnifiedFacts
from er_pipeline.blocking.pairs.weighed_when_read import tables_of_weights, with_weights
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import share_of
from er_pipeline.evaluation.proposed_true import (
    proposals_are_candidates,
    propose_true_pairs,
    tables_of_proposals,
)


class TruePairs(NamedTuple):
    """Engine tables of true pairs, by name.

    proposed: those that were made at all, see `propose_true_pairs`. found: those that are
    candidates, with their row of unified_pairs.
    """

    proposed: str
    found: str


def find_true_pairs(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    bits: Mapping[str, int],
) -> TruePairs:
    """Make the tables of `TruePairs` from the engine's true_pairs and unified_pairs.

    bits: the place of every strategy in a pair's mask."""
    true = TruePairs("proposed_true", "found_true")
    propose_true_pairs(engine, lake, spec, bits, true.proposed)
    candidates = true.proposed
    if spec.encoder or not proposals_are_candidates(spec):
        candidates = "true_candidates"
        engine.make_table(
            candidates,
            "select p.* from unified_pairs as p semi join true_pairs as t"
            " on t.left_no = p.left_no and t.right_no = p.right_no",
        )
    engine.make_table(true.found, with_weights(engine, lake, spec, candidates))
    return true


def tables_of_true_pairs(spec: PipelineSpec) -> list[str]:
    """List the tables that `find_true_pairs` reads, beside unified_pairs."""
    return [*tables_of_proposals(spec), *tables_of_weights(spec)]


def count_true_pairs(
    engine: Engine, lake: Lake, strategies: dict[str, dict[str, Any]], true: TruePairs
) -> dict[str, int | float]:
    """Count the true pairs that are candidates; see missed_matches for the others.

    strategies: figures by strategy, in the order of their bits; those of truth are added to each.
    Returns the figures of all pairs.
    """
    bits = {name: bit for bit, name in enumerate(strategies)}
    found = engine.rows(f"select strategy_mask, count(*) from {true.found} group by 1")
    proposed = engine.rows(f"select strategy_mask, count(*) from {true.proposed} group by 1")
    (n_true,) = engine.row("select count(*) from true_pairs")
    (n_pairs,) = engine.row("select count(*) from unified_pairs")
    n_found, n_proposed = sum(n for _, n in found), sum(n for _, n in proposed)
    for name, bit in bits.items():
        hits = sum(n for mask, n in proposed if mask >> bit & 1)
        strategies[name]["true_pairs"] = hits
        strategies[name]["true_pairs_of_it_alone"] = sum(
            n for mask, n in proposed if mask == 1 << bit
        )
        strategies[name]["pairs_completeness"] = share_of(hits, n_true)
        # What a match costs in pairs: on the whole, and what leaving the strategy out would save.
        for cost, pairs, found_by in (
            ("pairs_per_true_pair", "pairs", "true_pairs"),
            ("pairs_per_true_pair_of_it_alone", "pairs_of_it_alone", "true_pairs_of_it_alone"),
        ):
            if strategies[name][found_by]:  # none found: no figure says what one would cost
                strategies[name][cost] = strategies[name][pairs] / strategies[name][found_by]
    return {
        "true_pairs": n_true,
        "given_pairs_with_unknown_ids": lake.facts("true_pairs")["pairs_with_unknown_ids"],
        "true_pairs_proposed": n_proposed,
        "true_pairs_found": n_found,
        "pairs_completeness": share_of(n_found, n_true),
        "pairs_quality": share_of(n_found, n_pairs),
        "true_pairs_cut_by_the_budget": n_proposed - n_found,
        "completeness_cut_by_the_budget": share_of(n_proposed - n_found, n_true),
    }


def completeness_curve(
    engine: Engine,
    unified: UnifiedFacts,
    strategies: Mapping[str, Mapping[str, Any]],
    true: TruePairs | None,
    n_records: int,
) -> dict[str, dict[str, float]]:
    """Return what share of the matches how many pairs per record find.

    Points "strategy <name>" for each strategy alone, "union" for all kept pairs, and "ranked <n>"
    for the best n pairs per record, each with pairs_per_record and pairs_completeness: with truth
    the share of the true pairs, else of the matches expected among the pairs made. Points of
    strategies need truth.
    """
    points: dict[str, dict[str, float]] = {}
    if true:
        (n_true,) = engine.row("select count(*) from true_pairs")
        (n_proposed,) = engine.row(f"select count(*) from {true.proposed}")
        for name, counts in strategies.items():
            points[f"strategy {name}"] = {
                "pairs_per_record": share_of(counts["pairs"], n_records),
                "pairs_completeness": counts["pairs_completeness"],
            }
        points["union"] = {
            "pairs_per_record": share_of(unified.get("pairs_made", unified["pairs"]), n_records),
            "pairs_completeness": share_of(n_proposed, n_true),
        }
    for rank in unified.get("ranks", []):
        if rank["pairs_per_record"] * n_records > unified["pairs"] + 0.5 and true:
            break  # which true pairs were cut beyond the budget is not kept
        completeness = rank["expected_completeness"]
        if true:
            (n_above,) = engine.row(
                f"select count(*) from {true.found} where weight >= {rank['weight']}::float"
            )
            completeness = share_of(n_above, n_true)
        points[f"ranked {rank['pairs_per_record']:g}"] = {
            "pairs_per_record": rank["pairs_per_record"],
            "pairs_completeness": completeness,
        }
    return points
