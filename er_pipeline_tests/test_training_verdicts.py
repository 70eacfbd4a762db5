from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.blocking.blocks.training_verdicts import judge_expected_mix, judge_training
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_em_training_blocks import PEOPLE, RULES


def test_a_rule_fixes_every_field_that_its_nested_expressions_read(
    dataset: Callable[..., Dataset],
) -> None:
    rules = {
        "initials": "initials(coalesce(first, 'x') || ' ' || last)",
        "sound": "soundex(first_word(lower(last)))",
    }
    people = dataset(PEOPLE, strategies={"last": "last"}, training_rules=rules)
    facts = people.make("em_training_rules")
    assert facts["comparisons_free"] == {
        "first": ["sound"],
        "last": [],
        "born": ["initials", "sound"],
    }
    verdicts = {verdict.check: verdict for verdict in judge_training(facts, people.spec)}
    free = verdicts["every_comparison_is_free"]
    assert not free.passed
    assert free.text.startswith("No training rule leaves last free")
    assert free.numbers == {
        "rules_leaving_first_free": 1,
        "rules_leaving_last_free": 0,
        "rules_leaving_born_free": 2,
    }


@pytest.mark.parametrize(("budget", "passed"), [(9, True), (8, False)])
def test_the_budget_holds_for_the_sum_of_the_rules(
    dataset: Callable[..., Dataset], budget: int, passed: bool
) -> None:
    people = dataset(
        PEOPLE,
        strategies={"last": "last"},
        training_rules=RULES,
        checks={"max_training_pairs": budget},
    )
    facts = people.make("em_training_rules")
    verdicts = {verdict.check: verdict for verdict in judge_training(facts, people.spec)}
    assert verdicts["training_within_budget"].passed is passed
    assert verdicts["training_within_budget"].numbers["training_pairs"] == 9
    assert verdicts["every_rule_makes_pairs"].passed


def test_a_rule_without_pairs_is_a_warning(dataset: Callable[..., Dataset]) -> None:
    rules = {"same_last": "last", "same_first": "first"}
    people = dataset(PEOPLE[3:], strategies={"last": "last"}, training_rules=rules)
    facts = people.make("em_training_rules")
    (empty,) = (v for v in judge_training(facts, people.spec) if v.severity == "warn")
    assert not empty.passed
    assert empty.text == "Training rules without a pair: same_first."
    assert people.rows("em_training_rules", "rule, pairs") == [
        ("same_first", 0),
        ("same_last", 1),
    ]


@pytest.mark.parametrize(
    ("share", "outcome"),
    [
        (0.3, "ok"),
        (0.01, "ok"),
        (0.99, "ok"),
        (0.0099, "warn"),
        (0.9901, "warn"),
        (0.001, "warn"),
        (0.999, "warn"),
        (0.0009, "error"),
        (0.9991, "error"),
    ],
)
def test_rules_that_will_bring_no_two_classes_warn_then_stop(
    dataset: Callable[..., Dataset], share: float, outcome: str
) -> None:
    rules: Any = {
        "good": {"expected_match_share": 0.3},
        "odd": {"expected_match_share": share},
        "unknown": {"expected_match_share": None},
    }
    people = dataset(PEOPLE, strategies={"last": "last"}, training_rules=RULES, matching=True)
    verdict = judge_expected_mix({"rules": rules, "pairs": 0, "comparisons_free": {}}, people.spec)
    assert verdict.check == "expected_mix_is_trainable"
    assert verdict.passed is (outcome == "ok")
    if outcome != "ok":
        assert verdict.severity == outcome
        assert "pairs of odd are matches" in verdict.text
        assert "good" not in verdict.text
    assert verdict.numbers == {"match_share_good": 0.3, "match_share_odd": share}


def test_without_a_strong_identifier_the_mix_is_not_judged(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(PEOPLE, strategies={"last": "last"}, training_rules=RULES)
    facts = people.make("em_training_rules")
    verdict = judge_expected_mix(facts, people.spec)
    assert verdict.passed
    assert verdict.text.startswith("No rule leaves a strong identifier free")
    assert verdict.numbers == {}
