"""What must hold of the learned rules, with the numbers behind it."""

from collections.abc import Iterator

from er_pipeline.blocking.spec.learned import LearnedFacts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict, unless

CHECKS = (
    Check("rules_were_found", "Without a rule or strategy nothing is compared."),
    Check(
        "recall_floor_is_reached",
        "What no rule finds is lost for good.",
        stops=False,
        limits=("learning.recall_floor",),
    ),
)


def judge_rules(facts: LearnedFacts, spec: PipelineSpec) -> Iterator[Verdict]:
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
    recall, low, high = facts["recall"], facts["recall_low"], facts["recall_high"]
    if recall is None or low is None or high is None:
        reached = highest = facts["evidence_found"]
        text = (
            "of the probable matches that they were learned from; others were not seen, so this is"
            " no recall: recall_views says what is known of it"
        )
    else:
        reached, highest = recall, high
        text = f"on {judged:,} held-out entities (95%: {low:.1%} to {high:.1%})"
    passed = highest >= floor
    yield Verdict(
        "recall_floor_is_reached",
        passed,
        "warn",
        f"The learned rules find {reached:.1%} {text} (at least {floor:.1%} wanted)."
        + unless(passed, " Raise learning: pairs_per_record or rule_pairs_per_record."),
        {"recall": reached, "recall_floor": floor, "held_out_entities": judged},
    )
