from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.publications import Shown
from er_pipeline.blocking.tables.verdict_notes import note_verdicts
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.evaluation.compared_runs import Compared, Side, compare_runs, side_of
from er_pipeline.terminal.versions import every_publication
from er_pipeline_tests.nights import Nights

PEOPLE = [
    {"id": str(i), "last_name": name, "city": city}
    for i, (name, city) in enumerate([("Ito", "a"), ("Ito", "b"), ("Ito", "c"), ("Oh", "c")])
]
SETTINGS = {
    "sources": [{"path": "0.csv", "record_id": "id"}],
    "fields": {"last_name": "text", "city": "text"},
    "strategies": {"name": "last_name"},
    "training_rules": {"name": "last_name", "city": "city"},
    "lake": {"keep_versions": 9},
}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Three nights: record 0 goes; then it comes back, and a strategy is new."""
    nights = Nights(tmp_path_factory.mktemp("compared"), SETTINGS)
    for i, people in enumerate((PEOPLE, PEOPLE[1:], PEOPLE)):
        if i == 2:
            nights.settings["strategies"] = {"name": "last_name", "city": "city"}
        nights.night(people, publish=False)
        lake = nights.lake
        check = Verdict("is_small", i < 2, "warn", f"night {i}", {})
        note_verdicts(lake, "filtered_blocks", [check])
        nights.night(people)
    return nights


def compared(nights: Nights, engine: Engine, first: int, last: int) -> Compared:
    """Compare two publications by their place, oldest first."""
    between: Sequence[Shown] = every_publication(nights.lake)[::-1][first : last + 1]
    then, now = (side_of(nights.lake, shown, shown["at"]) for shown in (between[0], between[-1]))
    return compare_runs(engine, nights.lake, then, now, between)


def counted(found: Compared) -> dict[tuple[str, str], int]:
    return {(row["change"], row["cause"]): row["pairs"] for row in found.changes["pairs"]}


def test_figures_stand_side_by_side(nights: Nights, engine: Engine) -> None:
    figures = {row["figure"]: row for row in compared(nights, engine, 0, 1).figures}
    records = figures["records"]
    assert (records["before"], records["now"], records["change"]) == (4, 3, "-25.0%")
    assert figures["pairs"]["before_text"] == "3"


def test_a_bound_without_truth_does_not_stand_beside_truth(engine: Engine, tmp_path: Path) -> None:
    def figures(**now: float) -> set[str]:
        sides = Side("then", {"recall_low": 0.5}), Side("now", {"recall_low": 0.52, **now})
        return {
            row["figure"] for row in compare_runs(engine, Lake(tmp_path, "p"), *sides, ()).figures
        }

    assert figures() == {"recall_low"}
    assert figures(pairs_completeness=0.9563) == {"pairs_completeness"}


def test_a_side_whose_report_was_withheld_is_said_to_be_so(nights: Nights, engine: Engine) -> None:
    every = every_publication(nights.lake)[::-1]
    then, now = (side_of(nights.lake, shown, "") for shown in every[:2])
    found = compare_runs(
        engine, nights.lake, replace(then, name="then", figures={}), now, every[:2]
    )
    assert "the figures of then: its report was withheld or not made" in found.unknown


def test_pairs_of_one_night_have_its_causes(nights: Nights, engine: Engine) -> None:
    assert counted(compared(nights, engine, 0, 1)) == {("lost", "record_gone"): 2}
    assert counted(compared(nights, engine, 1, 2)) == {
        ("gained", "record_new"): 2,
        ("gained", "strategy_changed"): 1,
    }


def test_pairs_of_several_nights_are_added_up(nights: Nights, engine: Engine) -> None:
    found = compared(nights, engine, 0, 2)
    assert found.nights == 2
    assert counted(found) == {
        ("lost", "record_gone"): 2,
        ("gained", "record_new"): 2,
        ("gained", "strategy_changed"): 1,
    }
    pairs = {row["figure"]: row for row in found.figures}["pairs"]
    assert pairs["now"] - pairs["before"] == 2 + 1 - 2


def test_a_gap_between_makes_the_changes_unknown(nights: Nights, engine: Engine) -> None:
    every = every_publication(nights.lake)[::-1]
    then, now = (side_of(nights.lake, shown, shown["at"]) for shown in (every[0], every[2]))
    found = compare_runs(engine, nights.lake, then, now, [every[0], every[2]])
    assert "pairs" not in found.changes
    assert found.unknown == [
        "pairs gained and lost: pair_changes of a night between is not kept",
        "settings that changed: one of both was published without them",
    ]


def test_strategies_that_moved_most_come_first(nights: Nights, engine: Engine) -> None:
    assert compared(nights, engine, 1, 2).strategies == [
        {"strategy": "name", "before": 1, "now": 3, "change": 2},
        {"strategy": "city", "before": None, "now": 1, "change": 1},
    ]


def test_checks_that_came_out_otherwise_are_given(nights: Nights, engine: Engine) -> None:
    found = [row for row in compared(nights, engine, 1, 2).checks if row["check"] == "is_small"]
    assert found == [
        {
            "table": "filtered_blocks",
            "check": "is_small",
            "passed_before": True,
            "passed_now": False,
            "text": "night 2",
        }
    ]


def test_settings_that_changed_are_given(nights: Nights, engine: Engine) -> None:
    every = every_publication(nights.lake)[::-1]
    every[0]["settings"] = {"blocks.max_size": "500", "budget": "9"}
    every[1]["settings"] = {"blocks.max_size": "100", "mode": '"link"'}
    then, now = (side_of(nights.lake, shown, "") for shown in every[:2])
    found = compare_runs(engine, nights.lake, then, now, every[:2])
    assert found.settings == [
        {"setting": "blocks.max_size", "before": "500", "now": "100"},
        {"setting": "mode", "before": None, "now": '"link"'},
        {"setting": "budget", "before": "9", "now": None},
    ]


def test_of_a_run_whose_tables_are_gone_figures_alone_are_compared(
    nights: Nights, engine: Engine
) -> None:
    every = every_publication(nights.lake)[::-1]
    then, now = (side_of(nights.lake, shown, shown["at"]) for shown in every[:2])
    found = compare_runs(engine, nights.lake, replace(then, shown=None), now, [])
    assert found.figures
    assert (found.changes, found.strategies, found.settings) == ({}, [], None)
    assert "are not kept: figures alone" in found.unknown[0]
