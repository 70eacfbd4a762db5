"""The forward index: one row per record, one number per key.

Two records share a key where its numbers are equal. Whatever learns, counts, blocks or weighs
conjunctions of these keys reads the numbers instead of computing the keys again. A key is computed
once per distinct value of its field.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted, short_form
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import RECORD_NO, SOURCE_NO, Column, Facts, Table
from er_pipeline.blocking.tables.wide_joins import join_in_parts
from er_pipeline.blocking.values.key_choices import KeyChoice

logger = logging.getLogger(__name__)

# How rare a key is, in eighths of a nat, so that it fits into one byte: idf = -ln(share of the
# records with a value that have it). 127 eighths are one record in eight million. Were it the share
# of all records, whatever a column that one source alone fills holds would seem to be rare, and
# records of that source to be one entity: its 30 columns made the matches of dedupe_csv come last.
IDF_STEPS = 8
MAX_IDF = 127


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that numbers the keys, where learning or weights read them."""
    if not (spec.weights or spec.learns):
        return []
    columns = [
        column
        for i, choice in enumerate(spec.key_choices)
        for column in (
            Column(f"code_{i}", "INTEGER", f"Number of {choice.expression}; < 0 is none"),
            Column(f"idf_{i}", "TINYINT", "Its rarity, in eighths of a nat", minimum=0),
        )
    ]
    return [
        Step(
            writes=[
                Table(
                    "key_codes",
                    "The forward index: one row per record, one number per key.",
                    [RECORD_NO, SOURCE_NO, *columns],
                    view=None,
                )
            ],
            reads=["cleaned_records"],
            settings=[choice.conjunction.identity for choice in spec.key_choices],
            run=partial(index_keys, spec=spec),
            count=partial(index_keys, spec=spec) if spec.learns else None,
            stage="blocks",
            place="cluster",
        )
    ]


def index_keys(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Number the keys of every record.

    Reads cleaned_records. Writes key_codes (record_no, source_no, code_0 INTEGER, idf_0 TINYINT,
    code_1, ...), one row per record in their order and one pair of columns per key of
    `spec.key_choices`: a number that records with an equal key share, or one below 0 that no other
    record has where the key is NULL or blank; and the key's idf in steps of 1/8 nat.
    Returns the facts kept beside the table.
    """
    lake.open(engine, "cleaned_records")
    choices = spec.key_choices
    expressions = [choice.expression for choice in choices]
    with lake.writing("key_codes", {"keys": expressions}) as draft:
        keys = key_code_columns(engine, choices)
        engine.write(
            f"select r.record_no, r.source_no{keys.columns} from cleaned_records as r {keys.joins}"
            " order by r.record_no",
            draft.file(),
        )
        (n_records,) = engine.row("select count(*) from cleaned_records")
        draft.facts.update(records=n_records, keys_per_record=len(choices))
        return dict(draft.facts)


@dataclass(frozen=True)
class KeyColumns:
    """Parts of a query on cleaned_records as r that gives every record the codes of its keys.

    columns: code_<i>, idf_<i>, i being the place among the choices, each after a comma. joins: what
    they are read from. values: field -> engine table of its distinct values with their codes.
    """

    columns: str
    joins: str
    values: Mapping[str, str]


def key_code_columns(engine: Engine, choices: Sequence[KeyChoice]) -> KeyColumns:
    """Number the distinct values of the keys; write the query that gives records their codes."""
    joined: list[tuple[str, str]] = []
    values: dict[str, str] = {}
    fields = list(dict.fromkeys(choice.field for choice in choices))
    for nth, field in enumerate(fields):
        logger.info("numbering the keys of %s (%s of %s)", field, nth + 1, len(fields))
        of_field = [(i, choice) for i, choice in enumerate(choices) if choice.field == field]
        values[field] = f"codes_of_{nth}"
        _number_values(engine, of_field, values[field])
        same = same_values(of_field[0][1], f"v{nth}")
        columns = "".join(
            f", coalesce(v{nth}.code_{i}, -r.record_no - 1)::integer as code_{i},"
            f" coalesce(v{nth}.idf_{i}, 0)::tinyint as idf_{i}"
            for i, _ in of_field
        )
        joined.append((columns, f" left join {values[field]} as v{nth} on {same}"))
    columns, joins = join_in_parts(engine, "cleaned_records", ["record_no"], joined, "codes_part")
    return KeyColumns(columns, joins, values)


def same_values(choice: KeyChoice, values: str) -> str:
    """Write the condition that joins cleaned_records as r to the values of a choice's field."""
    return " and ".join(
        f"{values}.value_{i} = {short_form(f'r.{quoted(column)}')}"
        for i, column in enumerate(choice.key.source_columns)
    )


def _number_values(
    engine: Engine,
    choices: Sequence[tuple[int, KeyChoice]],
    table: str,
) -> None:
    """Make a table of the field's distinct values with the number and idf of each of their keys.

    choices: with their places, all of one field, which may be two fields of the records together.
    """
    fields = [quoted(column) for column in choices[0][1].key.source_columns]
    values = ", ".join(fields)
    # Shaped like records, so that a conjunction computes its keys on it; no field begins with _.
    engine.make_table(
        "distinct_values",
        f"""
        select cast(row_number() over () - 1 as integer) as record_no,
            '' as record_id, '' as source, 0 as source_no, {values}, count(*) as _n
        from cleaned_records where {" and ".join(f"{field} is not null" for field in fields)}
        group by {values}
        """,
    )
    columns, joins = "", ""
    for i, choice in choices:
        keyed = choice.conjunction.keyed_records(engine, "distinct_values")
        engine.make_table(
            f"key_of_value_{i}",
            f"""
            with keyed as materialized (
                select record_no, {short_form("block_key")} as block_key from ({keyed})
            ),
            filled as (select sum(_n) as n_filled from distinct_values),
            sized as (
                select k.block_key, sum(v._n) as n from keyed as k
                join distinct_values as v on v.record_no = k.record_no group by k.block_key
            ),
            numbered as (
                select block_key, row_number() over (order by block_key) - 1 as code,
                    least({MAX_IDF}, round({IDF_STEPS} * ln(n_filled / n))) as idf
                from sized cross join filled
            )
            select k.record_no, cast(s.code as integer) as code, cast(s.idf as tinyint) as idf
            from keyed as k join numbered as s on s.block_key = k.block_key
            """,
        )
        columns += f", k{i}.code as code_{i}, k{i}.idf as idf_{i}"
        joins += f" left join key_of_value_{i} as k{i} on k{i}.record_no = v.record_no"
    known = ", ".join(f"{short_form(f'v.{field}')} as value_{i}" for i, field in enumerate(fields))
    engine.make_table(table, f"select {known}{columns} from distinct_values as v {joins}")
    for i, _ in choices:
        engine.drop(f"key_of_value_{i}")
    engine.drop("distinct_values")
