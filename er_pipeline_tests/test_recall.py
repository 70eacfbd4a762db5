from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation import sampled_bounds
from er_pipeline.evaluation.recall import judge_recall
from er_pipeline.evaluation.score_bounds import ScoreBounds
from er_pipeline.terminal.demo import DEMO_DEFS, demo_overrides
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.model_by_hand import RECORDS, estimated, put_model


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[PipelineSpec, Lake]:
    """Two thousand people, blocked and scored by a model trained on them."""
    spec = read_spec(DEMO_DEFS, demo_overrides(2_000, 20))
    data = Dataset.of(spec, tmp_path_factory.mktemp("people"))
    data.make("recall_sample")
    data.make("true_pairs")
    return spec, data.lake


def every_pair(self: ScoreBounds, sampled: Any, weight: float) -> tuple[Any, Any, Any]:
    """Stand in for the bounds: rule nothing out."""
    record = np.repeat(sampled, self.n_records)
    other = np.tile(np.arange(self.n_records), len(sampled))
    return record[record != other], other[record != other], np.zeros(len(sampled), np.int64)


def test_bounds_rule_out_nothing_that_would_score(
    people: tuple[PipelineSpec, Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ScoreBounds, "at_least", every_pair)
        whole, expected = estimated(*people)
    facts, found = estimated(*people)
    assert len(expected) > 30
    assert found == expected
    assert facts["sample"] == whole["sample"]
    assert facts["pairs_scored"] < whole["pairs_scored"] / 20


def test_a_sample_of_all_records_gives_the_share_of_all_likely_matches(
    people: tuple[PipelineSpec, Lake],
) -> None:
    spec, lake = people
    facts, found = estimated(spec, lake, max_records=2_000)
    assert facts["records_sampled"] == facts["records"] == 2_000
    likely = sum(p for p, _ in found.values())
    assert facts["sample"]["likely_matches"] == pytest.approx(likely, abs=0.01)
    assert facts["sample"]["recall"] == pytest.approx(
        sum(p for p, is_candidate in found.values() if is_candidate) / likely
    )
    # Every pair is seen from both of its records, with one score.
    assert all((left, left, right) in found for _, left, right in found)
    assert all(found[left, left, right] == found[right, left, right] for _, left, right in found)
    with DuckDBEngine() as engine:
        for table in ("true_pairs", "unified_pairs"):
            lake.open(engine, table)
        (share,) = engine.row(
            "select count(u.left_no) / count(*) from true_pairs as t left join unified_pairs as u"
            " on u.left_no = t.left_no and u.right_no = t.right_no"
        )
    # A match that the model does not recognize is not counted.
    assert facts["sample"]["recall"] == pytest.approx(share, abs=0.04)
    assert facts["sample"]["recall_low"] < facts["sample"]["recall"]


def test_the_same_seed_draws_the_same_records(people: tuple[PipelineSpec, Lake]) -> None:
    first, again, other = (estimated(*people, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first[1] != other[1]


def test_the_budget_bounds_the_records_looked_at(
    people: tuple[PipelineSpec, Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled_bounds, "CELLS_PER_SLICE", 20_000)  # ten records at once
    whole, _ = estimated(*people)
    assert whole["records_sampled"] == 50
    # Bounding 50 pairs is said to cost as much as comparing one: 1,000 pay for 25 records.
    facts, _ = estimated(*people, max_comparisons=1_000)
    assert facts["records_sampled"] <= 30
    assert facts["pairs_compared"] <= 1_000 or facts["records_sampled"] == 10


def test_scores_are_those_found_by_hand(dataset: Callable[..., Dataset]) -> None:
    data = dataset(RECORDS, strategies={"name": "name"})
    put_model(data)
    facts, found = estimated(data.spec, data.lake, max_records=4, min_probability=0.001)
    bits = {(0, 1): 6, (0, 2): 0, (1, 2): 0, (0, 3): -6, (1, 3): -6, (2, 3): 0}
    for no in range(4):
        for pair, weight in bits.items():
            if no in pair:
                probability, is_candidate = found[(no, *pair)]
                assert probability == pytest.approx(2.0**weight / (1 + 2.0**weight))
                assert is_candidate == (3 not in pair)
    hit = 2 * (64 / 65 + 1 / 2 + 1 / 2)
    assert facts["sample"]["recall"] == pytest.approx(hit / (hit + 2 * (1 / 65 + 1 / 65 + 1 / 2)))
    assert "the likely matches of 4 sampled records with all records" in facts["sample"]["of"]
    assert "families" not in facts


def test_linking_scores_pairs_between_sources_only(dataset: Callable[..., Dataset]) -> None:
    data = dataset(RECORDS[:2], RECORDS[2:], strategies={"name": "name"})
    put_model(data)
    _, found = estimated(data.spec, data.lake, max_records=4)
    assert {key[1:] for key in found} == {(0, 2), (0, 3), (1, 2), (1, 3)}


@pytest.mark.parametrize(
    ("recall_now", "last", "passed"),
    [(0.95, None, True), (0.95, 0.96, True), (0.95, 0.99, False), (0.80, None, False)],
)
def test_a_low_or_falling_recall_is_a_warning(
    dataset: Callable[..., Dataset], recall_now: float, last: float | None, passed: bool
) -> None:
    spec = dataset(RECORDS, strategies={"name": "name"}, matching=True).spec
    now: Any = {
        "recall": recall_now,
        "recall_low": recall_now - 0.02,
        "recall_high": recall_now + 0.02,
        "likely_matches": 500,
        "of": "the likely matches of 100 sampled records",
    }
    before: Any = None if last is None else {"sample": {"recall": last}}
    facts: Any = {"sample": now, "known": None}
    (verdict,) = judge_recall(facts, before, spec)
    assert (verdict.passed, verdict.severity) == (passed, "warn")
    assert ("See recall_sample" in verdict.text) != passed
    assert ("It was 99.0% in the last good run" in verdict.text) == (last == 0.99)
    facts["known"] = {"true_pairs": 300, "found": 297}
    (verdict,) = judge_recall(facts, before, spec)
    assert verdict.passed
    assert "Truth is known: missed_matches" in verdict.text
    assert "add a strategy" not in verdict.text
