"""Label Studio: pairs as its tasks, and the answers that people give there.

Source: https://labelstud.io/guide/task_format
"""

import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from er_pipeline.blocking.labels.label_rows import Row, first_value
from er_pipeline.blocking.labels.labels import RECORD_COLUMNS, Label
from er_pipeline.blocking.labels.pair_display import ShownPair
from er_pipeline.blocking.tables.errors import InputError

# The names of the two tags in Label Studio's labelling interface.
CHOICES_TAG, SHOWN_TAG = "answer", "pair"


def task_rows(file: Path, text: str) -> Iterator[Row]:
    """Yield what Label Studio exports as JSON: a row per annotation, the oldest of a task first.

    file: what to call it in messages; text: what stands in it.
    A task is {"data": {...}, "annotations": [...]}, with "completions" before version 1.0; exported
    as JSON_MIN, a task is its data with the answer among it.

    Raises InputError if the text is no list of tasks.
    """
    try:
        tasks = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}: is not JSON ({error.msg}); correct it") from error
    if not isinstance(tasks, list):
        raise InputError(f"{file}: is no list of tasks; export JSON from Label Studio")
    for i, task in enumerate(tasks, 1):
        place = f"task {i}"
        data = task.get("data", task) if isinstance(task, dict) else None
        if not isinstance(data, dict):
            yield Row(place, {}, "is no task: an object with data and annotations is needed")
        elif data is task:
            yield Row(place, task)
        else:
            annotations = task.get("annotations") or task.get("completions") or []
            given = [_annotation_row(place, data, annotation) for annotation in annotations]
            yield from sorted(given, key=lambda row: str(row.values.get("at", "")))
            if not given:
                yield Row(place, {})


def _annotation_row(place: str, data: Mapping[str, Any], annotation: Any) -> Row:
    """Put what an annotation says beside the ids in its task's data."""
    results = annotation.get("result") if isinstance(annotation, dict) else None
    if not isinstance(results, list):
        return Row(place, {}, 'has an annotation without a list "result"')
    if annotation.get("was_cancelled") or annotation.get("skipped"):
        return Row(place, {})
    try:
        chosen = {
            part["from_name"]: list(part["value"]["choices"])
            for part in results
            if part["type"] == "choices"
        }
    except (KeyError, TypeError):
        return Row(place, {}, "has an annotation that Label Studio did not write; export it again")
    # The interface may ask for other choices too.
    choices = chosen.get(CHOICES_TAG) or next(iter(chosen.values()), [])
    if len(choices) > 1:
        listed = ", ".join(map(str, choices))
        return Row(place, {}, f"has several answers at once, {listed}; leave one")
    who = first_value(annotation, "who", "completed_by")
    return Row(
        place,
        {
            **{name: data.get(name) for name in (*RECORD_COLUMNS, "reason")},
            "answer": choices[0] if choices else None,
            "who": first_value(who, "email", "id") if isinstance(who, dict) else who,
            "at": first_value(annotation, "at", "created_at"),
        },
    )


def task_of(shown: ShownPair, label: Label | None = None) -> dict[str, Any]:
    """Return a pair as a task of Label Studio, with its label as annotation.

    completed_by stays out: Label Studio takes only its own users there.
    """
    data = {
        f"{side}_{field}": values[i] or ""
        for field, values in shown.values.items()
        for i, side in enumerate(("left", "right"))
    }
    names = dict(zip(RECORD_COLUMNS, (*shown.left, *shown.right), strict=True))
    task: dict[str, Any] = {
        "data": {**data, **names, "reason": shown.reason, SHOWN_TAG: _html_table(shown)}
    }
    if label:
        result = {
            "from_name": CHOICES_TAG,
            "to_name": SHOWN_TAG,
            "type": "choices",
            "value": {"choices": [label.answer]},
        }
        task["annotations"] = [
            {"result": [result], "ground_truth": False, "who": label.who, "at": label.at}
        ]
    return task


def _html_table(shown: ShownPair) -> str:
    rows = []
    for field, (left, right) in shown.values.items():
        cells = [html.escape(value or "") for value in (left, right)]
        if left != right:
            cells = [f"<b>{cell}</b>" for cell in cells]
        rows.append(f"<tr><th>{field}</th><td>{cells[0]}</td><td>{cells[1]}</td></tr>")
    return f"<table>{''.join(rows)}</table>"
