from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Counts, Grid
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import LEFT_NO, Facts, Table
from er_pipeline.evaluation.first_screen import figure_text, first_screen, sentence_of

MATCHES = Table("matches", "", [LEFT_NO], None)
BESIDE = Table("entity_cuts", "", [LEFT_NO], None)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path, "people")


def show(facts: Facts) -> dict[str, Any]:
    picture = Counts("by weight", {"0": 1})
    return {"matches": facts["matches"], "why": "a text", "doubts": Grid(["a"], []), "w": picture}


STEP = Step([MATCHES, BESIDE], [], None, lambda engine, lake: {}, "matching", show=show)


def write(engine: DuckDBEngine, lake: Lake, **facts: Any) -> None:
    engine.put("made", MATCHES.arrow([(0,)]))
    with lake.writing("matches", facts) as draft:
        engine.write("from made", draft.file())


def test_what_came_out_is_first_and_what_is_plotted_last(engine: DuckDBEngine, lake: Lake) -> None:
    write(engine, lake, matches=2, candidates=8)
    screen = first_screen(STEP, MATCHES, lake, rows=2)
    assert list(screen) == ["verdict", "key_figures", "w", "why", "doubts", "matches"]
    assert screen["verdict"] == "2 matches among 8 candidate pairs (25.00%)."
    assert screen["key_figures"] == Grid(("figure", "now"), [["matches", "2"]])
    beside = first_screen(STEP, BESIDE, lake, rows=0)
    assert list(beside) == ["verdict", "key_figures"]


def test_figures_stand_beside_those_of_the_last_good_run(
    engine: DuckDBEngine, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(engine, lake, matches=2, candidates=8)
    earlier = ("20261126T020000.000000-abc", {"matches": 1_005, "candidates": 8})
    monkeypatch.setattr(lake, "last_good", lambda table: earlier)
    grid = first_screen(STEP, MATCHES, lake, rows=3, rows_before=3)["key_figures"]
    assert isinstance(grid, Grid)
    assert list(grid.header)[2:] == ["last good run", "change"]
    assert grid.rows == [
        ["rows", "3", "3", "none"],
        ["matches", "2", "1,005", "-1,003"],
        ["made", "", "2026-11-26 02:00 UTC", ""],
    ]
    monkeypatch.setattr(lake, "last_good", lambda table: (earlier[0], {"of older code": 1}))
    assert list(first_screen(STEP, MATCHES, lake, 2)["key_figures"].header) == ["figure", "now"]  # type: ignore[union-attr]


def test_facts_of_another_kind_are_counted_instead() -> None:
    assert sentence_of("matches", {}, 3) == "3 rows."


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("pairs", 12345, "12,345"), ("recall_low", 0.5, "50.00%"), ("weight", 1.25, "1.25")],
)
def test_a_share_is_written_in_percent(name: str, value: float, text: str) -> None:
    assert figure_text(name, value) == text
