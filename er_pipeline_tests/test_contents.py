from collections.abc import Callable

import pytest

from er_pipeline.blocking.tables.errors import SinkError
from er_pipeline.sinks.contents import contents_of
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.test_shown_views import PEOPLE, publish
from er_pipeline_tests.test_shown_views import people as people


def test_a_content_gives_ids_and_strategies_and_its_stamp_lasts(people: Dataset) -> None:
    publish(people, {})
    (first,) = contents_of(people.lake, ["unified_pairs"])
    assert "left_id" in first.sql
    people.make("unified_pairs")  # the same tables, in other folders
    publish(people, {})
    (again,) = contents_of(people.lake, ["unified_pairs"])
    assert again.sql != first.sql
    assert again.stamp == first.stamp


def test_other_records_make_another_stamp(dataset: Callable[..., Dataset]) -> None:
    stamps = set()
    for rows in (PEOPLE, [{"id": "9", "last": "lee"}, *PEOPLE]):
        people = dataset(rows, strategies={"last": "last"})
        people.pair()
        publish(people, {})
        stamps.add(contents_of(people.lake, ["unified_pairs"])[0].stamp)
    assert len(stamps) == 2


def test_what_is_withheld_or_not_shown_is_not_published(people: Dataset) -> None:
    with pytest.raises(SinkError, match="left as it was, since the catalog does not show"):
        contents_of(people.lake, ["cleaned_records"])
    publish(people, {})
    publish(people, {"unified_pairs": "its check pairs_are_stored_once failed"})
    with pytest.raises(SinkError, match="unified_pairs is withheld: its check pairs_are_stored"):
        contents_of(people.lake, ["cleaned_records", "unified_pairs"])
    contents_of(people.lake, ["cleaned_records"])
