"""Labels: what people said of pairs. A journal keeps every answer, a table those in force.

The journal is a text file of the user's own, one JSON object per line, only ever appended to. It
names records by source and id as the user wrote them, so it outlives every renumbering.
"""

import fcntl
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from er_pipeline.blocking.records.true_pairs import example_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError, SpecError
from er_pipeline.blocking.tables.files import replace as replace_file
from er_pipeline.blocking.tables.files import write_draft
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.outside import files_outside
from er_pipeline.blocking.tables.pictures import Shown, numbers
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, Facts, Table, arrow_of
from er_pipeline.blocking.tables.views import pairs_by_id

logger = logging.getLogger(__name__)

ANSWERS = ("match", "no_match", "unsure")
# In the journal only: the pair has no answer any more.
RETRACTED = "retracted"
# Why label_queue asks about a pair.
ASK_REASONS = ("likely_uncovered", "dearest_rule", "audit")
# Why it is asked about before the queue: it alone holds two groups of records together.
BRIDGE = "bridge"
# Why a pair was judged: it was asked about, or its label was imported from a file.
LABEL_REASONS = (*ASK_REASONS, BRIDGE, "imported")
RECORD_COLUMNS = ("left_source", "left_id", "right_source", "right_id")
SAID = ("answer", "who", "at", "source", "reason")
COLUMNS = (*RECORD_COLUMNS, *SAID)
GIVEN = (
    Column("label_no", "INTEGER", "Place among the labels", minimum=1),
    *(Column(name, "VARCHAR", "As the journal has it") for name in COLUMNS),
)

