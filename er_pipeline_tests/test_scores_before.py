"""What is taken over from the night before, and when nothing is."""

from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching import matches
from er_pipeline_tests.conftest import made_up_people
from er_pipeline_tests.nights import Nights
from er_pipeline_tests.rebuilt_nights import (
    Person,
    differing_tables,
    give_learned,
    run_nights,
    settings_of,
)


@pytest.fixture
def people(tmp_path: Path) -> list[Person]:
    return made_up_people(tmp_path, 240)


def nights_of(folder: Path, **more: Any) -> Nights:
    return Nights(folder, {**settings_of("lists", "dedupe"), "weights": False, **more})


def pairs_with(lake: Lake, record_id: str) -> int:
    with DuckDBEngine(threads=1) as engine:
        for table in ("unified_pairs", "cleaned_records"):
            engine.read_folder(lake.path(table), table)
        (n_pairs,) = engine.row(
            "select count(*) from unified_pairs join cleaned_records"
            f" on record_no in (left_no, right_no) where record_id = '{record_id}'"
        )
    return int(n_pairs)


def test_pairs_of_unchanged_records_are_taken_over(tmp_path: Path, people: list[Person]) -> None:
    nights = nights_of(tmp_path)
    lake = nights.night(people)
    assert "taken_over" not in lake.facts("matches")
    changed = next(str(row["id"]) for row in people if pairs_with(lake, str(row["id"])))
    # No strategy reads it.
    rows = [{**row, "phone": None} if row["id"] == changed else row for row in people]
    facts = nights.night(rows).facts("matches")
    assert facts["taken_over"] == facts["candidates"] - pairs_with(lake, changed)


def test_a_night_that_was_not_published_changes_nothing(
    tmp_path: Path, people: list[Person]
) -> None:
    nights = nights_of(tmp_path)
    nights.night(people)
    nights.night(people[:230], publish=False)
    facts = nights.night(people).facts("matches")
    assert facts["taken_over"] == facts["candidates"]


def test_other_thresholds_score_all_anew_and_say_so(tmp_path: Path, people: list[Person]) -> None:
    nights = nights_of(tmp_path)
    nights.night(people)
    nights.settings["matching"] = {"recall": False, "min_probability": 0.3}
    facts = nights.night(people).facts("matches")
    assert "otherwise" in facts["done_in_full"]
    assert "taken_over" not in facts


def test_another_model_scores_all_anew(tmp_path: Path, people: list[Person]) -> None:
    nights = nights_of(tmp_path / "a")
    nights.night(people)
    other = nights_of(tmp_path / "b")
    give_learned(other.night(people[:200]), nights.lake)
    facts = nights.night(people).facts("matches")
    assert facts["done_in_full"] == "the model is another than that of the last good run"


def test_where_most_records_are_others_all_are_scored(tmp_path: Path, people: list[Person]) -> None:
    nights = nights_of(tmp_path)
    nights.night(people[:200])
    assert "of the records are as in" in nights.night(people[60:]).facts("matches")["done_in_full"]


def test_another_strategy_leaves_the_scores_of_its_old_pairs(
    tmp_path: Path, people: list[Person]
) -> None:
    nights = nights_of(tmp_path / "nights")
    old = nights.night(people).facts("matches")["candidates"]
    strategies = {**nights.settings["strategies"], "first": "first_name"}
    nights.settings["strategies"] = strategies
    lake = nights.night(people)
    facts = lake.facts("matches")
    assert facts["taken_over"] == old < facts["candidates"]
    rebuilt = nights_of(tmp_path / "rebuilt", strategies=strategies)
    give_learned(lake, rebuilt.lake)
    assert differing_tables(lake, rebuilt.night(people)) == []


def test_a_lake_that_takes_nothing_over_scores_all(tmp_path: Path, people: list[Person]) -> None:
    nights = Nights(tmp_path, settings_of("caps", "dedupe"))
    nights.night(people)
    assert "taken_over" not in nights.night(people, full=True).facts("matches")


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("caps", "link_and_dedupe"), ("refined", "dedupe"), ("second pass, weighed", "link")],
)
def test_nights_equal_rebuilds(
    tmp_path: Path, kind: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matches, "LEAST_PAIRS_PER_RECORD", 0)  # pairs are ruled out, however few
    assert run_nights(tmp_path, kind, mode, n_nights=3, seed=7) == []
