import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from er_pipeline.blocking import DuckDBEngine, Lake
from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.evaluation import recall
from er_pipeline.evaluation.recall import estimate_recall, evidence_families, judge_recall
from er_pipeline.evaluation.score_bounds import ScoreBounds, read_comparisons
from er_pipeline.matching.splink_linker import MODEL_FILE
from er_pipeline.terminal.demo import DEMO_DEFS, demo_overrides
from er_pipeline_tests.conftest import Dataset, Rows

Sampled = dict[tuple[int, int, int], tuple[float, bool]]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[PipelineSpec, Lake]:
    """Two thousand people, blocked and scored by a model trained on them."""
    spec = read_spec(DEMO_DEFS, demo_overrides(2_000, 20))
    data = Dataset.of(spec, tmp_path_factory.mktemp("people"))
    data.make("recall_sample")
    data.make("true_pairs")
    return spec, data.lake


def estimated(spec: PipelineSpec, lake: Lake, **settings: Any) -> tuple[dict[str, Any], Sampled]:
    wanted = {"max_records": 50, "max_comparisons": 10**9, "min_probability": 0.001, "seed": 1}
    with DuckDBEngine(threads=2) as engine:
        facts = estimate_recall(engine, lake, spec, **{**wanted, **settings})
    with DuckDBEngine(threads=2) as engine:
        lake.open(engine, "recall_sample")
        rows = engine.rows("select * from recall_sample")
    return facts, {(no, left, right): (p, found) for no, left, right, p, found in rows}


def every_pair(self: ScoreBounds, sampled: Any, weight: float) -> tuple[Any, Any, int]:
    """Stand in for the bounds: rule nothing out."""
    record = np.repeat(sampled, self.n_records)
    other = np.tile(np.arange(self.n_records), len(sampled))
    return record[record != other], other[record != other], 0


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
    assert facts["sample"]["recall"] == pytest.approx(share, abs=0.03)
    assert facts["sample"]["recall_low"] < facts["sample"]["recall"]


