from pathlib import Path

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.page.trained_model import training_section
from er_pipeline_tests.page_runs import HandMadeRun, chart, listing


def session(rule: str, m: float) -> dict[str, object]:
    return {
        "rule": rule,
        "pairs": 90,
        "match_share": 0.4,
        "iterations": 3,
        "converged": True,
        "trained": ["name"],
        "m": {"name": [m, 1 - m]},
    }


def test_levels_stand_in_their_order_and_sessions_beside_each_other(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    run = HandMadeRun(tmp_path, engine, matching=True)
    run.write(
        "em_model",
        "select * from (values ('name', 0, 'All other comparisons', 0.1, 0.8, -3.0),"
        " ('name', 1, 'Exact match on name', 0.9, 0.1, 3.17))"
        " as t(comparison, level, label, m, u, match_weight)",
        {
            "prior": 0.01,
            "expected_matches": 12.0,
            "untrained": [],
            "sessions": [session("a", 0.9), session("b", 0.8)],
        },
    )
    section = training_section(run.page())
    assert section.answer.startswith("2 sessions trained it; of two records")
    levels = [row["name"] for row in chart(section, "Match weights")["data"]["values"]]
    assert levels == ["name: Exact match", "name: All other comparisons"]
    assert len(listing(section, "Training sessions")) == 2
    assert len(chart(section, "What each session found")["data"]["values"]) == 2


def test_without_matching_it_is_one_sentence(tmp_path: Path, engine: DuckDBEngine) -> None:
    assert "`matching` is off" in training_section(HandMadeRun(tmp_path, engine).page()).answer
