from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.explained_matches import TRUTH, explained, many
from er_pipeline_tests.test_real_data import DBLP_ACM, FAKE_1000, FEBRL3, FEBRL4

ABT_BUY = """
  sources: [{path: DATA/abt_buy/left.csv}, {path: DATA/abt_buy/right.csv}]
  fields: {name: text, description: text, price: identifier}
  strategies: {name_word: tokens(name)}
  blocks: {max_size: 20}
  training_rules: {same_name: name, same_price: price}
  truth: {path: DATA/abt_buy/truth.csv}
"""


def test_a_score_below_the_threshold_is_shown(dataset: Callable[..., Dataset]) -> None:
    people = dataset(many(*["lee"] * 4, "may", "may"), strategies={"name": "name"}, **TRUTH)
    scores = {(0, 1): 0.95, (2, 3): 0.876, (0, 2): 0.86, (0, 3): 0.2}
    facts, missed = explained(people, 0.9, scores)
    assert missed == {
        (2, 3): (
            "below_threshold",
            "the model gives it 0.8760, the threshold is 0.9",
            "matching: threshold 0.87 (+1 matches; precision 100.0% to 100.0%)",
        ),
        (4, 5): (
            "below_threshold",
            "the model gives it less than the least that matches keeps, the threshold is 0.9",
            missed[4, 5][2],
        ),
    }
    assert (facts["found"], facts["missed"]) == (1, 2)


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("fake_1000", FAKE_1000),
        ("febrl3", FEBRL3),
        ("febrl4", FEBRL4),
        ("dblp_acm", DBLP_ACM),
        ("abt_buy", ABT_BUY),
    ],
    ids=["fake_1000", "febrl3", "febrl4", "dblp_acm", "abt_buy"],
)
def test_found_and_missed_are_all_true_pairs_of_real_data(
    name: str, declared: str, real_data: Path, tmp_path: Path
) -> None:
    settings = yaml.safe_load(declared.replace("DATA", str(real_data)))
    for source in settings["sources"]:
        source.setdefault("record_id", "id")
    spec = PipelineSpec.model_validate(
        {"dataset": name, **settings, "budget": {"pairs_per_record": 0.8}, "embedding": True}
    )
    dataset = Dataset.of(spec, tmp_path / "lake")
    facts, missed = explained(dataset)
    assert facts["found"] + len(missed) == facts["true_pairs"] > 1_000
    assert all(detail and remedy for _, detail, remedy in missed.values())
