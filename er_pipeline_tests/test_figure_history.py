from pathlib import Path

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.page.figure_history import RUNS_SHOWN, figures_section
from er_pipeline_tests.page_runs import HandMadeRun, chart, listing

RUN = {"records": 110, "pairs": 50, "pairs_per_record": 0.45, "pair_coverage": 0.9}


def test_the_first_run_has_figures_and_no_history(tmp_path: Path, engine: DuckDBEngine) -> None:
    section = figures_section(HandMadeRun(tmp_path, engine).page(run=RUN))
    assert ("Records", "110") in listing(section, "Figures")
    assert section.answer.startswith("110 records make 50 candidate pairs")


def test_figures_stand_beside_those_of_the_run_before_and_are_drawn(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    run = HandMadeRun(tmp_path, engine)
    run.write(
        "run_metrics",
        "select 'run' || n as run_id, timestamptz '2026-01-01 02:00:00+00' + to_days(n::integer)"
        " as \"at\", 'blocking_report' as table_name, 'records' as metric, 70::double + n as value"
        " from range(41) as r(n) union all select 'other', now(), 'matches', 'records', 1",
    )
    section = figures_section(run.page(run=RUN))
    assert ("Records", "110", "109", "+0.9%") in listing(section, "Figures")
    drawn = chart(section, "History")["data"]["values"]
    assert len(drawn) == RUNS_SHOWN
    assert drawn[-1] == {"run": "2026-02-10T02:00:00Z", "figure": "Records", "value": 110.0}


def test_without_figures_it_says_so(tmp_path: Path, engine: DuckDBEngine) -> None:
    assert figures_section(HandMadeRun(tmp_path, engine).page()).answer.startswith("There are no")
