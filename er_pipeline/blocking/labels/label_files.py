"""Label files: labels from elsewhere into the journal, and out of it for other tools.

A file is csv, jsonl, or a list of Label Studio tasks; what is written reads back the same answers.
"""

import csv
import html
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from er_pipeline.blocking.labels.labels import (
    COLUMNS,
    LABEL_REASONS,
    RECORD_COLUMNS,
    Journal,
    Label,
    RecordName,
    give_labels,
    labels_in_force,
    utc_now,
    utc_text,
)
from er_pipeline.blocking.labels.pair_display import ShownPair, show_labelled, show_queue
from er_pipeline.blocking.records.sources import DELIMITERS, EXAMPLES
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake, write_whole

FORMATS = ("csv", "jsonl", "label_studio")
FORMAT_OF_ENDING = {".csv": "csv", ".jsonl": "jsonl", ".json": "label_studio"}
# What other tools write, in lower case and with _ for blanks and hyphens.
MEANINGS = {
    **dict.fromkeys(("match", "1", "1.0", "true", "yes"), "match"),
    **dict.fromkeys(("no_match", "non_match", "0", "0.0", "false", "no"), "no_match"),
    "unsure": "unsure",
}
ANSWER_COLUMNS = ("answer", "label")
# The names of the two tags in Label Studio's labelling interface.
CHOICES_TAG, SHOWN_TAG = "answer", "pair"


class Row(NamedTuple):
    """One row of a file as it was read.

    place: where it stands, for messages. problem: why its values cannot be told, if so.
    """

    place: str
    values: Mapping[str, Any]
    problem: str = ""


def import_labels(
    journal: Journal,
    spec: PipelineSpec,
    file: Path,
    file_format: str = "",
    lake: Lake | None = None,
) -> dict[str, int]:
    """Append the labels of a file to the journal.

    file_format: one of FORMATS; told from the ending where left out. lake: where its records are
    there, a label must name two of them.
    Rows need left_id and right_id, answer or label, and left_source and right_source where the
    declared sources leave a choice; who, at and reason are kept where they stand.
    Of several rows about a pair the last one wins. A label that holds already, or that was imported
    before, is not appended again. Returns the numbers of labels added and known, and of rows
    without_answer.

    Raises InputError if the file or any row is wrong; nothing is imported then.
    """
    rows = list(_READERS[file_format or format_of(file)](file))
    answered = [
        row for row in rows if row.problem or _first(row.values, *ANSWER_COLUMNS) is not None
    ]
    labels, problems = [], []
    for row in answered:
        try:
            labels.append(_label_of(row, spec))
        except ValueError as error:
            problems.append(f"{row.place}: {error}")
    if lake and lake.has("cleaned_records") and not problems:
        places = {label.pair: row.place for row, label in zip(answered, labels, strict=True)}
        problems += _unknown_records(labels, places, spec, lake)
    if problems:
        more = f"; and {len(problems) - EXAMPLES:,} more" if len(problems) > EXAMPLES else ""
        raise InputError(
            f"{file}: {len(problems):,} of {len(rows):,} rows are wrong, so none was imported:"
            f" {'; '.join(problems[:EXAMPLES])}{more}"
        )
    added = _new_ones(labels, journal.read())
    if added:
        now = utc_now()
        journal.append(
            [replace(label, who=label.who or file.name, at=label.at or now) for label in added]
        )
    return {
        "added": len(added),
        "known": len(labels) - len(added),
        "without_answer": len(rows) - len(answered),
    }


def _unknown_records(
    labels: Sequence[Label],
    places: Mapping[tuple[RecordName, RecordName], str],
    spec: PipelineSpec,
    lake: Lake,
) -> list[str]:
    """Say which labels name a record that the last run did not read."""
    with DuckDBEngine(spec.threads, spec.memory_limit) as engine:
        lake.open(engine, "cleaned_records")
        give_labels(engine, labels, "imported")
        unknown = engine.rows(
            "select distinct left_source, left_id from imported union"
            " select right_source, right_id from imported"
            " except select source, record_id from cleaned_records"
        )
    names = {RecordName(source, record_id) for source, record_id in unknown}
    return [
        f"{places[label.pair]}: there is no record {name.record_id!r} of source {name.source} in"
        f" the last run in {lake.root} (is --lake right?)"
        for label in labels
        for name in label.pair
        if name in names
    ]


