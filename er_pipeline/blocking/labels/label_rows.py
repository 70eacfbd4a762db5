"""Label rows: what a row of a label file says, whatever kind of file it stands in."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from er_pipeline.blocking.labels.labels import LABEL_REASONS, Label, RecordName
from er_pipeline.blocking.labels.moments import utc_text
from er_pipeline.blocking.spec.pipeline import PipelineSpec

# What other tools write, in lower case and with _ for blanks and hyphens.
MEANINGS = {
    **dict.fromkeys(("match", "1", "1.0", "true", "yes"), "match"),
    **dict.fromkeys(("no_match", "non_match", "0", "0.0", "false", "no"), "no_match"),
    "unsure": "unsure",
}
ANSWER_COLUMNS = ("answer", "label")


class Row(NamedTuple):
    """One row of a file as it was read.

    place: where it stands, for messages. problem: why its values cannot be read, if so.
    """

    place: str
    values: Mapping[str, Any]
    problem: str = ""


def label_of(row: Row, spec: PipelineSpec) -> Label:
    """Return the label of a row with an answer; who and when are empty if the row says neither.

    Raises ValueError that says what is wrong and what to do.
    """
    if row.problem:
        raise ValueError(row.problem)
    given = first_value(row.values, *ANSWER_COLUMNS)
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
        at=_moment(first_value(row.values, "at", "created_at")),
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
    value = first_value(values, *columns)
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


def first_value(values: Mapping[str, Any], *columns: str) -> Any:
    """Return the first value that is there, if any; an empty text is none."""
    return next((values[name] for name in columns if values.get(name) not in (None, "")), None)
