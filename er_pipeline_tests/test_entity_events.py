from pathlib import Path

import pytest

from er_pipeline.matching import entity_events
from er_pipeline_tests.linked_nights import LinkedNights, sure


def test_on_the_first_night_every_entity_is_minted_in_the_order_of_its_least_record(
    tmp_path: Path,
) -> None:
    nights = LinkedNights(tmp_path)
    assert nights.night("b c d e", sure("c-e")) == {"b": 1, "c": 2, "d": 3, "e": 2}
    assert nights.events() == [
        (1, "minted", None, 1, 0, 1, "first_run", "b"),
        (2, "minted", None, 2, 0, 2, "first_run", "c"),
        (3, "minted", None, 1, 0, 1, "first_run", "d"),
    ]


def test_a_new_record_before_all_others_renames_nobody(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("b c d", sure("b-c"))
    assert nights.night("a b c d", sure("a-b", "b-c")) == {"a": 1, "b": 1, "c": 1, "d": 2}
    assert nights.events() == [(1, "grew", None, 1, 2, 3, "record_new", "a")]
    assert nights.night("a b c d e", sure("a-b", "b-c"))["e"] == 3
    assert nights.events() == [(3, "minted", None, 1, 0, 1, "record_new", "e")]


def test_a_record_that_is_gone_shrinks_its_entity_and_the_last_one_retires_it(
    tmp_path: Path,
) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c", sure("a-b"))
    assert nights.night("b c", {}) == {"b": 1, "c": 2}
    assert nights.events() == [(1, "shrank", None, 1, 2, 1, "record_gone", "a")]
    assert nights.night("b", {}) == {"b": 1}
    assert nights.events() == [(2, "retired", None, 1, 1, 0, "record_gone", "c")]
    assert nights.resolved() == {2: []}
    # Its number is not given to another.
    assert nights.night("b c", {}) == {"b": 1, "c": 3}


def test_in_a_merge_the_one_with_most_records_keeps_its_id(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    assert nights.night("a b c", sure("b-c")) == {"a": 1, "b": 2, "c": 2}
    assert set(nights.night("a b c", sure("a-b", "b-c")).values()) == {2}
    assert nights.events() == [
        (1, "merged", 2, 1, 1, 0, "pair_gained", "a"),
        (1, "retired", 2, 1, 1, 0, "pair_gained", "a"),
        (2, "grew", 1, 1, 2, 3, "pair_gained", "a"),
    ]
    assert nights.resolved() == {1: [2]}


def test_of_equal_ones_the_oldest_keeps_its_id(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b", {})
    assert nights.night("a b", sure("a-b")) == {"a": 1, "b": 1}
    assert nights.resolved() == {2: [1]}


def test_in_a_split_the_largest_part_keeps_the_id(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c", sure("a-b", "b-c"))
    assert nights.night("a b c", sure("b-c")) == {"a": 2, "b": 1, "c": 1}
    assert nights.events() == [
        (1, "shrank", 2, 1, 3, 2, "pair_lost", "a"),
        (2, "minted", None, 1, 0, 1, "pair_lost", "a"),
        (2, "split", 1, 1, 0, 1, "pair_lost", "a"),
    ]
    # The halves of two are as large: that of the least record keeps the id.
    assert nights.night("a b c", {}) == {"a": 2, "b": 1, "c": 3}


def test_a_retired_id_stands_for_its_successors_for_ever(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c d", sure("c-d"))
    nights.night("a b c d", sure("b-c", "c-d"))
    assert nights.resolved() == {2: [3]}
    nights.night("a b c d", sure("c-d"))
    assert nights.ids() == {"a": 1, "b": 4, "c": 3, "d": 3}
    assert nights.resolved() == {2: [3, 4]}
    nights.night("a b c d", sure("a-b", "c-d"))
    assert nights.resolved() == {2: [1, 3], 4: [1]}
    nights.night("a b", sure("a-b"))
    assert nights.resolved() == {2: [1], 3: [], 4: [1]}


def test_an_id_whose_records_part_and_join_others_stays_with_none(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c d e f g", sure("a-b", "b-c", "d-e", "e-f", "f-g"))
    # a and b go to the larger entity; c alone is the lesser part, and begins anew.
    assert nights.night("a b c d e f g", sure("a-b", "b-d", "d-e", "e-f", "f-g")) == {
        **dict.fromkeys("abdefg", 2),
        "c": 3,
    }
    assert [event[:4] for event in nights.events()] == [
        (1, "merged", 2, 2),
        (1, "retired", 2, 3),
        (2, "grew", 1, 2),
        (3, "minted", None, 1),
        (3, "split", 1, 1),
    ]
    assert nights.resolved() == {1: [2, 3]}


def test_records_that_move_between_two_entities_are_in_events_of_both(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c d", sure("a-b", "b-c"))
    nights.night("a b c d", sure("a-b", "c-d"))
    assert nights.ids() == {"a": 1, "b": 1, "c": 2, "d": 2}
    assert nights.events() == [
        (1, "shrank", 2, 1, 3, 2, "pair_lost", "c"),
        (2, "grew", 1, 1, 1, 2, "pair_gained", "c"),
    ]


def test_a_night_on_which_nothing_changed_adds_nothing(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b c", sure("a-b"))
    before = nights.rows("from entity_events")
    nights.night("a b c", sure("a-b"))
    assert nights.rows("from entity_events") == before
    assert set(nights.facts["events"].values()) == {0}


def test_a_run_that_is_not_published_changes_nothing(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b", {})
    nights.night("a b c", sure("a-b"), publish=False)
    assert nights.night("a b d", {}) == {"a": 1, "b": 2, "d": 3}
    assert nights.events() == [(3, "minted", None, 1, 0, 1, "record_new", "d")]


def test_many_nights_are_kept_in_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entity_events, "MOST_FILES", 6)
    nights = LinkedNights(tmp_path)
    for night in range(8):
        nights.night(" ".join(f"r{i:02}" for i in range(night + 1)), {})
    files = list(nights.lake.path("entity_events").glob("*.parquet"))
    assert len(files) == 8 - 6
    assert nights.rows("select count(*), max(event_no), max(run_no) from entity_events") == [
        (8, 8, 8)
    ]
