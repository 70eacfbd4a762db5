from collections.abc import Callable

from er_pipeline.blocking.tables.verdict_notes import (
    VERDICTS,
    forget_failure,
    note_failure,
    note_verdicts,
    noted_failure,
    noted_verdicts,
)
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline_tests.conftest import Dataset, Rows

PEOPLE: Rows = [{"id": "1", "last": "lee"}, {"id": "2", "last": "lee"}]
FEW = Verdict("many_enough", False, "error", "2 are few", {"records": 2})


def test_verdicts_are_of_one_version(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies={"last": "last"})
    people.clean()
    assert noted_verdicts(people.lake, "cleaned_records") is None
    note_verdicts(people.lake, "cleaned_records", [FEW])
    assert noted_verdicts(people.lake, "cleaned_records") == [FEW]
    people.make_again("cleaned_records")
    assert noted_verdicts(people.lake, "cleaned_records") is None


def test_verdicts_of_other_settings_are_none_to_who_asks(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies={"last": "last"})
    people.clean()
    note_verdicts(people.lake, "cleaned_records", [FEW], "limits of old")
    assert noted_verdicts(people.lake, "cleaned_records", "limits of old") == [FEW]
    assert noted_verdicts(people.lake, "cleaned_records", "limits of now") is None
    assert noted_verdicts(people.lake, "cleaned_records") == [FEW]


def test_a_torn_note_is_none(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies={"last": "last"})
    people.clean()
    (people.lake.path("cleaned_records") / VERDICTS).write_text('[{"check": "ma')
    assert noted_verdicts(people.lake, "cleaned_records") is None


def test_a_failure_stands_until_the_table_is_made(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies={"last": "last"})
    note_failure(people.lake, "cleaned_records", "no such file")
    failure = noted_failure(people.lake, "cleaned_records")
    assert failure is not None
    assert failure.text == "no such file"
    people.clean()
    assert noted_failure(people.lake, "cleaned_records") is None
    note_failure(people.lake, "cleaned_records", "no such file")
    assert noted_failure(people.lake, "cleaned_records") is not None
    forget_failure(people.lake, "cleaned_records")
    assert noted_failure(people.lake, "cleaned_records") is None
