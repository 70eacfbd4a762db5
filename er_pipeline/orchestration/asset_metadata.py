"""What an asset shows of its facts: numbers become plots, tables and pictures stand inline.

Here: numbers of any facts, and what the tables of the evaluation show.
"""

from collections.abc import Mapping
from typing import Any, cast

from er_pipeline.evaluation.match_quality import QualityFacts, quality_figures
from er_pipeline.orchestration.charts import (
    count_picture,
    markdown_table,
    quality_picture,
    recall_picture,
)

# The module that writes a table declares what its facts hold.
Facts = Mapping[str, Any]

# Remedies that an asset shows; the table has one for every pair.
REMEDIES_SHOWN = 15


def numbers(facts: Mapping[str, Any]) -> dict[str, int | float]:
    """Take the plain numbers out of facts: those that the UI can plot."""
    return {
        name: value
        for name, value in facts.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def show_missed(facts: Facts) -> Mapping[str, Any]:
    """Show why true pairs are missed, and what would find them."""
    causes = {cause: n for cause, n in facts["causes"].items() if n}
    remedies = [
        (
            remedy["remedy"],
            f"{remedy['finds']:,}",
            f"{remedy['mends']:,}",
            f"{remedy['pairs_per_match']:,g}",
        )
        for remedy in facts["remedies"][:REMEDIES_SHOWN]
    ]
    return {
        **{name: facts[name] for name in ("true_pairs", "found", "missed", "unlikely")},
        **{f"missed_{cause}": n for cause, n in facts["causes"].items()},
        "causes": count_picture("missed true pairs by cause", causes),
        "remedies": markdown_table(
            ("change", "would find", "cheapest for", "pairs per match"), remedies
        ),
    }


def show_recall(facts: Facts) -> Mapping[str, Any]:
    """Show the estimates of recall, each with what it is a share of."""
    sample, families = facts["sample"], facts.get("families")
    drawn = {"sample": (sample["recall_low"], sample["recall"], sample["recall_high"])}
    rows = [
        (
            "sample of records",
            f"{sample['recall']:.2%}",
            f"{sample['recall_low']:.2%} to {sample['recall_high']:.2%}",
            sample["of"],
        )
    ]
    second = {}
    if families:
        second["recall_by_families"] = families["recall"]
        drawn["families"] = (families["recall"],) * 3
        rows.append(("families of evidence", f"{families['recall']:.2%}", "", families["of"]))
    costs = ("records_sampled", "pairs_bounded", "pairs_compared", "pairs_scored")
    return {
        **{name: sample[name] for name in ("recall", "recall_low", "recall_high")},
        **second,
        "likely_matches_sampled": sample["likely_matches"],
        **{name: facts[name] for name in costs},
        "interval": recall_picture(drawn),
        "estimates": markdown_table(("estimate", "recall", "95% interval", "share of"), rows),
    }


def show_quality(facts: Facts) -> Mapping[str, Any]:
    """Show precision, recall and F1 over the thresholds."""
    rows = [
        (
            f"{row['threshold']:.6g}",
            f"{row['matches']:,}",
            *(f"{row[name]:.2%}" for name in ("precision", "recall", "f1")),
        )
        for row in facts["thresholds"]
    ]
    return {
        **dict(quality_figures(cast(QualityFacts, facts))),
        "curve": quality_picture(facts["thresholds"]),
        "thresholds": markdown_table(("threshold", "matches", "precision", "recall", "F1"), rows),
    }
