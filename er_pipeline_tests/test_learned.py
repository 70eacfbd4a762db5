from collections.abc import Callable

import pytest

from er_pipeline.blocking.spec.learned import (
    LearnedBlocksFacts,
    learned_blocks_facts,
    learned_conjunctions,
    learned_rules_facts,
)
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline_tests.conftest import Dataset

ROWS = [
    {"id": "1", "name": "ann lee", "email": "a@home.org"},
    {"id": "2", "name": "ann lee", "email": "a@home.org"},
    {"id": "3", "name": "bo may", "email": "b@work.org"},
]


def test_learned_rules_are_conjunctions_by_their_name_best_first(
    dataset: Callable[..., Dataset],
) -> None:
    data = dataset(ROWS, strategies="auto", learning={"pin": [["name", "left(email, 3)"]]})
    data.filter()
    facts = learned_rules_facts(data.lake)
    conjunctions = learned_conjunctions(data.spec, facts)
    assert [c.name for c in conjunctions] == [rule["rule"] for rule in facts["rules"]]
    assert [[key.expression for key in c.keys] for c in conjunctions] == [
        rule["expressions"] for rule in facts["rules"]
    ]
    assert ["name", "left(email, 3)"] in [rule["expressions"] for rule in facts["rules"]]


def test_the_facts_of_learned_blocks_are_of_the_same_rules(
    dataset: Callable[..., Dataset],
) -> None:
    pins = ["tokens(name)", "name"]
    data = dataset(ROWS, strategies="auto", learning={"pin": pins, "max_rules": 2})
    data.filter()
    facts = learned_blocks_facts(data.lake)
    assert facts.keys() >= LearnedBlocksFacts.__annotations__.keys()
    rules = learned_conjunctions(data.spec, learned_rules_facts(data.lake))
    assert facts["listed"] == [rule.name for rule in rules if rule.is_list]
    assert facts["single"] == [rule.name for rule in rules if not rule.is_list]
    # Two words that ann lee is twice in, and her name.
    assert [counts["pairs"] for counts in facts["rules"].values()] == [2, 1]
    assert list(facts["rules"]) == [rule.name for rule in rules]
    assert facts["pairs"] == 3


def test_keys_are_parsed_over_the_fields_and_free_mail_domains_of_the_dataset(
    dataset: Callable[..., Dataset],
) -> None:
    data = dataset(ROWS, strategies={"name": "name"}, cleaning={"free_mail_domains": ["home.org"]})
    (key,) = data.spec.parse("rule", "email_domain(email)").keys
    other = dataset(ROWS, strategies={"name": "name"})
    assert key.sql != other.spec.parse("rule", "email_domain(email)").keys[0].sql
    with pytest.raises(SpecError, match="unknown column"):
        data.spec.parse("rule", ["name", "surname"])
