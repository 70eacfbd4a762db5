from pathlib import Path
from typing import Any

import pytest

from er_pipeline_tests.linked_nights import LinkedNights, said, sure

JOINED, APART = sure("a-b"), {("a", "b"): 0.5}
SECOND = {"a": "x", "b": "y"}


def causes(nights: LinkedNights) -> set[tuple[Any, ...]]:
    return {event[-2:] for event in nights.events()}


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        (JOINED, APART, "model_changed"),
        (APART, JOINED, "model_changed"),
        (JOINED, {}, "pair_lost"),
        ({}, JOINED, "pair_gained"),
    ],
)
def test_a_link_between_the_same_records_comes_and_goes_with_its_score(
    tmp_path: Path, before: Any, after: Any, cause: str
) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b", before)
    nights.night("a b", after)
    assert {cause for cause, _ in causes(nights)} == {cause}


@pytest.mark.parametrize(("before", "after"), [(JOINED, {}), ({}, JOINED), (APART, JOINED)])
def test_a_record_that_changed_is_the_cause_of_its_links(
    tmp_path: Path, before: Any, after: Any
) -> None:
    nights = LinkedNights(tmp_path)
    nights.night({"a": "x", "b": "x"}, before)
    nights.night(SECOND, after)
    assert causes(nights) == {("record_changed", "b")}


def test_other_strategies_are_the_cause_of_other_pairs(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b", {})
    nights.settings = {"strategies": {"name": "left(name, 3)"}}
    nights.night("a b", JOINED)
    assert {cause for cause, _ in causes(nights)} == {"settings_changed"}


def test_a_raised_threshold_is_a_cause(tmp_path: Path) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b", {("a", "b"): 0.95})
    nights.settings = {"matching": {"threshold": 0.99}}
    nights.night("a b", {("a", "b"): 0.95})
    assert {cause for cause, _ in causes(nights)} == {"threshold_changed"}


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ({("a", "b"): 0.6}, {("a", "b"): 0.6}, "threshold_changed"),
        ({}, {("a", "b"): 0.6}, "threshold_changed"),  # then too low to be kept, or no candidate
        ({("a", "b"): 0.2}, {("a", "b"): 0.99}, "model_changed"),
        ({}, {("a", "b"): 0.99}, "pair_gained"),
    ],
)
def test_a_lowered_threshold_is_the_cause_of_what_it_alone_would_join(
    tmp_path: Path, before: Any, after: Any, cause: str
) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a b", before)
    nights.settings = {"matching": {"threshold": 0.5}}
    nights.night("a b", after)
    assert {cause for cause, _ in causes(nights)} == {cause}


def test_the_record_that_held_two_together_is_the_cause_of_what_came_and_went(
    tmp_path: Path,
) -> None:
    nights = LinkedNights(tmp_path)
    nights.night("a c", {})
    nights.night("a b c", sure("a-b", "b-c"))
    assert causes(nights) == {("record_new", "b")}
    nights.night("a c", {})
    assert causes(nights) == {("record_gone", "b")}


@pytest.mark.parametrize("answer", ["match", "no_match"])
def test_an_answer_and_its_withdrawal_are_causes(tmp_path: Path, answer: str) -> None:
    nights = LinkedNights(tmp_path)
    scores = {} if answer == "match" else JOINED
    nights.night("a b", scores, {})
    nights.night("a b", scores, said(answer, "a-b"))
    assert {cause for cause, _ in causes(nights)} == {"label"}
    nights.night("a b", scores, {})
    assert {cause for cause, _ in causes(nights)} == {"label"}
    assert nights.rows("select max(run_no) from entity_events") == [(3,)]
