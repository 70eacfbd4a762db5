"""Number marks: whether a column of numbers has a comma or a point before decimals, as it shows.

1.234 alone leaves it open; 12,50 in the same column of the same source does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.values.numbers import COMMA_SHOWN, OPEN, POINT_SHOWN

NUMBER_MARKS_CHECK = Check(
    "number_marks_are_clear",
    "A number such as 1.234 is read a thousand times too small or too large without a word.",
    stops=False,
)


@dataclass(frozen=True)
class NumberMarks:
    """What the numbers of one column of one source show.

    comma, point: numbers that show the one or the other before decimals. open: those that show
    neither and hold a mark before three digits.
    """

    field: str
    source_no: int
    comma: int
    point: int
    open: int

    @property
    def is_decimal_comma(self) -> bool:
        """How the open numbers are read: as most others, with a point where none shows."""
        return self.comma > self.point


def number_marks(engine: Engine, table: str, fields: Sequence[str]) -> list[NumberMarks]:
    """Count what the numbers of every field show, by source; none where no number has a mark.

    table: of the engine, with source_no and the fields as texts.
    """
    if not fields:
        return []
    counted = " union all ".join(
        f"select {literal(field)} as field, source_no, {quoted(field)} as text, count(*) as n"
        f" from {table} where {quoted(field)} is not null group by all"
        for field in fields
    )
    shows = {
        name: f"regexp_extract(text, {literal(pattern)}) <> ''"
        for name, pattern in (("comma", COMMA_SHOWN), ("point", POINT_SHOWN), ("open", OPEN))
    }
    sums = ", ".join(
        f"coalesce(sum(n) filter ({condition}), 0) as {quoted(name)}"
        for name, condition in shows.items()
    )
    rows = engine.rows(
        f"with texts as ({counted})"
        f" select field, source_no, {sums} from texts"
        f" where {' or '.join(shows.values())} group by all order by all"
    )
    return [NumberMarks(*row[:2], *map(int, row[2:])) for row in rows]


def judge_number_marks(
    marks: Sequence[NumberMarks], sources: Sequence[str], decimal_comma: bool | None
) -> Verdict:
    """Warn of columns whose numbers show both marks, none, or another one than was declared.

    sources: the sources' names, by number. decimal_comma: as declared, none where columns decide.
    """
    doubts, clear = [], []
    for found in marks:
        is_comma = found.is_decimal_comma if decimal_comma is None else decimal_comma
        seen = (
            f"{found.field} of {sources[found.source_no]}: {found.comma:,} numbers have a comma"
            f" before decimals, {found.point:,} a point, {found.open:,} leave it open and are read"
            f" with a {'comma' if is_comma else 'point'}"
        )
        if not found.open:
            continue
        if (found.comma and found.point) or (found.point if is_comma else found.comma):
            doubts.append(seen)
        elif decimal_comma is None and not (found.comma or found.point):
            doubts.append(f"{seen}, as nothing shows it")
        else:
            clear.append(seen)
    if doubts:
        cure = "Set cleaning: {decimal_comma: true} or false for all sources."
        return Verdict(NUMBER_MARKS_CHECK.name, False, "warn", f"{'; '.join(doubts)}. {cure}")
    text = "; ".join(clear) if clear else "No number leaves open which mark is before its decimals"
    return Verdict(NUMBER_MARKS_CHECK.name, True, "warn", f"{text}.")
