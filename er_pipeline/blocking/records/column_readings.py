"""Column readings: how the values of a column are to be read, as the column of a source shows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from er_pipeline.blocking.records.day_orders import DayOrder, day_orders
from er_pipeline.blocking.records.name_marks import name_marks
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.cleaning import CleaningOptions, cleaner


@dataclass(frozen=True)
class ColumnReadings:
    """How to clean every field, source by source.

    options: of each field one per source. orders: what its columns of dates show.
    """

    options: dict[str, list[CleaningOptions]]
    orders: list[DayOrder]


def read_columns(engine: Engine, table: str, spec: PipelineSpec) -> ColumnReadings:
    """Look at the raw values of every field.

    table: of the engine, with source_no and the fields as texts.
    """
    kinds = spec.field_kinds
    orders = day_orders(engine, table, [name for name, kind in kinds.items() if kind == "date"])
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
    for name, of_source in options.items():
        for source_no, found in enumerate(of_source):
            of_source[source_no] = replace(
                found,
                marks=frozenset(m for f, no, m in marks.marks if (f, no) == (name, source_no)),
                kept=frozenset(m for f, no, m in marks.kept if (f, no) == (name, source_no)),
            )
    return ColumnReadings(options, orders)


@dataclass(frozen=True)
class CleanColumn:
    """A field once cleaned: the engine table `table` (value, result and, if need be, reading).

    readings: of each source, which of several readings it has; none where all have one.
    """

    field: str
    readings: tuple[int, ...] = ()

    @property
    def table(self) -> str:
        """The name of the engine table."""
        return f"clean_{self.field}"

    def same(self, raw: str, clean: str) -> str:
        """Write the condition that a row of the table is that of a raw row, both by their alias."""
        condition = f"{clean}.value = {raw}.{quoted(self.field)}"
        if not self.readings:
            return condition
        cases = " ".join(f"when {no} then {nth}" for no, nth in enumerate(self.readings))
        return f"{condition} and {clean}.reading = case {raw}.source_no {cases} end"


def clean_column(
    engine: Engine, table: str, name: str, kind: str, options: Sequence[CleaningOptions]
) -> CleanColumn:
    """Clean the distinct raw values of a field; options: one per source."""
    distinct = list(dict.fromkeys(options))
    if len(distinct) == 1:
        call = cleaner(kind, distinct[0])
        engine.map_distinct(f"clean_{name}", f"select {quoted(name)} from {table}", call)
        return CleanColumn(name)
    readings = tuple(distinct.index(of_source) for of_source in options)
    parts = []
    for reading, of_sources in enumerate(distinct):
        sources = ", ".join(str(no) for no, nth in enumerate(readings) if nth == reading)
        engine.map_distinct(
            f"cleaned_by_{reading}",
            f"select {quoted(name)} from {table} where source_no in ({sources})",
            cleaner(kind, of_sources),
        )
        parts.append(f"select value, result, {reading} as reading from cleaned_by_{reading}")
    engine.make_table(f"clean_{name}", " union all ".join(parts))
    return CleanColumn(name, readings)
