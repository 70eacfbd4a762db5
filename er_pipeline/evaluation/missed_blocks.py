"""Missed pairs that share a key: the blocks that hold both, and why these were not compared."""

from collections.abc import Sequence

from er_pipeline.blocking.blocks.blocks import sized_blocks_sql
from er_pipeline.blocking.blocks.filtered_facts import filtered_facts
from er_pipeline.blocking.blocks.refined_blocks import DIVISION_MARK
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.table import (
    BLOCK_KEY,
    BLOCK_SIZE,
    LEFT_NO,
    RIGHT_NO,
    Column,
    arrow_of,
)
from er_pipeline.blocking.values.keys import Conjunction
from er_pipeline.evaluation.missed_keys import SHOWN, Proposer

SHARED_BLOCK = (
    LEFT_NO,
    RIGHT_NO,
    Column("proposer", "INTEGER", "Place of the strategy or rule among the proposers"),
    Column("is_second", "BOOLEAN", "Whether it is of the second pass"),
    BLOCK_KEY,
    BLOCK_SIZE,
    Column("reason", "VARCHAR", "Why the block is not compared"),
    Column("division", "VARCHAR", "The key that divided it further"),
)


def share_blocks(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    proposers: Sequence[Proposer],
    compared: str,
    records: str,
    shared: str,
) -> None:
    """Make the engine table `shared`: every dropped block that holds both records of a pair.

    Reads the engine's dropped_blocks and cleaned_records. compared: of `compare_keys`, by the same
    proposers and records. Columns left_no, right_no, proposer, is_second, block_key, block_size,
    reason, division: the key that divided it further. Of a block that was divided, its parts stand
    here, too, as far as they hold both. block_size is NULL where no ledger names the block: it is
    smaller than min_size.
    """
    engine.put(shared, arrow_of(SHARED_BLOCK))
    for n, proposer in enumerate(proposers):
        (n_sharing,) = engine.row(f"select count(*) from {compared} where shares_{n}")
        if not n_sharing:
            continue
        refined = spec.blocks.oversized == "refine" and not proposer.rule and not proposer.second
        keyed = proposer.conjunction.keyed_records(engine, records)
        engine.make_table("keys_of_pairs", f"select record_no, block_key from ({keyed})")
        engine.make_table(
            "together",
            f"""
            select p.left_no, p.right_no,
                {_escaped("l.block_key") if refined else "l.block_key"} as block_key
            from {compared} as p join keys_of_pairs as l on l.record_no = p.left_no
            join keys_of_pairs as r on r.record_no = p.right_no and r.block_key = l.block_key
            where p.shares_{n}
            """,
        )
        ledger = f"(select * from dropped_blocks where strategy = {literal(proposer.name)})"
        if proposer.second:
            keyed = proposer.conjunction.keyed_records(engine, "cleaned_records")
            members = (
                f"(select * from ({keyed}) where block_key in (select block_key from together))"
            )
            blocks = Blocks(max_size=proposer.max_size)
            engine.make_table(
                "second_sizes",
                sized_blocks_sql(members, ["block_key"], spec.link_mode, blocks),
            )
            ledger = "second_sizes"
        divisions = _divisions(lake, spec, proposer.name) if refined else []
        for level in range(len(divisions) + 1):
            division = divisions[level].expression if level < len(divisions) else ""
            engine.append(
                shared,
                f"""
                select t.left_no, t.right_no, {n}, {str(proposer.second).lower()}, t.block_key,
                    d.block_size, coalesce(d.reason, 'below_min_size'), {literal(division)}
                from together as t {"left" if level == 0 else ""} join {ledger} as d
                    on d.block_key = t.block_key
                """,
            )
            if level == len(divisions):
                break
            values = divisions[level].keyed_records(engine, records)
            engine.make_table("keys_of_parts", f"select record_no, block_key from ({values})")
            engine.make_table(
                "together",
                f"""
                select t.left_no, t.right_no,
                    t.block_key || ' {DIVISION_MARK} ' || {_escaped("l.block_key")} as block_key
                from together as t join keys_of_parts as l on l.record_no = t.left_no
                join keys_of_parts as r on r.record_no = t.right_no and r.block_key = l.block_key
                """,
            )


def choose_blocks(
    engine: Engine,
    spec: PipelineSpec,
    proposers: Sequence[Proposer],
    shared: str,
    dropped: str,
) -> None:
    """Make the engine table `dropped` (left_no, right_no, detail): one dropped block per pair.

    The smallest of those in `shared`, of `share_blocks`, is the one that it takes least to keep.
    detail: which block, how large, and why it is not compared.
    """
    engine.make_table(
        dropped,
        f"""
        select left_no, right_no, {_detail(spec, proposers)} as detail from (
            select *, row_number() over (
                partition by left_no, right_no
                order by coalesce(block_size, 0), proposer, block_key
            ) as place from {shared}
        ) where place = 1
        """,
    )


def _escaped(text: str) -> str:
    """Write a key as `refine_blocks` writes it into the keys of parts."""
    return f"replace(replace({text}, '\\', '\\\\'), '{DIVISION_MARK}', '\\{DIVISION_MARK}')"


def _divisions(lake: Lake, spec: PipelineSpec, strategy: str) -> list[Conjunction]:
    """Give the keys that divided the oversized blocks of a strategy, in turn."""
    counts = filtered_facts(lake)["strategies"][strategy]
    known = spec.refine_conjunctions or tuple(choice.conjunction for choice in spec.key_choices)
    by_expression = {key.expression: key for key in known}
    return [by_expression[division["key"]] for division in counts.get("divisions", [])]


def _detail(spec: PipelineSpec, proposers: Sequence[Proposer]) -> str:
    names = "".join(f" when {n} then {literal(p.name)}" for n, p in enumerate(proposers))
    caps = "".join(f" when {n} then {literal(str(p.max_size))}" for n, p in enumerate(proposers))
    if not proposers:
        return "''"
    return (
        f"case proposer{names} end || ': block ''' || left(block_key, {SHOWN}) || ''''"
        " || case when block_size is null then '' else ' of ' || block_size || ' records' end"
        " || case reason when 'oversized' then ' is over the cap of '"
        f" || case proposer{caps} end"
        " when 'refined' then ' was divided by ' || division || ', which the two do not share'"
        f" else ' is below min_size {spec.blocks.min_size}' end"
    )
