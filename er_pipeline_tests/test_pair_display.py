from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.labels.pair_display import show_queue
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.judged_people import PEOPLE, queue
from er_pipeline_tests.linked_nights import LinkedNights, sure


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    people = dataset(PEOPLE, labels={}, strategies={"city": "city"})
    people.clean()
    return people


def test_the_queue_is_read_in_its_order_with_clean_values(people: Dataset, engine: Any) -> None:
    queue(people, (2, 3), (0, 1), reason="likely_uncovered")
    first, second = show_queue(engine, people.lake, people.spec)
    assert (first.left.record_id, first.right.record_id) == ("c", "d")
    assert first.reason == "likely_uncovered"
    assert second.values == {"name": ("ann", "anne"), "city": ("ulm", None)}


def test_a_missing_queue_says_what_to_run(people: Dataset, engine: Any) -> None:
    with pytest.raises(LakeError, match=r"declare `labels` and run `er-pipeline run DEFS\.yaml`"):
        show_queue(engine, people.lake, people.spec)


def test_a_queue_of_other_records_is_refused(people: Dataset, engine: Any) -> None:
    queue(people, (0, 1))
    (people.folder / "people.csv").write_text("id,name,city\n0,x,y\n")
    people.clean()
    made_again = r"is made of people/\w+, which was made from an older cleaned_records: materialize"
    with pytest.raises(LakeError, match=made_again):
        show_queue(engine, people.lake, people.spec)


def test_the_weakest_bridges_come_before_the_queue(tmp_path: Path, engine: Any) -> None:
    nights = LinkedNights(tmp_path, labels={"path": "labels.jsonl"})
    scores = {**sure("a-b", "c-d", "e-f"), ("b", "c"): 0.95, ("d", "e"): 0.91}
    nights.night("a b c d e f", scores, {})
    with nights.lake.writing("label_queue") as draft:
        engine.write(
            "select 0 as queue_no, 0 as left_no, 5 as right_no, 'audit' as reason,"
            " null::varchar[] as rules",
            draft.file(),
        )
    asked = show_queue(engine, nights.lake, nights.spec)
    assert [(p.left.record_id + p.right.record_id, p.reason) for p in asked] == [
        ("de", "bridge"),
        ("bc", "bridge"),
        ("cd", "bridge"),
        ("af", "audit"),
    ]
