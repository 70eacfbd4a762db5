"""A few records, one change a night: the pairs that were gained and lost, and the cause of each."""

from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.changes.pair_changes import pair_changes_facts
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline_tests.nights import Nights

# By last name: lee 1, 2, 3; may 4, 5. By city: york 1, 4.
ROWS = [("1", "lee", "york"), ("2", "lee", None), ("3", "lee", None), ("4", "may", "york")]
ROWS.append(("5", "may", None))
SETTINGS: dict[str, Any] = {
    "sources": [{"path": "0.csv", "record_id": "id", "name": "s"}],
    "fields": {"last": "text", "city": "text"},
    "strategies": {"name": "last", "town": "city"},
    "weights": False,
    "blocks": {"max_size": 3},
    "checks": {"max_pairs_drop": 1, "max_records_drop": 1},
}


def people(*rows: tuple[str, str | None, str | None]) -> list[dict[str, str | None]]:
    return [{"id": i, "last": last, "city": city} for i, last, city in rows]


def changed(lake: Lake) -> list[tuple[str, ...]]:
    """Give what changed: gained or lost, cause, both ids and the strategy."""
    with DuckDBEngine(threads=1) as engine:
        engine.read_folder(lake.path("pair_changes"), "pair_changes")
        return engine.rows(
            "select change, cause, left_id, right_id, strategy from pair_changes"
            " order by change, left_id, right_id"
        )


def blocks(lake: Lake) -> set[tuple[Any, ...]]:
    with DuckDBEngine(threads=1) as engine:
        engine.read_folder(lake.path("pair_changes"), "pair_changes")
        return set(
            engine.rows("select strategy, block_key, size_before, size_now from pair_changes")
        )


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    made = Nights(tmp_path, SETTINGS)
    made.night(people(*ROWS), until="pair_changes")
    return made


def after(nights: Nights, *rows: tuple[str, str | None, str | None]) -> list[tuple[str, ...]]:
    return changed(nights.night(people(*rows), until="pair_changes"))


def test_a_record_that_is_new_gains_its_pairs(nights: Nights) -> None:
    found = after(nights, ("0", "may", None), *ROWS)
    assert found == [
        ("gained", "record_new", "0", "4", "name"),
        ("gained", "record_new", "0", "5", "name"),
    ]


def test_a_record_that_is_gone_loses_its_pairs(nights: Nights) -> None:
    assert after(nights, *ROWS[1:]) == [
        ("lost", "record_gone", "1", "2", "name"),
        ("lost", "record_gone", "1", "3", "name"),
        ("lost", "record_gone", "1", "4", "town"),
    ]


def test_a_record_that_was_changed_leaves_blocks_and_enters_others(nights: Nights) -> None:
    assert after(nights, ROWS[0], ("2", "may", None), *ROWS[2:]) == [
        ("gained", "record_changed", "2", "4", "name"),
        ("gained", "record_changed", "2", "5", "name"),
        ("lost", "record_changed", "1", "2", "name"),
        ("lost", "record_changed", "2", "3", "name"),
    ]


def test_a_pair_that_another_strategy_still_finds_did_not_change(nights: Nights) -> None:
    assert after(nights, *ROWS[:3], ("4", "lee-may", "york"), ROWS[4]) == [
        ("lost", "record_changed", "4", "5", "name")
    ]


def test_a_block_that_passes_the_cap_loses_the_pairs_of_the_others(nights: Nights) -> None:
    assert after(nights, *ROWS, ("6", "lee", None)) == [
        ("lost", "block_over_cap", "1", "2", "name"),
        ("lost", "block_over_cap", "1", "3", "name"),
        ("lost", "block_over_cap", "2", "3", "name"),
    ]
    assert blocks(nights.lake) == {("name", "lee", 3, 4)}


def test_a_block_that_is_within_the_cap_again_gains_the_pairs_of_the_others(
    nights: Nights,
) -> None:
    after(nights, *ROWS, ("6", "lee", None))
    assert after(nights, *ROWS) == [
        ("gained", "block_within_cap", "1", "2", "name"),
        ("gained", "block_within_cap", "1", "3", "name"),
        ("gained", "block_within_cap", "2", "3", "name"),
    ]
    assert blocks(nights.lake) == {("name", "lee", 4, 3)}


def test_one_who_joins_a_block_and_one_who_makes_it_too_large_are_not_the_same_cause(
    nights: Nights,
) -> None:
    found = after(nights, *ROWS[:4], ("5", "lee", "york"))
    assert ("lost", "record_changed", "4", "5", "name") not in found  # they share york
    assert found == [
        ("gained", "record_changed", "1", "5", "town"),
        ("lost", "block_over_cap", "1", "2", "name"),
        ("lost", "block_over_cap", "1", "3", "name"),
        ("lost", "block_over_cap", "2", "3", "name"),
    ]


def test_another_cap_is_a_block_that_crosses_it(nights: Nights) -> None:
    nights.settings["blocks"] = {"max_size": 2}
    found = after(nights, *ROWS)
    assert [row[1:4] for row in found] == [
        ("block_over_cap", *pair) for pair in (("1", "2"), ("1", "3"), ("2", "3"))
    ]


