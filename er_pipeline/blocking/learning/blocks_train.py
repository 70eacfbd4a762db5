"""The sample that rules are learned from, with the text of each of its keys, for people to read."""

import logging
from collections.abc import Sequence

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.table import RECORD_ID, SOURCE, Column, Table
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.blocking.values.key_choices import KeyChoice, listed_choices

logger = logging.getLogger(__name__)

KEYS_AT_A_TIME = 10


def train_table(spec: PipelineSpec) -> Table:
    """Declare blocks_train."""
    keys = [
        Column(choice.expression, "VARCHAR", "The record's key, if any", required=False)
        for choice in train_choices(spec)
    ]
    return Table(
        "blocks_train",
        "The forward index of the sample that was learned from.",
        [RECORD_ID, SOURCE, *keys],  # no number of one night: it stays in force for many
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
    columns = engine.arrow("select record_id, source from trained_on order by record_no")
    choices = train_choices(spec)
    for first in range(0, len(choices), KEYS_AT_A_TIME):
        some = choices[first : first + KEYS_AT_A_TIME]
        logger.info("writing the sample's keys: %s of %s", first + len(some), len(choices))
        # Column beside column, for the rows stand in one order: to join hundreds of columns to the
        # others copies all of them for each.
        keys = engine.arrow(_keys_sql(engine, some))
        for choice, key in zip(some, keys.columns, strict=True):
            columns = columns.append_column(choice.expression, key)
    engine.put("train_keys", columns)
    with lake.writing("blocks_train") as draft:
        engine.write("select * from train_keys", draft.file())


def _keys_sql(engine: Engine, choices: Sequence[KeyChoice]) -> str:
    """Write the query of some keys, as texts, of trained_on, in the order of the records."""
    columns, joins = [], ""
    for i, choice in enumerate(choices):
        text = choice.conjunction.keyed_records(engine, "trained_on")
        if choice.key.is_list:
            text = (
                "select record_no, string_agg(block_key, ' ' order by block_key) as block_key"
                f" from ({text}) group by record_no"
            )
        columns.append(f"k{i}.block_key as key_{i}")
        joins += f" left join ({text}) as k{i} on k{i}.record_no = r.record_no"
    return f"select {', '.join(columns)} from trained_on as r{joins} order by r.record_no"
