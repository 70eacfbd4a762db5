from pathlib import Path
from typing import Any

from er_pipeline.blocking.changes.change_causes import CAUSES as EVERY_CAUSE
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.page.night_changes import CAUSES, changes_section
from er_pipeline_tests.page_runs import HandMadeRun, listing

NIGHT = {
    "mode": "dedupe",
    "routes": [],
    "max_size": 5,
    "min_size": 2,
    "budget": None,
    "search": None,
}
CROSSED = {
    "change": "lost",
    "cause": "block_over_cap",
    "pairs": 10,
    "is_listed": True,
    "strategies": {"name": 10},
    "blocks": [
        {"strategy": "name", "block_key": "ann", "pairs": 10, "size_before": 5, "size_now": 6}
    ],
}
FACTS: dict[str, Any] = {
    "since": "20260101T020000.0-ab",
    "pairs": 1,
    "pairs_before": 11,
    "gained": 0,
    "lost": 10,
    "records": {"new": 3, "changed": 1, "gone": 2, "same": 40},
    "causes": [CROSSED],
    "night": NIGHT,
    "before": NIGHT,
}
TITLE = "Candidate pairs by cause, with strategies and blocks"


def test_every_cause_has_words() -> None:
    assert set(CAUSES) == set(EVERY_CAUSE)


def test_what_was_lost_is_counted_by_cause(tmp_path: Path, engine: DuckDBEngine) -> None:
    run = HandMadeRun(tmp_path, engine)
    run.write("pair_changes", "select 1 as a", FACTS)
    section = changes_section(run.page())
    assert "0 candidate pairs were gained, 10 lost" in section.answer
    (row,) = listing(section, TITLE)
    assert row == ("lost", "a block passed the cap", "10", "name", "name ann")
    counted = "3 records are new, 1 were changed, 2 are gone; 40 are as they were."
    assert section.parts[0] == counted
    assert any(isinstance(part, str) and "name ann passed" in part for part in section.parts)


def test_keys_of_blocks_are_left_out_where_no_value_may_be_shown(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    run = HandMadeRun(tmp_path, engine, report={"record_values": False})
    run.write("pair_changes", "select 1 as a", FACTS)
    assert "ann" not in str(changes_section(run.page()))


def test_the_first_run_has_nothing_to_compare_with(tmp_path: Path, engine: DuckDBEngine) -> None:
    run = HandMadeRun(tmp_path, engine)
    run.write("pair_changes", "select 1 as a", {**FACTS, "since": ""})
    assert "first good run" in changes_section(run.page()).answer
