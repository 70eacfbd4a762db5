"""Term frequencies: how common the values of a field are, as the model learned it.

Two records that share a rare value are one more likely than two that share a common one, so where a
comparison counts frequencies, they are part of the model: m and u alone would not score a pair.
They are learned with it and stay in force with it. So a pair's score follows from its two records
and the model, whatever other records come or go.

Source: Splink keeps them as lookup tables, to score later records by an earlier model.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.table import Column, Table
from er_pipeline.matching.comparisons import compared_value

FREQUENCIES = Table(
    "term_frequencies",
    "How common the values were that the model learned from.",
    [
        Column("field", "VARCHAR", "The field compared"),
        Column(
            "value",
            "VARCHAR",
            "Value of two records or more, as it is compared; NULL: any other",
            required=False,
        ),
        Column("frequency", "DOUBLE", "Its share of the records that have any", minimum=0),
    ],
    view=None,
    is_internal=True,
)


def counted_fields(model: Mapping[str, Any]) -> list[str]:
    """List the fields whose frequencies a model counts; model: Splink's settings."""
    levels = [level for c in model["comparisons"] for level in c["comparison_levels"]]
    found = (level.get("tf_adjustment_column") for level in levels)
    return list(dict.fromkeys(field for field in found if field))


def write_frequencies(engine: Engine, lake: Lake, fields: Iterable[str], records: str) -> None:
    """Write term_frequencies (field, value, frequency) of some fields.

    records: engine table with the values as they are compared. A value that one record has, or that
    none has yet, is as rare as can be: one row, of the value NULL, stands for all of them.
    """
    engine.put("no_frequencies", FREQUENCIES.arrow())
    counted = [
        f"""
        select {literal(field)}, value, n / known from (
            select {name} as value, count(*) as n, cast(sum(count(*)) over () as double) as known
            from {records} where {name} is not null group by {name}
        ) where n > 1
        union all
        select {literal(field)}, null, 1 / greatest(1, cast(count({name}) as double))
        from {records}
        """
        for field in fields
        for name in [quoted(field)]
    ]
    everything = " union all ".join(["select * from no_frequencies", *counted])
    with lake.writing(FREQUENCIES.name) as draft:
        engine.write(f"select * from ({everything}) order by field, value", draft.file())


def read_frequencies(engine: Engine, lake: Lake) -> str:
    """Make the lake's term_frequencies readable; return the name of the engine's table.

    Raises LakeError if they are missing or stale.
    """
    lake.open(engine, FREQUENCIES.name)
    return FREQUENCIES.name


def frequencies_of_records(engine: Engine, lake: Lake, model: Mapping[str, Any], few: str) -> str:
    """Make the frequencies of a few records' values readable; return the name of the table.

    few: engine table with their records, as cleaned_records. All frequencies are read once, where a
    score reads them for every field and side.
    """
    known, found = read_frequencies(engine, lake), f"frequencies_of_{few}"
    columns = ", ".join(compared_value(field) for field in counted_fields(model))
    rows = engine.rows(f"select {columns} from {few}") if columns else []
    values = sorted({value for row in rows for value in row if value is not None})
    listed = f" or value in ({', '.join(map(literal, values))})" if values else ""
    engine.make_table(found, f"select * from {known} where value is null{listed}")
    return found


def frequency_sql(field: str, values: str, frequencies: str) -> str:
    """Write the query (<field>, frequency) of the distinct values of a field, NULL left out.

    values: engine table with the field. frequencies: of `read_frequencies`.
    """
    name, of_field = quoted(field), f"{frequencies} where field = {literal(field)}"
    return f"""
        select v.{name},
            coalesce(f.frequency, (select max(frequency) from {of_field} and value is null))
                as frequency
        from (select distinct {name} from {values} where {name} is not null) as v
        left join (select value, frequency from {of_field}) as f on f.value = v.{name}
    """
