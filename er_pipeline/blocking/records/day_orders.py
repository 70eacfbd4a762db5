"""Day orders: whether a column of dates writes the day or the month first, as it shows itself.

03/04/2020 alone shows nothing; 25/12/2020 in the same column of the same source does. Between dots
and between other marks a column may keep two orders, so each is looked at for itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict

DAY_ORDER_CHECK = Check(
    "day_order_is_clear",
    "Dates such as 03/04/2020 are read the wrong way round without a word.",
    stops=False,
)

# Two numbers, the same mark between them and a year; a time or more may follow.
_PATTERN = r"^\W*(?:[^\d\W]+[., ]+)?(\d\d?) ?([-/. ]) ?(\d\d?) ?[-/. ] ?\d{4}(?:\D|$)"


@dataclass(frozen=True)
class DayOrder:
    """What the dates of one column of one source show, between marks of one sort.

    dots: whether the marks are dots. day_first, month_first: dates whose first part, or whose
    second part, is over 12. ambiguous: dates with two different numbers up to 12.
    """

    field: str
    source_no: int
    dots: bool
    day_first: int
    month_first: int
    ambiguous: int

    def is_day_first(self, default: bool) -> bool:
        """Say how the ambiguous dates are read: as most others; default: where none shows."""
        if self.day_first == self.month_first:
            return default
        return self.day_first > self.month_first

    @property
    def contradicts_itself(self) -> bool:
        """Whether some dates show the one order and some the other."""
        return bool(self.day_first and self.month_first)

    @property
    def shows_nothing(self) -> bool:
        """Whether there are ambiguous dates and no date that shows how to read them."""
        return bool(self.ambiguous) and self.day_first == self.month_first


def day_orders(engine: Engine, table: str, fields: Sequence[str]) -> list[DayOrder]:
    """Count what the dates of every field show, by source; none where no date is so written.

    table: of the engine, with source_no and the fields as texts.
    """
    if not fields:
        return []
    counted = " union all ".join(
        f"select {literal(field)} as field, source_no, {quoted(field)} as text, count(*) as n"
        f" from {table} where {quoted(field)} is not null group by all"
        for field in fields
    )
    rows = engine.rows(
        f"""
        with texts as ({counted}),
        parts as (
            select field, source_no, n,
                regexp_extract(text, {literal(_PATTERN)}, ['first', 'mark', 'second']) as part
            from texts
        ),
        numbers as (
            select field, source_no, n, part.mark = '.' as dots,
                try_cast(part.first as integer) as first, try_cast(part.second as integer) as second
            from parts where part.first <> ''
        )
        select field, source_no, dots,
            coalesce(sum(n) filter (first > 12 and second <= 12), 0),
            coalesce(sum(n) filter (second > 12 and first <= 12), 0),
            coalesce(sum(n) filter (first <= 12 and second <= 12 and first <> second), 0)
        from numbers group by all order by all
        """
    )
    return [DayOrder(*row[:3], *map(int, row[3:])) for row in rows]


def judge_day_orders(
    orders: Sequence[DayOrder], sources: Sequence[str], day_first: bool | None
) -> Verdict:
    """Warn of columns whose dates show both orders, none, or another one than was declared.

    sources: the sources' names, by number. day_first: as declared, none where columns decide.
    """
    doubts, clear = [], []
    for order in orders:
        default = order.dots if order.dots or day_first is None else day_first
        is_declared = day_first is not None and not order.dots
        read = default if is_declared else order.is_day_first(default)
        seen = (
            f"{order.field} of {sources[order.source_no]}"
            f"{' (between dots)' if order.dots else ''}: {order.day_first:,} dates have a first"
            f" part over 12, {order.month_first:,} a second one, {order.ambiguous:,} neither; read"
            f" {'day' if read else 'month'} first"
        )
        against = order.month_first if read else order.day_first
        if order.contradicts_itself or (is_declared and against):
            doubts.append(seen)
        elif order.shows_nothing and not (order.dots or is_declared):
            doubts.append(f"{seen}, as nothing shows the order")
        elif order.ambiguous:
            clear.append(seen)
    cure = (
        "Set cleaning: {day_first: true} or false for all sources, or mend the dates that are"
        " written the other way; a number over 12 is the day either way."
    )
    if doubts:
        return Verdict("day_order_is_clear", False, "warn", f"{'; '.join(doubts)}. {cure}")
    text = "; ".join(clear) if clear else "No date leaves open which number is the day"
    return Verdict("day_order_is_clear", True, "warn", f"{text}.")
