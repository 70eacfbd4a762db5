"""Figures that the report takes over from other tables: matching, recall, what was missed."""

from collections.abc import Collection
from typing import Any

from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import share_of
from er_pipeline.evaluation.match_quality import QualityFacts, quality_facts
from er_pipeline.evaluation.missed_matches import missed_facts
from er_pipeline.evaluation.recall import RecallFacts, recall_facts
from er_pipeline.evaluation.recall_views import view_facts, view_figures
from er_pipeline.matching.entity_facts import EntitiesFacts, entities_facts
from er_pipeline.matching.match_doubts import doubtful_share
from er_pipeline.matching.matches import MatchesFacts, matches_facts


def figures_of_tables(lake: Lake, tables: Collection[str]) -> dict[str, dict[str, Any]]:
    """Take over the figures of the given tables, by section of the report."""
    figures: dict[str, dict[str, Any]] = {}
    if "matches" in tables and "entities" in tables:
        entities = entities_facts(lake)
        figures["matching"] = _matching_figures(matches_facts(lake), entities)
        figures["weakest_links"] = {
            f"{link['left']} and {link['right']}": {
                "match_probability": link["match_probability"],
                "records_left": link["records_left"],
                "records_right": link["records_right"],
            }
            for link in entities["weakest_links"]
        }
        if "match_quality" in tables:
            figures["matching"] |= _quality_figures(quality_facts(lake))
    if "missed_matches" in tables:
        missed = missed_facts(lake)
        figures["missed"] = {
            cause: {"true_pairs": n, "share_of_true_pairs": share_of(n, missed["true_pairs"])}
            for cause, n in missed["causes"].items()
        }
        if "matching" in figures:
            figures["matching"]["missed_that_would_score_too_low"] = missed["unlikely"]
        figures["remedies"] = {
            remedy["remedy"]: {name: n for name, n in remedy.items() if name != "remedy"}
            for remedy in missed["remedies"]
        }
    if "recall_sample" in tables:
        figures["recall"] = _recall_figures(recall_facts(lake))
    return figures | (view_figures(view_facts(lake)) if "recall_views" in tables else {})


def _matching_figures(matches: MatchesFacts, entities: EntitiesFacts) -> dict[str, int | float]:
    figures: dict[str, int | float] = {
        "threshold": entities["threshold"],
        "matches": matches["matches"],
    }
    if doubts := matches.get("doubts"):
        share, high = doubtful_share(doubts, matches["matches"])
        figures |= {"doubtful_share": share, "doubtful_share_high": high}
    if contested := matches.get("contested"):
        figures["contested_share"] = share_of(contested["contested"], contested["matches"])
    if "second_pass_records_given_a_match" in matches:
        newly_matched = matches["second_pass_records_given_a_match"]
        figures["second_pass_records_given_a_match"] = newly_matched
    return {
        **figures,
        "entities": entities["entities"],
        "entities_of_several_records": entities["entities"] - entities["singletons"],
        "largest_entity": entities["largest_entity"],
    }


def _quality_figures(quality: QualityFacts) -> dict[str, float]:
    at_threshold, at_best = quality["at_threshold"], quality["at_best"]
    return {
        "match_precision": at_threshold["precision"],
        "match_recall": at_threshold["recall"],
        "match_f1": at_threshold["f1"],
        "best_threshold": at_best["threshold"],
        "match_precision_at_best": at_best["precision"],
        "match_recall_at_best": at_best["recall"],
        "match_f1_at_best": at_best["f1"],
    }


def _recall_figures(facts: RecallFacts) -> dict[str, int | float]:
    sample = facts["sample"]
    figures: dict[str, int | float] = {
        "estimated_recall": sample["recall"],
        "estimated_recall_low": sample["recall_low"],
        "estimated_recall_high": sample["recall_high"],
        "records_sampled": facts["records_sampled"],
        "likely_matches_of_sample": sample["likely_matches"],
    }
    if "families" in facts:
        families = facts["families"]
        figures |= {
            "recall_by_families": families["recall"],
            "families_of_evidence": len(families["families"]),
            "likely_matches_found": families["likely_matches_found"],
            "likely_matches_unseen": families["likely_matches_unseen"],
        }
    return figures
