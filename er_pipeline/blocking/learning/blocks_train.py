"""The sample that rules are learned from, with the text of each of its keys, for people to read."""

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.table import RECORD_ID, RECORD_NO, SOURCE, Column, Table
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.blocking.values.key_choices import KeyChoice, listed_choices


def train_table(spec: PipelineSpec) -> Table:
    """Declare blocks_train."""
    keys = [
        Column(choice.expression, "VARCHAR", "The record's key, if any", required=False)
        for choice in train_choices(spec)
    ]
    return Table(
        "blocks_train",
        "The forward index of the sample that was learned from.",
        [RECORD_NO, RECORD_ID, SOURCE, *keys],
        all_columns("blocks_train"),
    )


def train_choices(spec: PipelineSpec) -> tuple[KeyChoice, ...]:
    """List the keys that blocks_train has a column of, many-valued ones last."""
    return (*spec.key_choices, *listed_choices(spec.field_kinds, spec.field_kinds))


def draw_records(engine: Engine, seed: str, n: int, labelled: str, records: str) -> None:
    """Make the table of records (record_no) to learn from: n by a hash, and all that are judged."""
    engine.make_table(
        records,
        f"""
        select record_no from (
            select record_no from key_codes
            order by md5(concat({literal(seed)}, record_no)), record_no
            limit {n}
        ) union select left_no from {labelled} union select right_no from {labelled}
        """,
    )


def write_blocks_train(engine: Engine, lake: Lake, spec: PipelineSpec, sampled: str) -> None:
    """Write blocks_train: one row per sampled record, one column per key, as text.

    sampled: engine table (record_no), beside the engine's cleaned_records. The values of a
    many-valued key stand in one text, separated by blanks.
    """
    engine.make_table(
        "trained_on",
        f"select * from cleaned_records where record_no in (select record_no from {sampled})",
    )
    columns, joins = "", ""
    for i, choice in enumerate(train_choices(spec)):
        keyed = choice.conjunction.keyed_records(engine, "trained_on")
        text = f"select record_no, block_key from ({keyed})"
        if choice.key.is_list:
            text = (
                "select record_no, string_agg(block_key, ' ' order by block_key) as block_key"
                f" from ({keyed}) group by record_no"
            )
        engine.make_table(f"train_key_{i}", text)
        columns += f", k{i}.block_key as {quoted(choice.expression)}"
        joins += f" left join train_key_{i} as k{i} on k{i}.record_no = r.record_no"
    with lake.writing("blocks_train") as draft:
        engine.write(
            f"select r.record_no, r.record_id, r.source{columns} from trained_on as r {joins}"
            " order by r.record_no",
            draft.file(),
        )
