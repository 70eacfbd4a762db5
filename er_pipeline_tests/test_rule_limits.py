from pathlib import Path

import pytest

from er_pipeline_tests.learned_people import Made, expressions, made_up
from er_pipeline_tests.other_people import LARGE_CLUSTER_KINDS, write_large_clusters


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_up(tmp_path_factory.mktemp("people"), 2_000)


@pytest.mark.parametrize(
    "learning",
    [{}, {"pairs_per_record": 300, "rule_pairs_per_record": 60}],
    ids=["default", "raised"],
)
def test_large_clusters_are_found(tmp_path: Path, learning: dict[str, int]) -> None:
    # 40 true pairs per record: no rule can do with the 6 pairs per record that are the default, so
    # learning takes what the narrowest one needs.
    write_large_clusters(tmp_path / "visits.csv", 5_000, 20)
    settings = {
        "dataset": "people",
        "sources": [{"path": "visits.csv"}],
        "fields": LARGE_CLUSTER_KINDS,
        "cleaning": {"phone_region": "AU"},
        "truth": {"cluster_column": "person_id"},
        "learning": learning,
    }
    visits = Made(tmp_path, settings).prepare()
    completeness, per_record = visits.pair()
    assert completeness >= 0.99
    assert per_record <= 45
    for rule in visits.lake.facts("learned_rules")["rules"]:
        assert 0 < rule["pairs"] <= 60 * 5_000


def test_learning_keeps_its_limits(people: Made) -> None:
    facts = people.learn(
        learning={"pairs_per_record": 3, "rule_pairs_per_record": 1, "max_rules": 4, "k": 2}
    )
    assert 0 < len(facts["rules"]) <= 4
    assert facts["pairs"] == sum(rule["pairs"] for rule in facts["rules"]) <= 3 * 2_000
    assert max(rule["pairs"] for rule in facts["rules"]) <= 2_000
    assert max(len(keys) for keys in expressions(facts)) <= 2


def test_a_check_does_not_shape_what_is_learned(people: Made) -> None:
    facts = people.learn(checks={"max_pairs": 2_500})
    assert facts["pairs"] > 2_500
    assert facts["rules"] == people.learn()["rules"]


def test_rules_keep_the_limit_of_all_pairs(people: Made) -> None:
    facts = people.learn(learning={"max_pairs": 2_500})
    assert 0 < facts["pairs"] <= 2_500


def test_a_single_key_per_rule_is_enough_to_learn(people: Made) -> None:
    assert {len(keys) for keys in expressions(people.learn(learning={"k": 1}))} == {1}
