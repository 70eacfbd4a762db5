"""Learned blocks: learned rules -> the blocks they make, one table for all rules.

The graph must not change with the data, so the rules share one asset. They are counted and sized
as strategies are; only what is worth comparing is written, for a rule has as many keys as records.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from er_pipeline.blocking.blocks.blocks import (
    BlockCounts,
    size_blocks,
    size_limits,
    sized_blocks_sql,
    sum_blocks,
)
from er_pipeline.blocking.blocks.dropped_blocks import PAIRS, REASON
from er_pipeline.blocking.blocks.filtered_facts import total_size_classes
from er_pipeline.blocking.spec.learned import (
    LearnedBlocksFacts,
    learned_conjunctions,
    learned_rules_facts,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import BlockSizes, Shown, numbers
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import (
    BLOCK_KEY,
    BLOCK_NO,
    BLOCK_SIZE,
    RECORD_NO,
    Column,
    Facts,
    Table,
)
from er_pipeline.blocking.tables.views import with_records
from er_pipeline.blocking.values.key_failures import named_failures
from er_pipeline.blocking.values.keys import Conjunction

logger = logging.getLogger(__name__)

RULE = Column("rule", "VARCHAR", "Name of the learned rule")
BLOCKS = Table(
    "learned_blocks",
    "The blocks of all learned rules that are compared.",
    [RULE, BLOCK_KEY, BLOCK_SIZE, RECORD_NO, BLOCK_NO],
    with_records("learned_blocks", ["rule", "block_key", "block_size"]),
)
DROPPED = Table(
    "learned_dropped",
    "The blocks of learned rules that are over the cap, and so not compared.",
    [RULE, BLOCK_KEY, BLOCK_SIZE, PAIRS, REASON],
    view=None,
    is_internal=True,
)
CODES = Table(
    "learned_codes",
    "The block of every record in every single-valued learned rule.",
    [
        RECORD_NO,
        Column("has_key", "BOOLEAN", "Whether it has the key of any rule"),
        Column("shares_key", "BOOLEAN", "Whether it shares one with a record to be compared with"),
        Column("in_block", "BOOLEAN", "Whether it stands in a block that is compared"),
    ],
    view=None,
    is_internal=True,
    # How many rules are learned is known only then.
    numbered=Column("code_", "INTEGER", "Block in the i-th of them; < 0 is none"),
)


@dataclass(frozen=True)
class RuleBlocks:
    """The blocks of one rule, as tables of the engine.

    sizes: see `size_blocks`. members: (record_no, block_no), one row per membership of a block that
    is compared. keyed: (record_no, shares_key), every record with a key; shares_key says whether it
    shares one with a record that it may be compared with.
    """

    sizes: str
    members: str
    keyed: str


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that blocks the records by the learned rules, if any are learned."""
    if not spec.learns:
        return []
    return [
        Step(
            writes=[BLOCKS, DROPPED, CODES],
            reads=["cleaned_records", "key_codes", "learned_rules"],
            settings=size_limits(spec),
            run=partial(build_learned_blocks, spec=spec),
            stage="blocks",
            place="cluster",
            show=_show,
            count=partial(build_learned_blocks, spec=spec),
        )
    ]