def export_labels(
    journal: Journal, spec: PipelineSpec, lake: Lake, file: Path, file_format: str = ""
) -> dict[str, int]:
    """Write the labels in force to a file.

    file_format: one of FORMATS; told from the ending where left out. label_studio writes tasks with
    the values of both records, first of the labelled pairs, then of those that label_queue asks
    about; it alone reads the lake.
    Returns the numbers of labels, and of tasks without_answer.

    Raises InputError if the file cannot be written, LakeError if a table is missing.
    """
    file_format = file_format or format_of(file)
    if file.absolute() == journal.path:
        raise InputError(f"{file}: is the journal itself; write the labels to another file")
    labels, _ = labels_in_force(journal.read())
    asked: list[ShownPair] = []
    if file_format == "label_studio":
        with DuckDBEngine(spec.threads, spec.memory_limit) as engine:
            queue = show_queue(engine, lake, spec)
            labelled = show_labelled(engine, lake, spec, labels)
        answered = {label.pair for label in labels}
        asked = [shown for shown in queue if shown.pair not in answered]
        tasks = [_task(shown, label) for shown, label in zip(labelled, labels, strict=True)]
        tasks += [_task(shown) for shown in asked]
        text = json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"
    elif file_format == "jsonl":
        text = "".join(json.dumps(label.row, ensure_ascii=False) + "\n" for label in labels)
    else:
        table = io.StringIO()
        writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(label.row for label in labels)
        text = table.getvalue()
    try:
        write_whole(file, text)
    except OSError as error:
        raise InputError(f"{file}: cannot be written ({error.strerror})") from error
    return {"labels": len(labels), "without_answer": len(asked)}


def format_of(file: Path) -> str:
    """Tell a file's format from its ending.

    Raises InputError where the ending is none of them.
    """
    try:
        return FORMAT_OF_ENDING[file.suffix.lower()]
    except KeyError:
        raise InputError(
            f"{file}: the ending {file.suffix!r} tells no format; it must be .csv, .jsonl or .json"
            " (Label Studio tasks), or say --format"
        ) from None