LABELS = Table(
    "labels",
    "Pairs that people have judged, each once, its last answer.",
    [
        LEFT_NO,
        RIGHT_NO,
        Column("answer", "VARCHAR", "What was said of the pair", allowed=ANSWERS),
        Column("who", "VARCHAR", "Who said it"),
        Column("at", "VARCHAR", "When, in UTC, as ISO 8601"),
        Column("source", "VARCHAR", "Where it comes from: human, import, model"),
        Column("reason", "VARCHAR", "Why the pair was asked; imported if it was not"),
    ],
    pairs_by_id("labels", after=[f"p.{quoted(name)}" for name in SAID]),
    is_from_outside=True,
)


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that reads what people have judged, if they have a journal."""
    if spec.labels is None:
        return []
    return [
        Step(
            writes=[LABELS],
            reads=["cleaned_records"],
            settings=[spec.labels.path, spec.link_mode],
            run=partial(read_labels, spec=spec),
            stage="training",
            count=partial(read_labels, spec=spec) if spec.learns else None,
            show=_show,
            lineage={"source": ()},  # of the label, not of a record
            outside=partial(_outside, spec),
        )
    ]


class RecordName(NamedTuple):
    """A record as its user knows it."""

    source: str
    record_id: str


@dataclass(frozen=True)
class Label:
    """One answer about one pair.

    answer: one of ANSWERS, or RETRACTED. at: ISO 8601, in UTC.
    source: what kind of judge gave it: human, import, model.
    """

    left: RecordName
    right: RecordName
    answer: str
    who: str
    at: str
    source: str = "human"
    reason: str = "imported"

    @property
    def pair(self) -> tuple[RecordName, RecordName]:
        """The two records, the same whichever of them stands on the left."""
        return min(self.left, self.right), max(self.left, self.right)

    @property
    def row(self) -> dict[str, str]:
        """The label as the journal and exported files write it."""
        texts = (self.answer, self.who, self.at, self.source, self.reason)
        return dict(zip(COLUMNS, (*self.left, *self.right, *texts), strict=True))


class Journal:
    """The file that every answer is appended to."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made by the first answer."""
        self.path = path

    def read(self) -> list[Label]:
        """Read all lines, oldest first; none where the file is not there yet.

        A last line without its end, as a crash leaves it, is passed over with a warning.
        Raises InputError for any other line that cannot be read.
        """
        try:
            *lines, rest = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from error
        labels = []
        for i, line in enumerate(lines, 1):
            if line.strip():
                try:
                    labels.append(_parse(line))
                except ValueError as error:
                    raise InputError(
                        f"{self.path}:{i}: {error}; correct the line, or delete it to forget the"
                        " answer"
                    ) from error
        if rest.strip():
            try:
                labels.append(_parse(rest))
            except ValueError:
                logger.warning(
                    "%s:%d: the last line is torn and left out; the answer it would have held was"
                    " not kept: give it again",
                    self.path,
                    len(lines) + 1,
                )
        return labels

    def append(self, labels: Sequence[Label]) -> int:
        """Write labels to the end; return how many bytes they are, on the disk by then.

        A torn last line is dropped first. Several programs may append at the same time.
        Raises InputError if the file cannot be written.
        """
        lines = (json.dumps(label.row, ensure_ascii=False) + "\n" for label in labels)
        text = "".join(lines).encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._held() as file:
                _mend_end(file)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}), so the last answer is lost;"
                " make room or correct `labels: {path: ...}`"
            ) from error
        return len(text)

    def lines_of(self, records: Collection[RecordName]) -> int:
        """Count the lines that name any of some records."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return 0
        return sum(_names(line, records) for line in lines)

    def forget(self, records: Collection[RecordName]) -> int:
        """Take out every line that names any of some records; return how many went.

        The file is written anew and renamed into its place, so a kill leaves it whole.
        Raises InputError if it cannot be written.
        """
        if not self.lines_of(records):
            return 0
        try:
            with self._held() as file:
                file.seek(0)
                lines = file.read().splitlines(keepends=True)
                kept = [line for line in lines if not _names(line, records)]
                path = self.path.resolve()
                draft = write_draft(path, "")
                draft.write_bytes(b"".join(kept))
                shutil.copymode(path, draft)
                replace_file(draft, path)
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); make room, or correct its"
                " permissions"
            ) from error
        return len(lines) - len(kept)

    @contextmanager
    def _held(self) -> Iterator[BinaryIO]:
        """Open the file and hold it, though another program renames a new one into its place."""
        while True:
            with self.path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if self.path.exists() and os.path.samestat(
                    os.fstat(file.fileno()), self.path.stat()
                ):
                    yield file
                    return


def journal_of(spec: PipelineSpec) -> Journal:
    """Find the journal of a dataset.

    Raises SpecError if the dataset declares no labels.
    """
    if spec.labels is None:
        raise SpecError(
            f"dataset {spec.dataset!r} declares no labels; write `labels: {{path: labels.jsonl}}`"
            " below `attributes:` of its defs.yaml"
        )
    return Journal(spec.resolved(spec.labels.path))


def labels_in_force(lines: Iterable[Label]) -> tuple[list[Label], int]:
    """Find what holds of every pair: its last line, unless that retracts it.

    lines: oldest first, as the journal gives them. Returns the labels in the order of their
    lines, and the number of pairs that one judge calls a match and another one does not.
    """
    of_pair: dict[tuple[RecordName, RecordName], dict[str, Label]] = {}
    for line in lines:
        by_judge = of_pair.pop(line.pair, {})
        if line.answer != RETRACTED:
            by_judge.pop(line.who, None)
            of_pair[line.pair] = {**by_judge, line.who: line}
    conflicts = sum(
        {"match", "no_match"} <= {label.answer for label in by_judge.values()}
        for by_judge in of_pair.values()
    )
    return [list(by_judge.values())[-1] for by_judge in of_pair.values()], conflicts


def read_labels(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Write the labels in force as pairs of record numbers.

    Reads cleaned_records and the journal. Writes labels (left_no, right_no, answer, who, at,
    source, reason), each pair once, left_no < right_no, sorted by both.
    Returns the facts kept beside the table: labels, matches, non_matches, unsure, and what was
    left out: unknown_records (labels that name a record which is not there: idle ones), same_record
    and within_one_source (in link mode); conflicts are pairs that people disagree about.

    Raises InputError if a line of the journal cannot be read.
    """
    journal = journal_of(spec)
    labels, conflicts = labels_in_force(journal.read())
    lake.open(engine, "cleaned_records")
    give_labels(engine, labels, "given_labels")
    across = "l.source_no = r.source_no" if spec.link_mode == "link" else "false"
    engine.make_table(
        "numbered_labels",
        f"""
        select least(l.record_no, r.record_no) as left_no,
            greatest(l.record_no, r.record_no) as right_no,
            g.left_id, g.right_id, g.answer, g.who, g."at", g.source, g.reason,
            case when l.record_no is null or r.record_no is null then 'unknown_records'
                when l.record_no = r.record_no then 'same_record'
                when {across} then 'within_one_source'
            end as left_out
        from given_labels as g
        left join cleaned_records as l on l.record_id = g.left_id and l.source = g.left_source
        left join cleaned_records as r on r.record_id = g.right_id and r.source = g.right_source
        """,
    )
    left_out = dict(
        engine.rows(
            "select left_out, count(*) from numbered_labels where left_out is not null"
            " group by left_out"
        )
    )
    for reason, n_labels in left_out.items():
        logger.warning(
            "%s: labels left out: %d (%s), such as %s",
            journal.path,
            n_labels,
            reason.replace("_", " "),
            example_pairs(
                engine,
                f"select left_id, right_id from numbered_labels where left_out = {literal(reason)}",
            ),
        )
    columns = [column.name for column in LABELS.columns]
    with lake.writing("labels") as draft:
        engine.write(
            f"select {', '.join(map(quoted, columns))} from numbered_labels"
            " where left_out is null order by left_no, right_no",
            draft.file(),
        )
        engine.read_folder(draft.folder, "written_labels")
        draft.content = engine.fingerprint("written_labels", columns)
        answers: Counter[str] = Counter(
            dict(engine.rows("select answer, count(*) from written_labels group by answer"))
        )
        draft.facts.update(
            labels=answers.total(),
            matches=answers["match"],
            non_matches=answers["no_match"],
            unsure=answers["unsure"],
            conflicts=conflicts,
            **{
                reason: left_out.get(reason, 0)
                for reason in ("unknown_records", "same_record", "within_one_source")
            },
        )
        return dict(draft.facts)


