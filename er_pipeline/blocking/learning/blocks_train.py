"""The sample that rules are learned from, with the text of each of its keys, for people to read."""

import logging

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.table import RECORD_ID, RECORD_NO, SOURCE, Column, Table
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.blocking.values.key_choices import KeyChoice, listed_choices

logger = logging.getLogger(__name__)

KEYS_PER_LINE = 100  # of the log


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
        f"select * from cleaned_records where record_no in (select record_no from {sampled})"
        " order by record_no",
    )
    columns = engine.arrow("select record_no, record_id, source from trained_on order by record_no")
    choices = train_choices(spec)
    for i, choice in enumerate(choices):
        if i % KEYS_PER_LINE == 0:
            logger.info("writing the sample's keys: %s of %s", i, len(choices))
        keyed = choice.conjunction.keyed_records(engine, "trained_on")
        text = f"select record_no, block_key from ({keyed})"
        if choice.key.is_list:
            text = (
                "select record_no, string_agg(block_key, ' ' order by block_key) as block_key"
                f" from ({keyed}) group by record_no"
            )
        # Column beside column, for the rows stand in one order: to join hundreds of columns to the
        # others copies all of them for each.
        key = engine.arrow(
            f"select k.block_key from trained_on as r left join ({text}) as k"
            " on k.record_no = r.record_no order by r.record_no"
        )
        columns = columns.append_column(choice.expression, key.column(0))
    engine.put("train_keys", columns)
    with lake.writing("blocks_train") as draft:
        engine.write("select * from train_keys", draft.file())
