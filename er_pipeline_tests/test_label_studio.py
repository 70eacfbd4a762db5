import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.labels.label_files import export_labels
from er_pipeline.blocking.labels.labels import (
    Journal,
    labels_in_force,
)
from er_pipeline.blocking.tables.errors import InputError, LakeError
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.judged_people import NOON, importing, label, queue
from er_pipeline_tests.judged_people import journal as journal
from er_pipeline_tests.judged_people import people as people


def test_tasks_show_the_values_of_labelled_and_of_queued_pairs(
    people: Dataset, journal: Journal, tmp_path: Path
) -> None:
    journal.append([label("b", "a")])
    queue(people, (0, 1), (2, 3), reason="likely_uncovered")
    export_labels(journal, people.spec, people.lake, tmp_path / "tasks.json")
    labelled, queued = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert labelled["data"]["left_id"] == "b"
    assert labelled["data"]["left_name"] == "anne"
    assert labelled["data"]["right_city"] == "ulm"
    assert labelled["data"]["left_city"] == ""
    (annotation,) = labelled["annotations"]
    assert annotation["result"] == [
        {
            "from_name": "answer",
            "to_name": "pair",
            "type": "choices",
            "value": {"choices": ["match"]},
        }
    ]
    assert "completed_by" not in annotation
    assert "annotations" not in queued
    assert queued["data"]["reason"] == "likely_uncovered"
    assert (
        "<tr><th>city</th><td><b>bonn</b></td><td><b>ulm a b</b></td></tr>"
        in (queued["data"]["pair"])
    )


def test_values_cannot_break_out_of_the_shown_table(
    dataset: Callable[..., Dataset], journal: Journal, tmp_path: Path
) -> None:
    rows: Rows = [{"id": "a", "url": "<i>x"}, {"id": "b", "url": "<i>x"}]
    people = dataset(rows, fields={"url": "identifier"}, strategies={"url": "url"}, labels={})
    people.clean()
    queue(people, (0, 1))
    export_labels(journal, people.spec, people.lake, tmp_path / "tasks.json")
    (task,) = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert "&lt;i&gt;x" in task["data"]["pair"]


def test_a_field_called_id_does_not_hide_the_records_id(
    dataset: Callable[..., Dataset], journal: Journal, tmp_path: Path
) -> None:
    people = dataset(
        [{"id": "A1", "x": "a"}, {"id": "B-2", "x": "b"}],
        **{
            "fields": {"id": "identifier"},
            "strategies": {"id": "id"},
            "training_rules": {"r": "id"},
        },
        labels={},
    )
    people.clean()
    queue(people, (0, 1))
    export_labels(journal, people.spec, people.lake, tmp_path / "tasks.json")
    (task,) = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert (task["data"]["left_id"], task["data"]["right_id"]) == ("A1", "B-2")


def test_tasks_need_the_queue(people: Dataset, journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="dataset 'people' has no label_queue in the lake"):
        export_labels(journal, people.spec, people.lake, tmp_path / "tasks.json")


def annotated(*choices: str, **more: Any) -> dict[str, Any]:
    """An annotation as Label Studio exports it."""
    part = {
        "id": "x",
        "from_name": "answer",
        "to_name": "pair",
        "type": "choices",
        "origin": "manual",
        "value": {"choices": list(choices)},
    }
    return {
        **{"id": 7, "completed_by": 3, "created_at": "2026-11-03T12:00:00.000000Z"},
        **{"was_cancelled": False, "ground_truth": False, "lead_time": 4.2, "result": [part]},
        **more,
    }


def task(right: str, *annotations: Any, **more: Any) -> dict[str, Any]:
    """A task as Label Studio exports it."""
    data = {"left_id": "a", "right_id": right, "left_name": "ann"}
    return {"id": 1, "data": data, "annotations": list(annotations), "predictions": [], **more}


def test_what_label_studio_exports_is_read(people: Dataset, journal: Journal) -> None:
    who = {"id": 4, "email": "dan@acme.org", "first_name": "Dan", "last_name": ""}
    confidence = {"from_name": "how_sure", "type": "choices", "value": {"choices": ["very"]}}
    rating = {"from_name": "stars", "type": "rating", "value": {"rating": 4}}
    two = annotated("no_match", completed_by=who)
    two["result"] = [confidence, rating, *two["result"]]
    skipped = annotated("match", was_cancelled=True)
    tasks = [
        task("b", annotated("match")),
        task("c", two),
        task("d", skipped),
        task("e"),
        task("f", annotated("match", result=[])),
        {"data": {"left_id": "a", "right_id": "g"}, "completions": [annotated("unsure")]},
        {"data": {"left_id": "a", "right_id": "h"}, "completions": [annotated("match", skipped=1)]},
    ]
    counts = importing(people, "export.json", json.dumps(tasks))
    assert counts == {"added": 3, "known": 0, "without_answer": 4}
    assert [(said.right.record_id, said.answer, said.who, said.at) for said in journal.read()] == [
        ("b", "match", "3", NOON),
        ("c", "no_match", "dan@acme.org", NOON),
        ("g", "unsure", "3", NOON),
    ]


def test_of_several_annotations_the_newest_wins(people: Dataset, journal: Journal) -> None:
    new = annotated("no_match", created_at="2026-11-04T00:00:00Z", completed_by=9)
    tasks = [task("b", new, annotated("match"))]
    importing(people, "export.json", json.dumps(tasks))
    labels, conflicts = labels_in_force(journal.read())
    assert [(label.answer, label.who) for label in labels] == [("no_match", "9")]
    assert conflicts == 1


def test_the_oldest_completions_give_the_time_in_seconds(people: Dataset, journal: Journal) -> None:
    old = {"data": {"left_id": "a", "right_id": "b"}}
    old["completions"] = [annotated("match", created_at=1_762_171_200)]  # type: ignore[assignment]
    importing(people, "export.json", json.dumps([old]))
    assert journal.read()[0].at == "2025-11-03T12:00:00Z"


def test_label_studios_short_export_is_read_too(people: Dataset, journal: Journal) -> None:
    flat = {"left_id": "a", "right_id": "b", "answer": "match", "annotator": 2, "id": 1}
    flat["created_at"] = NOON
    importing(people, "export.json", json.dumps([flat]))
    assert [(label.answer, label.who, label.at) for label in journal.read()] == [
        ("match", "2", NOON)
    ]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (annotated("match", "unsure"), "task 2: has several answers at once, match, unsure; leave"),
        (annotated("perhaps"), "task 2: answer 'perhaps' is none of match"),
        ({"result": [{"type": "choices"}]}, "task 2: has an annotation that Label Studio did not"),
        ({"result": "match"}, 'task 2: has an annotation without a list "result"'),
    ],
)
def test_a_wrong_annotation_is_reported_by_its_task(
    people: Dataset, journal: Journal, annotation: Any, message: str
) -> None:
    with pytest.raises(InputError) as error:
        importing(
            people,
            "export.json",
            json.dumps([task("b", annotated("match")), task("c", annotation)]),
        )
    assert message in str(error.value)
    assert not journal.path.exists()