def build_learned_blocks(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Put every record into the blocks of the learned rules.

    Reads cleaned_records, key_codes and the facts of learned_rules. Writes
    learned_blocks (rule, block_key, block_size, record_no, block_no), one row per membership of a
    block that is compared, one file per rule;
    learned_dropped (rule, block_key, block_size, pairs, reason), the blocks over the cap; and
    learned_codes (record_no, has_key, shares_key, in_block, code_0, ...), one row per record: its
    block in every single-valued rule, or a number below 0 that no other record has.
    Returns the facts kept beside learned_blocks: "rules" as `sum_blocks` counts them.
    """
    lake.open(engine, "cleaned_records")
    lake.open(engine, "key_codes")
    rules = learned_conjunctions(spec, learned_rules_facts(lake))
    indexed = lake.facts("key_codes")["keys"]
    sized: list[tuple[Conjunction, RuleBlocks]] = []
    counts: dict[str, BlockCounts] = {}
    with lake.writing("learned_blocks") as draft:
        for nth, rule in enumerate(rules):
            logger.info("blocks of rule %s of %s: %s", nth + 1, len(rules), rule.expression)
            blocks = RuleBlocks(f"sizes_{nth}", f"members_{nth}", f"keyed_{nth}")
            _size_rule(engine, rule, blocks, indexed, spec)
            sized.append((rule, blocks))
            counts[rule.name] = sum_blocks(engine, blocks.sizes, spec.blocks)
            engine.write(
                f"""
                select {literal(rule.name)} as rule, s.block_key, s.block_size, m.record_no,
                    s.block_no
                from {blocks.members} as m join {blocks.sizes} as s on s.block_no = m.block_no
                """,
                draft.file(f"rule-{nth}"),
            )
        if not rules:
            engine.put("no_blocks", BLOCKS.arrow())
            engine.write("select * from no_blocks", draft.file())
        facts = LearnedBlocksFacts(
            single=[rule.name for rule in rules if not rule.is_list],
            listed=[rule.name for rule in rules if rule.is_list],
            rules=cast(dict[str, dict[str, Any]], counts),
            pairs=sum(count["pairs"] for count in counts.values()),
        )
        draft.facts.update(facts)
    with lake.writing("learned_dropped") as draft:
        engine.put("nothing_dropped", DROPPED.arrow())
        dropped = ["select * from nothing_dropped"]
        dropped += [
            f"select {literal(rule.name)} as rule, block_key, block_size, pairs, reason"
            f" from {blocks.sizes} where reason = 'oversized'"
            for rule, blocks in sized
        ]
        engine.write(
            f"select * from ({' union all '.join(dropped)}) order by pairs desc, rule, block_key",
            draft.file(),
        )
    with lake.writing("learned_codes") as draft:
        engine.write(_codes_sql(sized), draft.file())
    return dict(facts)


def _size_rule(
    engine: Engine,
    rule: Conjunction,
    blocks: RuleBlocks,
    indexed: Sequence[str],
    spec: PipelineSpec,
) -> None:
    """Make the tables of a rule's blocks; indexed: expressions of the keys of key_codes."""
    expressions = [key.expression for key in rule.keys]
    if all(expression in indexed for expression in expressions):
        codes = [f"code_{indexed.index(expression)}" for expression in expressions]
        _size_by_codes(engine, rule, blocks, codes, spec)
    else:  # many-valued or pinned keys are not in the forward index
        _size_by_texts(engine, rule, blocks, spec)


def _size_by_texts(
    engine: Engine, rule: Conjunction, blocks: RuleBlocks, spec: PipelineSpec
) -> None:
    """Block the records by the texts of their keys, as a strategy does."""
    with named_failures(engine, "cleaned_records", [rule], "learned rule"):
        keyed = rule.keyed_records(engine, "cleaned_records")
        engine.make_table("keyed_records", keyed)
    size_blocks(engine, "keyed_records", blocks.sizes, spec.link_mode, spec.blocks)
    engine.make_table(
        blocks.members,
        "select k.record_no, s.block_no from keyed_records as k"
        f" join {blocks.sizes} as s on s.block_key = k.block_key where s.reason is null",
    )
    engine.make_table(
        blocks.keyed,
        "select k.record_no, bool_or(s.pairs > 0) as shares_key from keyed_records as k"
        f" join {blocks.sizes} as s on s.block_key = k.block_key group by k.record_no",
    )


def _size_by_codes(
    engine: Engine,
    rule: Conjunction,
    blocks: RuleBlocks,
    codes: Sequence[str],
    spec: PipelineSpec,
) -> None:
    """Block the records by the numbers of their keys, columns of key_codes."""
    listed = ", ".join(codes)
    keyed = " and ".join(f"{code} >= 0" for code in codes)
    engine.make_table(
        "keyed_records",
        f"select record_no, source_no, {listed} from key_codes where {keyed}",
    )
    sized = sized_blocks_sql("keyed_records", codes, spec.link_mode, spec.blocks)
    engine.make_table(
        "coded_sizes",
        f"""
        select *, case when reason is null then cast(
                row_number() over (partition by reason is null order by {listed}) - 1 as integer)
            end as block_no
        from ({sized})
        """,
    )
    same = " and ".join(f"s.{code} = k.{code}" for code in codes)
    of_block = ", ".join(f"s.{code}" for code in codes)
    # The record that lends its block the text of its key: the first one.
    engine.make_table(
        "lending",
        f"""
        select min(k.record_no) as record_no, {of_block}
        from keyed_records as k join coded_sizes as s on {same}
        where s.reason is null or s.reason = 'oversized' group by {of_block}
        """,
    )
    engine.make_table(
        "lenders",
        "select * from cleaned_records where record_no in (select record_no from lending)",
    )
    engine.make_table(
        blocks.sizes,
        f"""
        select coalesce(t.block_key, '') as block_key, s.block_size, s.pairs, s.reason, s.block_no
        from coded_sizes as s left join lending as k on {same}
        left join ({rule.keyed_records(engine, "lenders")}) as t on t.record_no = k.record_no
        """,
    )
    engine.make_table(
        blocks.members,
        f"select k.record_no, s.block_no from keyed_records as k join coded_sizes as s on {same}"
        " where s.reason is null order by s.block_no, k.record_no",
    )
    engine.make_table(
        blocks.keyed,
        "select k.record_no, s.pairs > 0 as shares_key from keyed_records as k"
        f" join coded_sizes as s on {same}",
    )


def _codes_sql(sized: Sequence[tuple[Conjunction, RuleBlocks]]) -> str:
    """Write the query of learned_codes, beside the engine's cleaned_records."""
    single = [blocks.members for rule, blocks in sized if not rule.is_list]
    columns = "".join(
        f", cast(coalesce(m{i}.block_no, -r.record_no - 1) as integer) as code_{i}"
        for i in range(len(single))
    )
    joins = "".join(
        f" left join {members} as m{i} on m{i}.record_no = r.record_no"
        for i, members in enumerate(single)
    )
    none = "from cleaned_records where 1 = 0"
    keyed = [f"select record_no, false as shares_key {none}"]
    keyed += [f"select record_no, shares_key from {blocks.keyed}" for _, blocks in sized]
    members = [f"select record_no {none}"]
    members += [f"select record_no from {blocks.members}" for _, blocks in sized]
    return f"""
        with keyed as (
            select record_no, bool_or(shares_key) as shares_key
            from ({" union all ".join(keyed)}) group by record_no
        ),
        members as (
            select distinct record_no from ({" union all ".join(members)})
        )
        select r.record_no, k.record_no is not null as has_key,
            coalesce(k.shares_key, false) as shares_key,
            b.record_no is not null as in_block{columns}
        from cleaned_records as r left join keyed as k on k.record_no = r.record_no
        left join members as b on b.record_no = r.record_no{joins}
        order by r.record_no
    """


def _show(facts: Facts) -> Mapping[str, Shown]:
    return {**numbers(facts), "block_sizes": BlockSizes(total_size_classes(facts["rules"]))}
