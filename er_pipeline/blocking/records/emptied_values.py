"""Emptied values: what cleaning made nothing of, counted and with examples, field by field."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from er_pipeline.blocking.records.column_readings import CleanColumn
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted, short_form
from er_pipeline.blocking.values.null_marks import is_null_mark

EXAMPLES = 3  # raw values shown of a field
_LEAST_OF_TWO_PHONES = 21  # characters
_LONGEST_EXAMPLE = 40  # characters


class FieldValues(TypedDict):
    """What became of a field's values.

    filled: records with a clean value; distinct: such values. cleaned_away: values that cleaning
    emptied: placeholders, and what is not to be read as the field's kind. null_marks: marks of no
    value, such as NULL. examples: the commonest raw values of either sort, with their records.
    cells_of_several: records whose cell holds several values of a kind that takes the first.
    """

    filled: int
    distinct: int
    cleaned_away: int
    null_marks: int
    cells_of_several: int
    examples: dict[str, int]


def values_of_fields(
    engine: Engine, raw: str, cleaned: str, columns: Sequence[CleanColumn]
) -> dict[str, FieldValues]:
    """Count what became of every field's values.

    raw, cleaned: engine tables with source_no, record_id and the fields.
    """
    fields = [column.field for column in columns]
    counts = [
        f"count({quoted(name)}), count(distinct {short_form(quoted(name))})" for name in fields
    ]
    clean = engine.row(f"select {', '.join(counts)} from {cleaned}")
    given = engine.row(
        "select "
        + ", ".join(f"count(nullif(trim({quoted(name)}), ''))" for name in fields)
        + f" from {raw}"
    )
    found: dict[str, FieldValues] = {}
    n_emptied_of = {
        column.field: 0 if column.part == "first" else given[i] - clean[2 * i]  # Cher has none
        for i, column in enumerate(columns)
    }
    _collect_emptied(engine, raw, cleaned, [name for name, n in n_emptied_of.items() if n])
    for i, column in enumerate(columns):
        n_marks, examples = 0, dict[str, int]()
        n_emptied = n_emptied_of[column.field]
        if n_emptied:
            n_marks, examples = _emptied(engine, column)
        found[column.field] = {
            "filled": clean[2 * i],
            "distinct": clean[2 * i + 1],
            "cleaned_away": n_emptied - n_marks,
            "null_marks": n_marks,
            "cells_of_several": _cells_of_several(engine, raw, column),
            "examples": examples,
        }
    return found


def emptied_figures(values_of_field: Mapping[str, FieldValues]) -> dict[str, Any]:
    """Give what the fields lost that cleaning emptied values of, by field.

    "emptied" holds values_given, values_emptied and null_marks of each; "emptied_examples" the raw
    values with their records.
    """
    lost = {name: values for name, values in values_of_field.items() if values["examples"]}
    return {
        "emptied": {
            name: {
                "values_given": values["filled"] + values["cleaned_away"],
                "values_emptied": values["cleaned_away"],
                "null_marks": values["null_marks"],
            }
            for name, values in lost.items()
        },
        "emptied_examples": {name: values["examples"] for name, values in lost.items()},
    }


def examples_text(examples: Mapping[str, int]) -> str:
    """Write examples as people read them: 'soon' (12), 'n/a' (3)."""
    return ", ".join(f"{value!r} ({n:,})" for value, n in examples.items())


def _collect_emptied(engine: Engine, raw: str, cleaned: str, fields: Sequence[str]) -> None:
    """Make emptied_cells: of some fields, the raw values that cleaning made nothing of."""
    if not fields:
        return
    columns = ", ".join(
        f"case when c.{name} is null and trim(r.{name}) <> '' then r.{name} end as {name}"
        for name in map(quoted, fields)
    )
    emptied = " or ".join(f"{quoted(name)} is not null" for name in fields)
    engine.make_table(
        "emptied_cells",
        f"select * from (select {columns} from {raw} as r join {cleaned} as c"
        f" on c.source_no = r.source_no and c.record_id = r.record_id) where {emptied}",
    )


def _emptied(engine: Engine, column: CleanColumn) -> tuple[int, dict[str, int]]:
    """Count the marks among a field's emptied values; give examples, marks after all others."""
    value = quoted(column.field)
    engine.make_table(
        "emptied_values",
        f"select {value} as value, count(*) as n from emptied_cells"
        f" where {value} is not null group by {value}",
    )
    engine.map_distinct(
        "emptied_marks",
        "select value from emptied_values",
        lambda value: "mark" if is_null_mark(value) else None,
    )
    joined = "emptied_values as e join emptied_marks as m on m.value = e.value"
    (n_marks,) = engine.row(
        f"select coalesce(sum(e.n), 0) from {joined} where m.result is not null"
    )
    rows = engine.rows(
        f"select left(e.value, {_LONGEST_EXAMPLE}) as example, max(e.n) as n from {joined}"
        " group by example, m.result order by m.result is not null, n desc, example"
        f" limit {EXAMPLES}"
    )
    return int(n_marks), {example: int(n) for example, n in rows}


def _cells_of_several(engine: Engine, raw: str, column: CleanColumn) -> int:
    """Count the records whose cell holds several values, of kinds that take the first of them."""
    if column.several is None:
        return 0
    name, several = quoted(column.field), column.several
    # Two signs @, or the digits of two numbers: nearly all cells need no second look.
    long = f"length({name}) >= {_LEAST_OF_TWO_PHONES} and not contains({name}, '@')"
    twice = f"({name} like '%@%@%' or ({long}))"
    engine.map_distinct(
        "several_values",
        f"select {name} from {raw} where {twice}",
        lambda text: "several" if several(text) else None,
    )
    (n_records,) = engine.row(
        f"select count(*) from {raw} as r join several_values as s"
        f" on s.value = r.{name} where s.result is not null"
    )
    return int(n_records)
