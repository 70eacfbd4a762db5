"""The step: nothing to compare with, nothing changed, too much to list, and records of any name."""

from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.changes import pair_changes
from er_pipeline.blocking.changes.pair_changes import judge_changes, pair_changes_facts
from er_pipeline.flow import flow
from er_pipeline_tests.nights import Nights
from er_pipeline_tests.test_change_causes import ROWS, SETTINGS, changed, people


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    made = Nights(tmp_path, SETTINGS)
    made.night(people(*ROWS), until="pair_changes")
    return made


def test_a_first_night_has_nothing_to_compare_with(nights: Nights) -> None:
    facts = pair_changes_facts(nights.lake)
    assert (facts["since"], facts["pairs"], facts["gained"], changed(nights.lake)) == ("", 5, 0, [])
    [verdict] = judge_changes(facts)
    assert verdict.passed
    assert verdict.text == "There is no good run before to compare with."


def test_the_same_tables_are_not_compared(nights: Nights, monkeypatch: Any) -> None:
    monkeypatch.setattr(pair_changes, "find_both", None)
    lake = nights.night(people(*ROWS), until="pair_changes", full=True)
    facts = pair_changes_facts(lake)
    assert facts["since"]
    assert (facts["pairs"], facts["pairs_before"], facts["causes"]) == (5, 5, [])


def test_a_night_without_changes_lists_none_and_the_next_is_skipped(nights: Nights) -> None:
    first = nights.lake.version("pair_changes")
    lake = nights.night(people(*ROWS), until="pair_changes")
    assert lake.version("pair_changes") == first, "it was empty"

    lake = nights.night(people(*ROWS[:4]), until="pair_changes", publish=False)
    listed = lake.version("pair_changes")
    assert changed(lake)
    lake = nights.night(people(*ROWS[:4]), until="pair_changes")
    assert lake.version("pair_changes") == listed, "nobody was shown it"

    lake = nights.night(people(*ROWS[:4]), until="pair_changes", publish=False)
    facts = pair_changes_facts(lake)
    assert (changed(lake), facts["lost"], facts["pairs_before"]) == ([], 0, facts["pairs"])
    assert facts["since"] == lake.version("unified_pairs")
    empty = lake.version("pair_changes")
    for _ in range(2):
        lake = nights.night(people(*ROWS[:4]), until="pair_changes")
        assert lake.version("pair_changes") == empty


def test_a_night_that_was_not_published_is_not_compared_with(nights: Nights) -> None:
    nights.night(people(*ROWS[:2]), until="pair_changes", publish=False)
    lake = nights.night(people(*ROWS[:4]), until="pair_changes", publish=False)
    assert [row[:4] for row in changed(lake)] == [("lost", "record_gone", "4", "5")]


def test_records_of_a_renamed_source_are_the_same(nights: Nights) -> None:
    nights.settings["sources"] = [{**SETTINGS["sources"][0], "name": "renamed"}]
    assert changed(nights.night(people(*ROWS), until="pair_changes")) == []


def test_causes_with_too_many_pairs_are_counted_and_not_listed(
    nights: Nights, monkeypatch: Any
) -> None:
    monkeypatch.setattr(pair_changes, "MOST_LISTED", 2)
    nights.settings["strategies"] = {"town": "city"}  # loses 4 pairs, one of them with 5
    lake = nights.night(people(*ROWS[:4]), until="pair_changes")
    assert changed(lake) == [("lost", "record_gone", "4", "5", "name")]
    facts = pair_changes_facts(lake)
    listed = [(c["change"], c["cause"], c["pairs"], c["is_listed"]) for c in facts["causes"]]
    assert listed == [
        ("lost", "strategy_changed", 3, False),
        ("lost", "record_gone", 1, True),
    ]
    [verdict] = judge_changes(facts)
    assert verdict.passed


def test_the_names_and_sizes_are_those_of_both_nights(nights: Nights) -> None:
    lake = nights.night(people(*ROWS, ("6", "lee", None)), until="pair_changes")
    [count] = pair_changes_facts(lake)["causes"]
    expected = {"strategy": "name", "block_key": "lee", "pairs": 3}
    assert count["blocks"] == [{**expected, "size_before": 3, "size_now": 4}]
    assert count["strategies"] == {"name": 3}


def test_changes_that_do_not_add_up_are_an_error() -> None:
    facts: Any = {"since": "x", "pairs": 5, "pairs_before": 4, "gained": 0, "lost": 0}
    [verdict] = judge_changes(facts)
    assert (verdict.passed, verdict.severity) == (False, "error")
    assert verdict.text.startswith("4 pairs, less 0 lost, with 0 gained, are 4; there are 5.")


def test_only_the_changes_themselves_hang_on_the_check(nights: Nights) -> None:
    readers = [step.name for step in flow(nights.spec) if "pair_changes" in step.reads]
    assert readers == []
