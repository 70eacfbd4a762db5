from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.explained_matches import FEW, TRUTH, causes, explained, many
from er_pipeline_tests.test_real_data import FAKE_1000


def test_a_pair_whose_keys_differ_is_shown_by_the_strategy_that_comes_nearest(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(FEW, strategies={"last": "upper(last)", "name": ["first", "last"]}, **TRUTH)
    facts, missed = explained(people)
    assert causes(missed) == {
        (0, 1): "keys_differ",
        **dict.fromkeys([(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], "no_key"),
    }
    # Both differ in one member; name shares another one besides.
    assert missed[0, 1][1] == "name: last is 'lee' and 'lea'"
    assert missed[0, 2][1] == "right lacks upper(last), first, last"
    assert missed[2, 3][1] == (
        "left lacks upper(last), first, last; right lacks upper(last), first, last"
    )
    assert facts["causes"] == {
        "no_key": 5,
        "keys_differ": 1,
        "below_similarity": 0,
        "block_dropped": 0,
        "cut_by_budget": 0,
        "below_threshold": 0,
    }
    assert (facts["true_pairs"], facts["found"], facts["missed"]) == (6, 0, 6)


def test_a_many_valued_key_shares_nothing(dataset: Callable[..., Dataset]) -> None:
    people = dataset(many("ann lee", "bo may"), strategies={"words": "tokens(name)"}, **TRUTH)
    _, missed = explained(people)
    assert missed[0, 1][:2] == (
        "keys_differ",
        "words: tokens(name) shares nothing: 'ann lee' and 'bo may'",
    )


def test_linking_misses_pairs_between_sources_only(dataset: Callable[..., Dataset]) -> None:
    left = [
        {"id": "1", "name": "lee", "person_id": "p"},
        {"id": "2", "name": "x", "person_id": "p"},
    ]
    right = [
        {"id": "1", "name": "lea", "person_id": "p"},
        {"id": "2", "name": "x", "person_id": "q"},
    ]
    _, missed = explained(dataset(left, right, strategies={"name": "name"}, **TRUTH))
    assert causes(missed) == {(0, 2): "keys_differ", (1, 2): "keys_differ"}


@pytest.mark.parametrize("second", [False, True])
def test_learned_rules_are_named_like_strategies(
    second: bool, real_data: Path, tmp_path: Path
) -> None:
    declared = yaml.safe_load(FAKE_1000.replace("DATA", str(real_data)))
    settings = {
        **declared,
        "strategies": "auto",
        "learning": {"k": 2, "pairs_per_record": 2, "rule_pairs_per_record": 0.5},
        "blocks": {"max_size": 4},
    }
    if second:
        settings["second_pass"] = {"strategies": {"born": "dob"}, "embedding": {"k": 1}}
    spec = PipelineSpec.model_validate({"dataset": "fake_1000", **settings})
    dataset = Dataset.of(spec, tmp_path / "lake")
    facts, missed = explained(dataset)
    rules = {rule["rule"] for rule in dataset.lake.facts("learned_rules")["rules"]}
    assert facts["causes"]["keys_differ"] > 0
    named = {detail.split(":")[0] for cause, detail, _ in missed.values() if cause == "keys_differ"}
    assert named <= {*rules, "born"}
    assert second or named & rules
    assert second or not facts["causes"]["below_similarity"]
