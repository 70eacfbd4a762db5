from datetime import UTC, datetime

import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.run_metrics import RUN_METRICS
from er_pipeline.evaluation.followed_figures import (
    FIGURES,
    Figure,
    change_text,
    flat_figures,
    past_runs,
)

PAIRS = Figure("pairs", "Candidate pairs")
COVERAGE = Figure("pair_coverage", "Records with a candidate", is_share=True)


@pytest.mark.parametrize(
    ("figure", "now", "before", "text"),
    [
        (PAIRS, 110, 100, "+10.0%"),
        (PAIRS, 100, 100, "="),
        (PAIRS, 100, 0, "new"),
        (PAIRS, 100, None, ""),
        (COVERAGE, 0.95, 0.96, "-1.00 points"),
    ],
)
def test_a_change_is_a_ratio_and_of_shares_points(
    figure: Figure, now: float, before: float | None, text: str
) -> None:
    assert change_text(figure, now, before) == text


def test_figures_of_the_report_are_put_together_as_run_metrics_names_them() -> None:
    report = {"run": {"records": 4}, "matching": {"matches": 1}, "strategies": {"a": {"pairs": 9}}}
    assert flat_figures(report) == {"records": 4.0, "matches": 1.0}


def test_past_runs_come_oldest_first_with_the_figures_that_are_followed(engine: Engine) -> None:
    rows = [
        (run_id, datetime(2026, 11, day, tzinfo=UTC), table, metric, value)
        for run_id, day in (("b", 3), ("a", 1), ("c", 2))
        for table, metric, value in (
            ("blocking_report", "records", 10 * day),
            ("blocking_report", "wall_seconds", 1),
            ("cleaned_records", "records", 0),
        )
    ]
    engine.put("run_metrics", RUN_METRICS.arrow(rows))
    found = past_runs(engine, 2)
    assert [(run.run_id, run.at, run.values) for run in found] == [
        ("c", "2026-11-02T00:00:00Z", {"records": 20}),
        ("b", "2026-11-03T00:00:00Z", {"records": 30}),
    ]
    assert len(past_runs(engine)) == 3
    assert len({figure.metric for figure in FIGURES}) == len(FIGURES)
