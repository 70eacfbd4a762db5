"""Traces: where tables and texts name records that are to be forgotten.

A row is of a record where the record's number stands in it, or its id beside its source. A value is
a trace where it is distinctive: no row of another record has it. Both to take a record out and to
prove that nothing is left, files are looked at in this one way.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from er_pipeline.blocking.tables.sql import literal, quoted

MASK = "(forgotten)"
# Columns of numbers of records, and how the names of others end.
RECORD_NUMBERS = ("record_no", "left_no", "right_no", "entity_no")
NUMBER_ENDING = "_record_no"
RECORD_IDS = ("record_id", "left_id", "right_id")
# The least number among an entity's records stands for the entity.
# Columns of an event in the life of an entity.
EVENT_NO, OF_EVENT = "event_no", ("source", "record_id")
ENTITY_NO = "entity_no"
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
LISTS_OF_NUMBERS = tuple(f"{kind}[]" for kind in NUMBERS)
# Columns of sentences and of lines of files, which may hold more than one value.
PROSE = ("text", "detail", "note")
# Notes and sections that quote raw values, of whatever record; they go as a whole.
EXAMPLES = ("examples", "emptied_examples", "reading_notes")
# Why a check or a step failed quotes what it found; such sentences go as a whole, too.
REMOVED = "(a sentence that was removed when a record was forgotten)"
# A shorter value is a number or a mark: it stands everywhere and gives nobody away.
LEAST_SPEAKING = 4
CELL_BOUNDARY = r"[,;|\t\"' ]"


@dataclass(frozen=True)
class RowTraces:
    """What has to be done to the rows of a file: SQL over its columns.

    removed: condition of the rows that go. replaced: column -> expression, of the rows that stay.
    """

    removed: str
    replaced: Mapping[str, str] = field(default_factory=dict)

    @property
    def touched(self) -> str:
        """The condition of the rows that go or change."""
        changed = [f"{quoted(c)} is distinct from {sql}" for c, sql in self.replaced.items()]
        return " or ".join([f"coalesce({self.removed}, false)", *changed])


@dataclass(frozen=True)
class Traces:
    """What gives records of one source away.

    record_ids: their ids. values: their distinctive values.
    """

    source: str
    record_ids: Collection[str]
    values: Collection[str] = ()

    @property
    def names(self) -> list[str]:
        """The records as sentences and lists call them where there are several sources."""
        joined = (f"{self.source}{sign}{i}" for i in self.record_ids for sign in "-:/")
        return sorted(joined)

    def in_rows(
        self,
        columns: Sequence[tuple[str, str]],
        numbers: Collection[int],
        moved: Mapping[int, int],
    ) -> RowTraces:
        """Say which rows of a file are of the records.

        columns: (name, type) of the file. numbers: of the records, in the run that made it. moved:
        of those that stand for an entity, the number that does so without them.
        """
        removed, replaced = ["false"], dict[str, str]()
        known, types = self._texts(), dict(columns)
        if EVENT_NO in types:  # what happened to an entity stays, without the record that shows why
            named = f"record_id in ({_texts(self.record_ids)}) and source = {literal(self.source)}"
            gone = {name: f"case when {named} then null else {name} end" for name in OF_EVENT}
            return RowTraces("false", gone)
        for name, kind in columns:
            column = quoted(name)
            if name != ENTITY_NO and is_number_of_record(name, kind):
                removed.append(f"{column} in ({_numbers(numbers)})")
            elif is_number_of_record(name, kind):
                removed.append(f"{column} in ({_numbers(set(numbers) - set(moved))})")
                replaced |= {name: _moved(column, moved)} if moved else {}
            elif kind == "VARCHAR" and (name in RECORD_IDS or _source_of(name) in types):
                source = _source_of(name)
                is_of_source = f"{quoted(source)} = {literal(self.source)}"
                is_of_source = is_of_source if source in types else "true"
                removed.append(f"({column} in ({_texts(self.record_ids)}) and {is_of_source})")
                removed.append(f"{column} in ({_texts(self.names)})")
            elif kind == "VARCHAR" and name in PROSE:
                is_of_source = f"source = {literal(self.source)}" if "source" in types else "true"
                found = f"regexp_matches({column}, {literal(self._cells())}, 'i')"
                replaced[name] = (
                    f"case when {is_of_source} and {found} then {literal(MASK)} else {column} end"
                )
            elif kind == "VARCHAR":
                removed.append(f"{column} in ({_texts(known)})")
                if name == "section":
                    removed.append(f"{column} in ({_texts(EXAMPLES)})")
            elif kind == "VARCHAR[]":
                unlike = f"lambda x: x is null or x not in ({_texts(known)})"
                replaced[name] = f"list_filter({column}, {unlike})"
            elif kind in LISTS_OF_NUMBERS and "record" in name and numbers:
                unlike = f"lambda x: x is null or x not in ({_numbers(numbers)})"
                replaced[name] = f"list_filter({column}, {unlike})"
        return RowTraces(" or ".join(removed), replaced)

    def mask(self, text: str) -> str:
        """Return a text without the records: a word that is one goes whole, of a sentence a part.

        In a sentence an id counts wherever it is a word, though it may be a figure there.
        """
        if text.strip() in {*self.record_ids, *self._texts()}:
            return MASK
        if re.search(r"\s", text.strip()):
            return self._words([*self.record_ids, *self._texts()]).sub(MASK, text)
        return self._words(self.names).sub(MASK, text)

    def mask_note(self, note: Any) -> Any:
        """Return a JSON value without the records; examples of values go as a whole."""
        if isinstance(note, str):
            return self.mask(note)
        if isinstance(note, list):
            return [self.mask_note(part) for part in note]
        if not isinstance(note, dict):
            return note
        if "text" in note and (set(note) == {"text", "at"} or note.get("passed") is False):
            note = {**note, "text": REMOVED}
        return {
            key if key.isidentifier() else self.mask(key): type(part)()
            if key in EXAMPLES
            else self.mask_note(part)
            for key, part in note.items()
        }

    def words_in(self, text: str) -> set[str]:
        """Give the values that stand in a text as words."""
        return {value for value in self.values if self._words([value]).search(text)}

    def is_in_bytes(self, content: bytes) -> bool:
        """Say whether a file that is neither a table nor a note holds a name or value as it is."""
        return any(text.encode() in content for text in self._texts() if is_speaking(text))

    def _texts(self) -> list[str]:
        """List what is a trace wherever it stands as a whole."""
        return sorted({*self.names, *self.values})

    def _words(self, texts: Collection[str]) -> re.Pattern[str]:
        ordered = sorted(texts, key=lambda text: (-len(text), text))
        listed = "|".join(map(re.escape, ordered)) or r"(?!)"
        # Not within a word or a longer number: 17 is neither in 1,017 nor in 17.5.
        return re.compile(rf"(?<![\w])(?<!\d[.,])(?:{listed})(?!\w|[.,]\d)", re.IGNORECASE)

    def _cells(self) -> str:
        """Write the pattern, for DuckDB, of a line with one of the texts in a cell."""
        texts = [*self.record_ids, *self._texts()]
        listed = "|".join(re.sub(r"([^\w\s])", r"\\\1", text) for text in sorted(texts))
        return rf"(^|{CELL_BOUNDARY})({listed})($|{CELL_BOUNDARY})"


def is_speaking(value: str) -> bool:
    """Say whether a value is long enough to give somebody away wherever it stands."""
    return len(value) >= LEAST_SPEAKING


def is_number_of_record(column: str, kind: str) -> bool:
    """Say whether a column, of a type, holds numbers of records."""
    return kind in NUMBERS and (column in RECORD_NUMBERS or column.endswith(NUMBER_ENDING))


def _source_of(column: str) -> str:
    """Name the column of the source that an id is of: left_source of left_id."""
    return f"{column.removesuffix('record_id').removesuffix('id')}source"


def _moved(column: str, moved: Mapping[int, int]) -> str:
    cases = "".join(f" when {old} then {new}" for old, new in sorted(moved.items()))
    return f"cast(case {column}{cases} else {column} end as integer)"


def _numbers(numbers: Collection[int]) -> str:
    return ", ".join(map(str, sorted(numbers))) or "null"


def _texts(texts: Collection[str]) -> str:
    return ", ".join(map(literal, sorted(texts))) or "null"
