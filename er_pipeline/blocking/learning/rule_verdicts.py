"""What must hold of the learned rules, with the numbers behind it."""

from collections.abc import Iterator, Mapping
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.verdicts import Verdict, unless


def judge_rules(facts: Mapping[str, Any], spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge the learned rules from the facts of `learn_rules`."""
    learning = spec.learns
    assert learning is not None
    n_rules = len(facts["rules"])
    yield Verdict(
        "rules_were_found",
        n_rules > 0 or bool(spec.strategy_conjunctions) or spec.embedding is not None,
        "error",
        f"{n_rules:,} rules were learned, {facts['conjunctions_counted']:,} conjunctions counted."
        + unless(
            n_rules > 0,
            " Raise learning: rule_pairs_per_record or k, or declare a strategy.",
        ),
        {"rules": n_rules, "conjunctions_counted": facts["conjunctions_counted"]},
    )
    floor, judged = learning.recall_floor, facts["held_out_entities"]
    reached = facts["recall"] if judged else facts["evidence_found"]
    text = (
        f"on {judged:,} held-out entities (95%: {facts['recall_low']:.1%} to"
        f" {facts['recall_high']:.1%})"
        if judged
        else "of the probable matches; no label says whether that is so"
    )
    passed = (facts["recall_high"] if judged else reached) >= floor
    yield Verdict(
        "recall_floor_is_reached",
        passed,
        "warn",
        f"The learned rules find {reached:.1%} {text} (at least {floor:.1%} wanted)."
        + unless(passed, " Raise learning: pairs_per_record or rule_pairs_per_record."),
        {"recall": reached, "recall_floor": floor, "held_out_entities": judged},
    )
