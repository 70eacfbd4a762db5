from typing import Any

import pytest

from er_pipeline.blocking.learning.rule_verdicts import CHECKS, judge_rules
from er_pipeline.blocking.spec.learned import LearnedFacts, LearnedRule
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline_tests.small_spec import small_spec

RULE: LearnedRule = {
    "rule": "name",
    "expressions": ["name"],
    "sql": "name",
    "source_columns": ["name"],
    "origin": "learned",
    "matches_found": 0,
    "non_matches_made": 0,
    "evidence_found": 0.9,
    "evidence_new": 0.9,
    "recall": None,
    "pairs": 10,
    "new_pairs": 10,
    "largest_block": 3,
}
LEARNED: LearnedFacts = {
    "rules": [RULE],
    "ranking": "budgeted",
    "seed": 20,
    "pairs": 10,
    "max_pairs_of_rule": 100,
    "taught_by_model": False,
    "conjunctions_counted": 7,
    "labelled_matches": 0,
    "labelled_non_matches": 0,
    "learned_from": {"records": 10, "filled": {}},
    "evidence_found": 0.9,
    "held_out_entities": 0,
    "recall": None,
    "recall_low": None,
    "recall_high": None,
}


def judged(facts: LearnedFacts, **settings: Any) -> list[Verdict]:
    verdicts = list(judge_rules(facts, small_spec(**{"strategies": "auto", **settings})))
    assert [verdict.check for verdict in verdicts] == [check.name for check in CHECKS]
    return verdicts


@pytest.mark.parametrize(
    ("settings", "passed"),
    [
        ({}, False),
        ({"strategies": {"name": "name"}, "learning": {}}, True),
        ({"embedding": True}, True),
    ],
)
def test_without_a_rule_something_else_must_propose_pairs(
    settings: dict[str, Any], passed: bool
) -> None:
    found, _ = judged({**LEARNED, "rules": []}, **settings)
    assert found.passed == passed
    assert found.severity == "error"
    assert "0 rules were learned, 7 conjunctions counted. Raise learning:" in found.text


@pytest.mark.parametrize(("floor", "passed"), [(0.9, True), (0.91, False)])
def test_without_labels_the_evidence_must_reach_the_floor(floor: float, passed: bool) -> None:
    rules, recall = judged(LEARNED, learning={"recall_floor": floor})
    assert rules.passed
    assert recall.passed == passed
    assert recall.severity == "warn"
    assert recall.text.startswith(
        "The learned rules find 90.0% of the probable matches that they were learned from; others"
    )
    assert ("Raise learning: pairs_per_record" in recall.text) != passed


@pytest.mark.parametrize(("floor", "passed"), [(0.97, True), (0.98, False)])
def test_with_labels_the_interval_of_recall_must_reach_the_floor(
    floor: float, passed: bool
) -> None:
    facts: LearnedFacts = {
        **LEARNED,
        "held_out_entities": 40,
        "recall": 0.93,
        "recall_low": 0.85,
        "recall_high": 0.97,
    }
    _, recall = judged(facts, learning={"recall_floor": floor})
    assert recall.passed == passed
    assert "find 93.0% on 40 held-out entities (95%: 85.0% to 97.0%)" in recall.text
    assert recall.numbers == {"recall": 0.93, "recall_floor": floor, "held_out_entities": 40}
