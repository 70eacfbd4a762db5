from collections.abc import Callable

import pytest

from er_pipeline.blocking.blocks.training_facts import training_facts
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_em_training_blocks import PEOPLE, RULES


def test_only_compared_fields_need_to_be_free(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        PEOPLE,
        strategies={"last": "last"},
        training_rules={"sound": "soundex(last)"},
        comparisons=["first", "born"],
    )
    facts = people.make("em_training_rules")
    assert facts["comparisons_free"] == {"first": ["sound"], "born": ["sound"]}


def test_truth_does_not_shape_what_is_trained_on(dataset: Callable[..., Dataset]) -> None:
    made = []
    for truth in ({}, {"truth": {"cluster_column": "person_id"}}):
        people = dataset(PEOPLE, strategies={"last": "last"}, training_rules=RULES, **truth)
        facts = people.make("em_training_rules")
        made.append((facts, people.rows("em_training_rules"), people.rows("em_training_blocks")))
    assert made[0] == made[1]


def test_a_strong_identifier_that_a_rule_leaves_free_shows_its_share_of_matches(
    dataset: Callable[..., Dataset],
) -> None:
    # Each email twice; every last name has two emails, so a third of its six pairs agree.
    rows = [
        {"id": str(i), "last": f"name {i // 4}", "email": f"{i // 2}@x.org"} for i in range(400)
    ]
    people = dataset(
        rows,
        fields={"last": "person_name", "email": "email"},
        strategies={"last": "last"},
        training_rules={"last": "last", "email": "email"},
    )
    people.make("em_training_rules")
    rules = training_facts(people.lake)["rules"]
    assert rules["last"]["expected_match_share"] == pytest.approx(1 / 3, abs=0.01)
    assert rules["email"]["expected_match_share"] is None  # nothing strong is free
