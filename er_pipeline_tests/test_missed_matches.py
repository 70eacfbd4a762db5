from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.missed_causes import MISSED_CAUSES
from er_pipeline.evaluation.missed_matches import judge_candidates_by_truth, missed_facts
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.explained_matches import TRUTH, explained, many
from er_pipeline_tests.test_entities import spec_with
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


def by_truth(last: int | None = None, **causes: int) -> dict[str, Any]:
    """Judge 1,000 true pairs, of which as many are missed; last: missed in the last good run."""
    spec = spec_with(**TRUTH, budget={"pairs_per_record": 5})

    def facts(causes: dict[str, int]) -> Any:
        missed = sum(causes.values())
        counted = {**dict.fromkeys(MISSED_CAUSES, 0), **causes}
        return {"true_pairs": 1_000, "missed": missed, "causes": counted}

    before = None if last is None else facts({"keys_differ": last})
    verdicts = list(judge_candidates_by_truth(facts(causes), before, spec))
    assert {verdict.severity for verdict in verdicts} == {"warn"}
    return {verdict.check: verdict for verdict in verdicts}


def test_known_completeness_is_judged_without_what_the_model_refused() -> None:
    found = by_truth(keys_differ=44, below_threshold=300)["known_matches_are_candidates"]
    assert found.passed
    assert found.text.startswith("95.60% of 1,000 known matches are candidates")
    found = by_truth(keys_differ=200, no_key=50)["known_matches_are_candidates"]
    assert not found.passed
    assert "Most of the others: keys differ; missed_matches says why" in found.text


def test_known_completeness_that_falls_is_a_warning() -> None:
    assert by_truth(last=40, keys_differ=50)["known_matches_are_candidates"].passed
    found = by_truth(last=10, keys_differ=50)["known_matches_are_candidates"]
    assert not found.passed
    assert "It was 99.00% in the last good run" in found.text


def test_what_the_budget_cut_is_judged_by_the_pairs_that_are_known() -> None:
    kept = by_truth(keys_differ=100)["budget_keeps_known_matches"]
    assert (kept.passed, kept.numbers["known_matches_cut"]) == (True, 0)
    cut = by_truth(cut_by_budget=30)["budget_keeps_known_matches"]
    assert not cut.passed
    assert "The budget cut 30 of 1,000 known matches, 3.00%" in cut.text


def test_known_completeness_is_that_of_the_pairs(lossy_people: Dataset) -> None:
    with DuckDBEngine(threads=2) as engine:
        for table in ("true_pairs", "unified_pairs"):
            lossy_people.lake.open(engine, table)
        (share,) = engine.row(
            "select count(u.left_no) / count(*) from true_pairs as t"
            " left join unified_pairs as u using (left_no, right_no)"
        )
    facts = missed_facts(lossy_people.lake)
    verdict, *_ = judge_candidates_by_truth(facts, None, lossy_people.spec)
    assert verdict.numbers["pairs_completeness"] == pytest.approx(share)
    assert 0 < share < 1
