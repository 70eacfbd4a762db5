"""Column readings: how the values of a column are to be read, as the column of a source shows."""

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from er_pipeline.blocking.records.day_orders import DayOrder, day_orders
from er_pipeline.blocking.records.name_marks import name_marks
from er_pipeline.blocking.records.number_marks import NumberMarks, number_marks
from er_pipeline.blocking.spec.kinds import FULL_NAME, NamePart
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted, short_form
from er_pipeline.blocking.values.cleaning import (
    CleaningOptions,
    PortableCleaner,
    several_values,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ColumnReadings:
    """How to clean every field, source by source.

    options: of each field one per source. orders: what its columns of dates show. numbers: what
    those of numbers show.
    """

    options: dict[str, list[CleaningOptions]]
    orders: list[DayOrder]
    numbers: list[NumberMarks]


def read_columns(engine: Engine, table: str, spec: PipelineSpec) -> ColumnReadings:
    """Look at the raw values of every field.

    table: of the engine, with source_no and the fields as texts.
    """
    kinds = spec.field_kinds
    orders = day_orders(engine, table, [name for name, kind in kinds.items() if kind == "date"])
    numbers = number_marks(
        engine, table, [name for name, kind in kinds.items() if kind == "number"]
    )
    marks = name_marks(engine, table, kinds)
    of_dataset = spec.cleaning.options
    options = {name: [of_dataset for _ in spec.sources] for name in kinds}
    for order in orders:
        of_source = options[order.field]
        found = of_source[order.source_no]
        if order.dots:
            found = replace(found, dots_day_first=order.is_day_first(default=True))
        elif spec.cleaning.day_first is None:
            found = replace(found, day_first=order.is_day_first(default=False))
        of_source[order.source_no] = found
    if spec.cleaning.decimal_comma is None:
        for shown in numbers:
            of_source = options[shown.field]
            of_source[shown.source_no] = replace(
                of_source[shown.source_no], decimal_comma=shown.is_decimal_comma
            )
    for name, of_source in options.items():
        for source_no, found in enumerate(of_source):
            of_source[source_no] = replace(
                found,
                marks=frozenset(m for f, no, m in marks.marks if (f, no) == (name, source_no)),
                number=spec.cleaning.numbers.get(name),
                kept=frozenset(m for f, no, m in marks.kept if (f, no) == (name, source_no)),
            )
    return ColumnReadings(options, orders, numbers)


@dataclass(frozen=True)
class CleanColumn:
    """A field once cleaned: the engine table `table` (value, result and, if need be, reading).

    Its value is the `short_form` of the raw one; `same` compares them.

    readings: of each source, which of several readings it has; none where all have one.
    part: of a full name, whose table holds both parts; its last name stands for the whole.
    several: says whether a raw value holds several values, of which this kind takes the first.
    """

    field: str
    table: str
    readings: tuple[int, ...] = ()
    part: NamePart | None = None
    several: Callable[[str], bool] | None = dataclasses.field(default=None, compare=False)

    def result(self, clean: str) -> str:
        """Write the clean value of a row of the table, by its alias."""
        if self.part is None:
            return f"{clean}.result"
        return f"nullif(split_part({clean}.result, chr(9), {1 if self.part == 'last' else 2}), '')"

    def same(self, raw: str, clean: str) -> str:
        """Write the condition that a row of the table is that of a raw row, both by their alias."""
        condition = f"{clean}.value = {short_form(f'{raw}.{quoted(self.field)}')}"
        if not self.readings:
            return condition
        cases = " ".join(f"when {no} then {nth}" for no, nth in enumerate(self.readings))
        return f"{condition} and {clean}.reading = case {raw}.source_no {cases} end"


def clean_columns(
    engine: Engine, table: str, spec: PipelineSpec, readings: ColumnReadings
) -> Iterator[CleanColumn]:
    """Clean every field; table: of the engine, with source_no and the raw fields."""
    of_whole: dict[str, CleanColumn] = {}
    for nth, (name, kind) in enumerate(spec.field_kinds.items(), start=1):
        logger.info("cleaning %s (%s; %s of %s)", name, kind, nth, len(spec.field_kinds))
        whole, part = spec.name_parts.get(name, (name, None))
        if whole not in of_whole:
            of_whole[whole] = clean_column(
                engine, table, name, FULL_NAME if part else kind, readings.options[name]
            )
        yield replace(of_whole[whole], field=name, part=part)


def clean_column(
    engine: Engine, table: str, name: str, kind: str, options: Sequence[CleaningOptions]
) -> CleanColumn:
    """Clean the distinct raw values of a field; options: one per source."""
    distinct = list(dict.fromkeys(options))
    several = several_values(kind, distinct[0]) if kind in ("email", "phone") else None
    kept = short_form("value")
    if len(distinct) == 1:
        call = _cleaner(kind, distinct[0])
        engine.map_distinct(f"clean_{name}", f"select {quoted(name)} from {table}", call, kept)
        return CleanColumn(name, f"clean_{name}", several=several)
    readings = tuple(distinct.index(of_source) for of_source in options)
    parts = []
    for reading, of_sources in enumerate(distinct):
        sources = ", ".join(str(no) for no, nth in enumerate(readings) if nth == reading)
        engine.map_distinct(
            f"cleaned_by_{reading}",
            f"select {quoted(name)} from {table} where source_no in ({sources})",
            _cleaner(kind, of_sources),
            kept,
        )
        parts.append(f"select value, result, {reading} as reading from cleaned_by_{reading}")
    engine.make_table(f"clean_{name}", " union all ".join(parts))
    return CleanColumn(name, f"clean_{name}", readings, several=several)


def _cleaner(kind: str, options: CleaningOptions) -> PortableCleaner:
    return PortableCleaner(None if kind == FULL_NAME else kind, options)