def test_a_block_may_cross_the_least_size(tmp_path: Path) -> None:
    nights = Nights(tmp_path, {**SETTINGS, "blocks": {"min_size": 3, "max_size": 9}})
    nights.night(people(*ROWS), until="pair_changes")
    assert after(nights, *ROWS, ("6", "may", None)) == [
        ("gained", "block_min_size", "4", "5", "name"),
        ("gained", "record_new", "4", "6", "name"),
        ("gained", "record_new", "5", "6", "name"),
    ]


def test_a_strategy_that_is_added_or_removed_is_the_cause(nights: Nights) -> None:
    nights.settings["strategies"] = {"name": "last"}
    assert after(nights, *ROWS) == [("lost", "strategy_changed", "1", "4", "town")]
    nights.settings["strategies"] = {"name": "last", "place": "city"}
    assert after(nights, *ROWS) == [("gained", "strategy_changed", "1", "4", "place")]


def test_a_strategy_of_another_name_changes_no_pair(nights: Nights) -> None:
    nights.settings["strategies"] = {"surname": "last", "town": "city"}
    assert after(nights, *ROWS) == []


def test_a_strategy_of_other_keys_is_another(nights: Nights) -> None:
    nights.settings["strategies"] = {"name": "last", "town": ["city", "left(last, 1)"]}
    assert after(nights, *ROWS) == [("lost", "strategy_changed", "1", "4", "town")]


def test_another_mode_is_another_strategy(tmp_path: Path) -> None:
    sources = [{"path": f"{i}.csv", "record_id": "id", "name": f"s{i}"} for i in range(2)]
    nights = Nights(tmp_path, {**SETTINGS, "sources": sources, "mode": "link_and_dedupe"})
    nights.night(people(*ROWS[:3]), people(*ROWS[3:]), until="pair_changes")
    nights.settings["mode"] = "link"
    lake = nights.night(people(*ROWS[:3]), people(*ROWS[3:]), until="pair_changes")
    assert {row[:2] for row in changed(lake)} == {("lost", "strategy_changed")}
    assert len(changed(lake)) == 4


def test_a_part_of_a_divided_block_has_the_causes_of_a_block(tmp_path: Path) -> None:
    refined = {"max_size": 3, "oversized": "refine", "refine_by": ["city"]}
    nights = Nights(tmp_path, {**SETTINGS, "strategies": {"name": "last"}, "blocks": refined})
    rows = [(str(i), "lee", "york" if i < 4 else "bath") for i in range(1, 4)]
    nights.night(people(*rows), until="pair_changes")
    more = [*rows, ("5", "lee", "bath")]
    assert after(nights, *more) == []  # divided: york holds the old pairs, bath none
    moved = [rows[0], ("2", "lee", "bath"), rows[2], more[3]]
    assert after(nights, *moved) == [
        ("gained", "record_changed", "2", "5", "name"),
        ("lost", "record_changed", "1", "2", "name"),
        ("lost", "record_changed", "2", "3", "name"),
    ]
    assert {row[:2] for row in after(nights, *moved[:3])} == {
        ("gained", "block_within_cap"),
        ("lost", "record_gone"),
    }
    assert after(nights, *moved) == [
        ("gained", "record_new", "2", "5", "name"),
        ("lost", "block_over_cap", "1", "2", "name"),
        ("lost", "block_over_cap", "2", "3", "name"),
    ]


def test_neighbours_that_list_others_are_the_cause_where_no_record_changed(tmp_path: Path) -> None:
    near = {"k": 1, "min_similarity": 0.1, "min_share_of_best": 0, "whole_record": False}
    nights = Nights(tmp_path, {**SETTINGS, "strategies": {}, "embedding": near})
    rows = [("1", "johnathan", "york"), ("2", "johnatan", "york"), ("3", "johntan", "bath")]
    nights.night(people(*rows), until="pair_changes")
    nights.settings["embedding"] = {**near, "k": 2}
    assert {row[:2] for row in after(nights, *rows)} == {("gained", "neighbours_moved")}
    rows[2] = ("3", "zzzz", "qqqq")
    assert {row[:2] for row in after(nights, *rows)} == {("lost", "record_changed")}


def test_a_budget_that_keeps_fewer_is_the_cause(tmp_path: Path) -> None:
    budget = {**SETTINGS, "weights": True, "budget": {"max_pairs": 5}}
    nights = Nights(tmp_path, budget)
    nights.night(people(*ROWS), until="pair_changes")
    nights.settings["budget"] = {"max_pairs": 2}
    lost = after(nights, *ROWS)
    assert {row[:2] for row in lost} == {("lost", "budget_moved")}
    assert len(lost) == 3
    nights.settings["budget"] = {"max_pairs": 5}
    assert {row[:2] for row in after(nights, *ROWS)} == {("gained", "budget_moved")}


def test_one_who_needs_the_second_pass_no_more_loses_its_pairs(tmp_path: Path) -> None:
    second = {"strategies": {"initial": "left(last, 1)"}}
    nights = Nights(tmp_path, {**SETTINGS, "strategies": {"town": "city"}, "second_pass": second})
    rows = [("1", "lee", None), ("2", "lim", "bath"), ("3", "may", None)]
    nights.night(people(*rows), until="pair_changes")
    found = after(nights, *rows, ("4", "zed", "bath"))
    assert found == [("gained", "record_new", "2", "4", "town")]  # 1 still needs it
    nights.settings["strategies"] = {"town": "city", "letters": "right(last, 1)"}
    assert changed(nights.night(people(*rows), until="pair_changes"))
    assert pair_changes_facts(nights.lake)["gained"] == 0
