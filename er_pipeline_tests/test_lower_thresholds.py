import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.lower_thresholds import lower_thresholds

# (left, right, probability, true). At 0.9 two of two are right, at 0.8 three of four.
SCORED = [(0, 1, 0.99, True), (2, 3, 0.95, True), (4, 5, 0.84, False), (6, 7, 0.81, True)]


def offered(
    least_precision: float, threshold: float = 0.9, truth: str | None = "true_pairs"
) -> list[tuple[str, int, int]]:
    with DuckDBEngine(threads=1) as engine:
        engine.execute("create table s (left_no int, right_no int, p double, is_true boolean)")
        for row in SCORED:
            engine.execute("insert into s values (?, ?, ?, ?)", row)
        engine.make_table("matches", "select left_no, right_no, p as match_probability from s")
        engine.make_table("true_pairs", "select left_no, right_no from s where is_true")
        engine.make_table(
            "missed",
            "select left_no, right_no, 'below_threshold' as stage, p as match_probability from s"
            f" where is_true and p < {threshold}",
        )
        options, costs = lower_thresholds(
            engine, "missed", threshold, least_precision, "steps", truth
        )
        found = engine.rows(costs)
        chosen = engine.rows(f"select distinct remedy from ({options})")
        assert sorted(chosen) == [(remedy,) for remedy, _, _ in sorted(found)]
        return found


def test_a_lower_threshold_names_what_it_costs_in_precision() -> None:
    assert offered(0.7) == [
        ("matching: threshold 0.81 (+2 matches; precision 100.0% to 75.0%)", 2, 1)
    ]


def test_a_threshold_that_leaves_too_little_precision_is_not_offered() -> None:
    assert offered(0.8) == []


def test_where_nothing_is_a_match_yet_there_is_no_precision_to_lose() -> None:
    assert sorted(offered(0.9, 0.999)) == [
        ("matching: threshold 0.95 (+2 matches; precision 100.0%)", 2, 2),
        ("matching: threshold 0.99 (+1 matches; precision 100.0%)", 1, 1),
    ]


def test_without_truth_nothing_is_said_of_precision() -> None:
    assert offered(0.7, truth=None) == [("matching: threshold 0.81 (+2 matches)", 2, 1)]


def test_without_truth_the_model_itself_bounds_what_a_threshold_may_add() -> None:
    # Of the four matches that there would be it expects 0.16 + 0.19 of the new ones to be false.
    assert offered(1 - 0.35 / 4 - 0.001, truth=None)
    assert offered(1 - 0.35 / 4 + 0.001, truth=None) == []


def test_without_truth_no_pair_is_called_a_match_that_the_model_takes_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlikely = [*SCORED, (8, 9, 0.5, True), (10, 11, 0.49, True), (12, 13, 0.04, True)]
    monkeypatch.setattr("er_pipeline_tests.test_lower_thresholds.SCORED", unlikely)
    steps = [remedy.split()[2] for remedy, _, _ in offered(0.0, truth=None)]
    assert sorted(steps) == ["0.5", "0.81"]
    assert len(offered(0.0)) == 4