def _csv_rows(file: Path) -> Iterator[Row]:
    text = _read_text(file)
    delimiter = max(DELIMITERS, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = next(reader, [])
        missing = [name for name in ("left_id", "right_id") if name not in header]
        if not set(ANSWER_COLUMNS) & set(header):
            missing.append(ANSWER_COLUMNS[0])
        if missing:
            raise InputError(
                f"{file}:1: has no column {', '.join(map(repr, missing))}; it has"
                f" {', '.join(map(repr, header)) or 'none'}. Name them left_id, right_id, answer"
            )
        for cells in reader:
            if not cells:
                continue
            problem = ""
            if len(cells) != len(header):
                problem = f"has {len(cells)} cells, the header {len(header)}; quote values with"
                problem += f" {delimiter!r} in them"
            yield Row(f"line {reader.line_num}", dict(zip(header, cells, strict=False)), problem)
    except csv.Error as error:
        raise InputError(f"{file}:{reader.line_num}: is not csv: {error}; correct it") from error


def _jsonl_rows(file: Path) -> Iterator[Row]:
    for i, line in enumerate(_read_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            yield Row(f"line {i}", {}, f"is not JSON ({error.msg}); write one object per line")
            continue
        if isinstance(values, dict):
            yield Row(f"line {i}", values)
        else:
            yield Row(f"line {i}", {}, "is no JSON object; write one object per line")


def _task_rows(file: Path) -> Iterator[Row]:
    """Read what Label Studio exports as JSON: a row per annotation, the oldest of a task first.

    A task is {"data": {...}, "annotations": [...]}, with "completions" before version 1.0; exported
    as JSON_MIN, a task is its data with the answer among it.
    Source: https://labelstud.io/guide/task_format
    """
    try:
        tasks = json.loads(_read_text(file))
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
        told = ", ".join(map(str, choices))
        return Row(place, {}, f"has several answers at once, {told}; leave one")
    who = _first(annotation, "who", "completed_by")
    return Row(
        place,
        {
            **{name: data.get(name) for name in (*RECORD_COLUMNS, "reason")},
            "answer": choices[0] if choices else None,
            "who": _first(who, "email", "id") if isinstance(who, dict) else who,
            "at": _first(annotation, "at", "created_at"),
        },
    )


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "csv": _csv_rows,
    "jsonl": _jsonl_rows,
    "label_studio": _task_rows,
}


def _read_text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8 text; save it as UTF-8") from error


def _label_of(row: Row, spec: PipelineSpec) -> Label:
    """Read one row with an answer; raise ValueError that says what is wrong and what to do.

    Where the file does not tell who and when, both are left empty.
    """
    if row.problem:
        raise ValueError(row.problem)
    given = _first(row.values, *ANSWER_COLUMNS)
    answer = MEANINGS.get(str(given).strip().lower().replace("-", "_").replace(" ", "_"))
    if answer is None:
        raise ValueError(f"answer {given!r} is none of match, no_match, unsure; correct it")
    left, right = (
        RecordName(_source_of(row.values, side, spec), _text(row.values, f"{side}_id"))
        for side in ("left", "right")
    )
    if left == right:
        raise ValueError(f"names record {left.record_id!r} twice; a pair needs two records")
    reason = row.values.get("reason")
    return Label(
        left,
        right,
        answer,
        who=_text(row.values, "who", "annotator", needed=False),
        at=_moment(_first(row.values, "at", "created_at")),
        source="import",
        reason=reason if reason in LABEL_REASONS else "imported",
    )


def _source_of(values: Mapping[str, Any], side: str, spec: PipelineSpec) -> str:
    name = _text(values, f"{side}_source", needed=False)
    sources = spec.source_labels
    if not name and (len(sources) == 1 or (len(sources) == 2 and spec.link_mode == "link")):
        return sources[0] if side == "left" else sources[-1]
    if not name:
        raise ValueError(f"has no {side}_source; write one of {', '.join(sources)}")
    if name not in sources:
        raise ValueError(f"{side}_source {name!r} is no source; there are {', '.join(sources)}")
    return name


def _text(values: Mapping[str, Any], *columns: str, needed: bool = True) -> str:
    value = _first(values, *columns)
    if value is None:
        if needed:
            raise ValueError(f"has no {columns[0]}; fill it in")
        return ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"{columns[0]} {value!r} is no text; write it in quotes")
    try:
        return str(value).encode().decode()
    except UnicodeEncodeError:  # half a sign, which JSON can write as \ud800
        raise ValueError(f"{columns[0]} {value!r} is not Unicode; correct it") from None


def _moment(value: Any) -> str:
    try:
        if value is None:
            return ""
        if isinstance(value, int | float):  # seconds, as Label Studio wrote before version 1.0
            return utc_text(datetime.fromtimestamp(value, UTC))
        return utc_text(datetime.fromisoformat(value))
    except (TypeError, ValueError, OverflowError, OSError):
        raise ValueError(f"at {value!r} is no time; write it as 2026-11-03T10:15:00Z") from None


def _first(values: Mapping[str, Any], *columns: str) -> Any:
    """Give the first value that is there; an empty text is none."""
    return next((values[name] for name in columns if values.get(name) not in (None, "")), None)


def _new_ones(labels: Sequence[Label], lines: Sequence[Label]) -> list[Label]:
    """Choose the labels that say something new; lines: the journal.

    A label is old if it holds, if an import brought it before, or if this very judgement, with its
    time, was made and later corrected.
    """
    holds = {label.pair: label.answer for label in labels_in_force(lines)[0]}
    said: dict[Any, list[Label]] = {}
    for line in lines:
        said.setdefault((line.pair, line.answer), []).append(line)
    new = []
    for label in labels:
        was_said = any(
            label.who in ("", line.who)
            and label.at in ("", line.at)
            and (label.at or line.source == "import")
            for line in said.get((label.pair, label.answer), [])
        )
        if holds.get(label.pair) != label.answer and not was_said:
            holds[label.pair] = label.answer
            new.append(label)
    return new


def _task(shown: ShownPair, label: Label | None = None) -> dict[str, Any]:
    """Write a pair as a task of Label Studio, with its label as annotation.

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
