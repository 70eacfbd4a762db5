from collections.abc import Callable

import pytest

from er_pipeline.blocking.labels.labels import (
    Journal,
    RecordName,
)
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.judged_people import CITY, NOON, PEOPLE, importing
from er_pipeline_tests.judged_people import journal as journal
from er_pipeline_tests.judged_people import people as people
from er_pipeline_tests.judged_people import shops as shops


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        *((text, "match") for text in ("match", "Match", "1", "1.0", "TRUE", "yes")),
        *((text, "no_match") for text in ("no_match", "Non-Match", "no match", "0", "false", "No")),
        ("Unsure", "unsure"),
    ],
)
def test_answers_are_understood_in_many_spellings(
    people: Dataset, journal: Journal, written: str, answer: str
) -> None:
    importing(people, "given.csv", f"left_id,right_id,label\na,b,{written}\n")
    assert [(label.answer, label.source, label.reason) for label in journal.read()] == [
        (answer, "import", "imported")
    ]


def test_json_answers_may_be_numbers_or_truth_values(people: Dataset, journal: Journal) -> None:
    values = ("true", "0", "1.0", "false", '"unsure"')
    text = "".join(
        f'{{"left_id": "a", "right_id": {i}, "answer": {value}}}\n'
        for i, value in enumerate(values)
    )
    importing(people, "given.jsonl", text)
    assert [(label.right.record_id, label.answer) for label in journal.read()] == [
        ("0", "match"),
        ("1", "no_match"),
        ("2", "match"),
        ("3", "no_match"),
        ("4", "unsure"),
    ]


def test_who_and_when_are_kept_or_the_file_and_now(people: Dataset, journal: Journal) -> None:
    text = "left_id;right_id;answer;who;at\na;b;1;Zoë;2026-11-03T13:00:00+01:00\na;c;0;;\n"
    importing(people, "given.csv", "\ufeff" + text)
    first, second = journal.read()
    assert (first.who, first.at) == ("Zoë", NOON)
    assert second.who == "given.csv"
    assert second.at > NOON or second.at.endswith("Z")


def test_when_linking_two_sources_the_left_id_is_the_first_ones(
    shops: Dataset, journal: Journal
) -> None:
    importing(shops, "given.csv", "left_id,right_id,answer\na,a,1\n")
    assert [label.pair for label in journal.read()] == [
        (RecordName("source0", "a"), RecordName("source1", "a"))
    ]


def test_where_the_sources_leave_a_choice_it_must_be_made(
    dataset: Callable[..., Dataset], journal: Journal
) -> None:
    shops = dataset(PEOPLE[:2], PEOPLE[:2], strategies=CITY, labels={}, mode="link_and_dedupe")
    with pytest.raises(InputError, match="has no left_source; write one of source0, source1"):
        importing(shops, "given.csv", "left_id,right_id,answer\na,b,1\n")
    text = "left_id,right_id,answer,left_source,right_source\na,b,1,source1,source1\n"
    importing(shops, "given.csv", text)
    assert journal.read()[0].left == RecordName("source1", "a")