def _outside(spec: PipelineSpec, lake: Lake) -> dict[str, str]:
    return files_outside([journal_of(spec).path], spec.folder)


def _show(facts: Facts) -> Mapping[str, Shown]:
    # They hold again should their records come back.
    return {**numbers(facts), "idle": facts["unknown_records"]}


def give_labels(engine: Engine, labels: Iterable[Label], name: str) -> None:
    """Make a table of the engine from labels, with the columns of the journal, in its order."""
    rows = [(i, *label.row.values()) for i, label in enumerate(labels, 1)]
    engine.put(name, arrow_of(GIVEN, rows))


def _parse(line: bytes) -> Label:
    """Read one line of the journal; raise ValueError that says what is wrong with it."""
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON ({error.msg})") from error
    if not isinstance(row, Mapping):
        raise ValueError("is no JSON object")
    wrong = [name for name in COLUMNS if not isinstance(row.get(name), str)]
    if wrong:
        raise ValueError(f"has no text in {', '.join(wrong)}")
    if row["answer"] not in (*ANSWERS, RETRACTED):
        raise ValueError(f"answer {row['answer']!r} is none of {', '.join((*ANSWERS, RETRACTED))}")
    return Label(
        RecordName(row["left_source"], row["left_id"]),
        RecordName(row["right_source"], row["right_id"]),
        *(row[name] for name in COLUMNS if name not in RECORD_COLUMNS),
    )


def _names(line: bytes, records: Collection[RecordName]) -> bool:
    """Say whether a line of the journal names any of some records, though it may be torn."""
    try:
        return not set(records).isdisjoint(_parse(line).pair)
    except ValueError:
        return any(json.dumps(r.record_id, ensure_ascii=False).encode() in line for r in records)


def _mend_end(file: BinaryIO) -> None:
    """Let the file end with a whole line: end a line that lacks only that, drop a torn one."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    rest = file.read().rpartition(b"\n")[2]
    try:
        _parse(rest)
    except ValueError:
        file.truncate(size - len(rest))
    else:
        file.write(b"\n")