def test_the_same_seed_draws_the_same_records(people: tuple[PipelineSpec, Lake]) -> None:
    first, again, other = (estimated(*people, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first[1] != other[1]


def test_the_budget_bounds_the_records_looked_at(
    people: tuple[PipelineSpec, Lake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall, "CELLS_PER_SLICE", 20_000)  # ten records at once
    whole, _ = estimated(*people)
    assert whole["records_sampled"] == 50
    # Bounding 50 pairs is said to cost as much as comparing one: 1,000 pay for 25 records.
    facts, _ = estimated(*people, max_comparisons=1_000)
    assert facts["records_sampled"] <= 30
    assert facts["pairs_compared"] <= 1_000 or facts["records_sampled"] == 10


RECORDS: Rows = [
    {"id": "1", "name": "ann", "town": "bath"},
    {"id": "2", "name": "ann", "town": "bath"},
    {"id": "3", "name": "ann", "town": "york"},
    {"id": "4", "name": None, "town": "york"},
]
# Equal names say 6 bits, equal towns 4, others take 2; the prior is 1 to 16.
BY_HAND = {
    "link_type": "dedupe_only",
    "unique_id_column_name": "record_no",
    "probability_two_random_records_match": 1 / 17,
    "blocking_rules_to_generate_predictions": [],
    "comparisons": [
        {
            "output_column_name": name,
            "comparison_levels": [
                {
                    "sql_condition": f'"{name}_l" IS NULL OR "{name}_r" IS NULL',
                    "label_for_charts": "null",
                    "is_null_level": True,
                },
                {
                    "sql_condition": f'"{name}_l" = "{name}_r"',
                    "label_for_charts": "equal",
                    "m_probability": 0.8,
                    "u_probability": 0.8 / 2**bits,
                },
                {
                    "sql_condition": "ELSE",
                    "label_for_charts": "other",
                    "m_probability": 0.2,
                    "u_probability": 0.8,
                },
            ],
        }
        for name, bits in (("name", 6), ("town", 4))
    ],
}


def put_model(data: Dataset, matches: Mapping[tuple[int, int], float] | None = None) -> None:
    data.pair()
    plain = Lake(data.root, data.spec.dataset)
    with plain.writing("em_model") as draft:
        (draft.folder / MODEL_FILE).write_text(json.dumps(BY_HAND), "utf-8")
    with DuckDBEngine() as engine, plain.writing("matches") as draft:
        engine.execute("create table m (l integer, r integer, p double)")
        for (left, right), probability in (matches or {}).items():
            engine.execute("insert into m values (?, ?, ?)", [left, right, probability])
        engine.write(
            "select l as left_no, r as right_no, p as match_probability from m", draft.file()
        )


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


def test_families_read_different_fields(dataset: Callable[..., Dataset]) -> None:
    data = dataset(
        [{"id": "1", "a": "x", "b": "x", "c": "x", "d": "x"}],
        strategies={"a": "a", "c": "c", "ab": ["a", "b"], "b": "b", "d": "d", "cd": ["c", "d"]},
    )
    assert evidence_families(data.spec, data.lake) == {
        "a and b": ("a", "ab", "b"),
        "c and d": ("c", "d", "cd"),
    }


def test_two_families_tell_what_both_miss(dataset: Callable[..., Dataset]) -> None:
    data = dataset(RECORDS, strategies={"name": "name", "town": "town"})
    # 01 by both; 02 and 12 by the name alone, 23 by the town alone.
    put_model(data, {(0, 1): 1.0, (0, 2): 1.0, (1, 2): 1.0, (2, 3): 1.0})
    facts, _ = estimated(data.spec, data.lake, max_records=4)
    families = facts["families"]
    assert families["found_by_families"] == {"1": 3.0, "2": 1.0}
    # (2 - 1) / 2 * 3 * (3 - 1) / (2 * (1 + 1))
    assert families["likely_matches_unseen"] == pytest.approx(0.75)
    assert families["recall"] == pytest.approx(4 / 4.75)


def test_pairs_of_one_record_count_as_less_than_independent_ones() -> None:
    alone = np.ones(400), np.repeat([1.0, 0.0], [360, 40])
    low, high = recall._cluster_interval(*alone, 400)
    assert [low, high] == pytest.approx([*interval(360, 400)], abs=0.002)
    # The same pairs, four to a record that are found or missed together.
    together = np.full(100, 4.0), np.repeat([4.0, 0.0], [90, 10])
    wider_low, wider_high = recall._cluster_interval(*together, 100)
    assert wider_low < low < high < wider_high
    assert recall._cluster_interval(np.ones(50), np.ones(50), 50)[0] < 0.95
    assert recall._cluster_interval(np.zeros(0), np.zeros(0), 50) == (0.0, 1.0)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held, rounds = 0, 400
    for _ in range(rounds):
        # Records have none to four matches; those of one record share their fate half the time.
        n = rng.choice(5, 600, p=[0.5, 0.3, 0.1, 0.05, 0.05])
        fate = rng.random(600) < 0.92
        alone = rng.binomial(n, 0.92)
        found = np.where(rng.random(600) < 0.5, n * fate, alone)
        some = n > 0
        low, high = recall._cluster_interval(n[some].astype(float), found[some].astype(float), 600)
        held += low <= 0.92 <= high
    assert 0.92 <= held / rounds <= 0.99


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
    facts: Any = {"sample": now}
    (verdict,) = judge_recall(facts, before, spec)
    assert (verdict.passed, verdict.severity) == (passed, "warn")
    assert ("See recall_sample" in verdict.text) != passed
    assert ("It was 99.0% in the last good run" in verdict.text) == (last == 0.99)


def test_levels_are_read_as_splink_writes_them() -> None:
    (name, _) = read_comparisons(BY_HAND)
    assert name.columns == ("name",)
    assert [level.weight for level in name.levels] == pytest.approx([0, 6, -2])
    with pytest.raises(ValueError, match="must begin with missing values and end with ELSE"):
        read_comparisons({"comparisons": [{"comparison_levels": [{"sql_condition": "ELSE"}]}]})
