"""Label files: labels from elsewhere into the journal, and out of it for other tools.

A file is csv, jsonl, or a list of Label Studio tasks; what is written reads back the same answers.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from er_pipeline.blocking.labels.label_rows import ANSWER_COLUMNS, Row, first_value, label_of
from er_pipeline.blocking.labels.label_studio import task_of, task_rows
from er_pipeline.blocking.labels.labels import (
    COLUMNS,
    Journal,
    Label,
    RecordName,
    give_labels,
    labels_in_force,
)
from er_pipeline.blocking.labels.moments import utc_now
from er_pipeline.blocking.labels.pair_display import ShownPair, show_labelled, show_queue
from er_pipeline.blocking.records.csv_layout import find_layout
from er_pipeline.blocking.records.csv_rows import csv_rows
from er_pipeline.blocking.records.file_contents import check_is_table, encoding_of, opened
from er_pipeline.blocking.records.sources import EXAMPLES
from er_pipeline.blocking.records.wanted_columns import plain_name
from er_pipeline.blocking.spec.blocking_section import Labels
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.sources_section import CsvFormat
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.files import write_whole
from er_pipeline.blocking.tables.lake import Lake

FORMATS = ("csv", "jsonl", "label_studio")
FORMAT_OF_ENDING = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".json": "label_studio",
}


def import_labels(
    journal: Journal,
    spec: PipelineSpec,
    file: Path,
    file_format: str = "",
    lake: Lake | None = None,
) -> dict[str, int]:
    """Append the labels of a file to the journal.

    file_format: one of FORMATS; by the ending if omitted. lake: if given and it holds records, a
    label must name two of them.
    Rows need left_id and right_id, answer or label, and left_source and right_source where the
    declared sources leave a choice; who, at and reason are kept where they stand.
    Of several rows about a pair the last one wins. A label that holds already, or that was imported
    before, is not appended again. Returns the numbers of labels added and known, and of rows
    without_answer.

    Raises InputError if the file or any row is wrong; nothing is imported then.
    """
    read = _READERS[file_format or format_of(file)]
    rows = list(read(file, (spec.labels or Labels()).csv))
    answered = [
        row for row in rows if row.problem or first_value(row.values, *ANSWER_COLUMNS) is not None
    ]
    labels, problems = [], []
    for row in answered:
        try:
            labels.append(label_of(row, spec))
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
    """List which labels name a record that the last run did not read."""
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

    file_format: one of FORMATS; by the ending if omitted. label_studio writes tasks with the values
    of both records, first of the labelled pairs, then of those that label_queue asks about; it
    alone reads the lake.
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
        tasks = [task_of(shown, label) for shown, label in zip(labelled, labels, strict=True)]
        tasks += [task_of(shown) for shown in asked]
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
    """Return the format that the ending of a file stands for.

    Raises InputError if it stands for none.
    """
    try:
        return FORMAT_OF_ENDING[file.suffix.lower()]
    except KeyError:
        raise InputError(
            f"{file}: the ending {file.suffix!r} names no format; it must be .csv, .jsonl or .json"
            " (Label Studio tasks), or say --format"
        ) from None


def _csv_rows(file: Path, style: CsvFormat) -> Iterator[Row]:
    check_is_table(file, "csv")
    layout = find_layout(file, style, ["left_id", "right_id"])
    names = [plain_name(name) for name in layout.header]
    missing = [name for name in ("left_id", "right_id") if name not in names]
    if not set(ANSWER_COLUMNS) & set(names):
        missing.append(ANSWER_COLUMNS[0])
    if missing:
        raise InputError(
            f"{file}:{layout.lines_above}: has no column {', '.join(map(repr, missing))}; it has"
            f" {', '.join(map(repr, layout.header))}. Name them left_id, right_id, answer"
        )
    for row in csv_rows(file, layout):
        yield Row(f"line {row.line}", dict(zip(names, row.cells, strict=False)), row.reason)


def _jsonl_rows(file: Path, style: CsvFormat) -> Iterator[Row]:
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


def _task_rows(file: Path, style: CsvFormat) -> Iterator[Row]:
    return task_rows(file, _read_text(file))


_READERS: dict[str, Callable[[Path, CsvFormat], Iterator[Row]]] = {
    "csv": _csv_rows,
    "jsonl": _jsonl_rows,
    "label_studio": _task_rows,
}


def _read_text(file: Path) -> str:
    encoding = encoding_of(file, None)
    with opened(file) as content:
        read = content.read()
    try:
        return read.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = read.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{file}:{line}: byte 0x{read[error.start]:02X} is not {encoding} text; save the file"
            " as UTF-8"
        ) from error


def _new_ones(labels: Sequence[Label], lines: Sequence[Label]) -> list[Label]:
    """Return the labels that say something new; lines: the journal.

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
