"""Learned blocks: learned rules -> the blocks they make, one table for all rules.

The graph must not change with the data, so the rules share one asset. They are counted and judged
as strategies are; only what is worth comparing is written, for a rule has as many keys as records.
"""

import logging
from collections.abc import Sequence
from typing import Any

from er_pipeline.blocking.blocks.blocks import size_blocks, sized_blocks_sql, sum_blocks
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.learned import learned_conjunctions, learned_rules_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.keys import Conjunction

logger = logging.getLogger(__name__)


def build_learned_blocks(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> dict[str, Any]:
    """Put every record into the blocks of the learned rules.

    Reads cleaned_records, key_codes and the facts of learned_rules. Writes
    learned_blocks (rule, block_key, block_size, record_id, source, record_no, block_no), one row
    per membership of a block that is compared, one file per rule;
    learned_dropped (rule, block_key, block_size, pairs, reason), the blocks over the cap; and
    learned_codes (record_no, has_key, shares_key, code_0, ...), one row per record: its block in
    every single-valued rule, or a number below 0 that no other record has.
    Returns the facts kept beside learned_blocks: "rules" as `sum_blocks` counts them.

    Raises LakeError if a table was made from other records.
    """
    fingerprint = read_records(engine, lake)
    read_numbered(engine, lake, "key_codes", fingerprint)
    lake.check_declared("learned_rules")
    learned = learned_rules_facts(lake)
    if learned["fingerprint"] != fingerprint:
        raise LakeError("learned_rules were learned from older records: materialize them again")
    rules = learned_conjunctions(spec, learned)
    keys = lake.facts("key_codes")["keys"]
    counts: dict[str, Any] = {}
    facts: dict[str, Any] = {
        "fingerprint": fingerprint,
        "single": [rule.name for rule in rules if not rule.is_list],
        "listed": [rule.name for rule in rules if rule.is_list],
    }
    with lake.writing("learned_blocks", facts) as draft:
        for nth, rule in enumerate(rules):
            logger.info("blocks of rule %s of %s: %s", nth + 1, len(rules), rule.expression)
            _size_rule(engine, rule, nth, keys, spec)
            counts[rule.name] = sum_blocks(engine, f"sizes_{nth}", spec.blocks)
            engine.write(
                f"""
                select {literal(rule.name)} as rule, s.block_key, s.block_size, r.record_id,
                    r.source, m.record_no, s.block_no
                from members_{nth} as m join sizes_{nth} as s on s.block_no = m.block_no
                join cleaned_records as r on r.record_no = m.record_no
                """,
                draft.file(f"rule-{nth}"),
            )
        if not rules:
            engine.write(
                "select '' as rule, '' as block_key, 0::bigint as block_size, record_id, source,"
                " record_no, 0::integer as block_no from cleaned_records where 1 = 0",
                draft.file(),
            )
        draft.facts["rules"] = counts
        draft.facts["pairs"] = sum(count["pairs"] for count in counts.values())
        facts = dict(draft.facts)
    with lake.writing("learned_dropped", {"fingerprint": fingerprint}) as draft:
        dropped = " union all ".join(
            f"select {literal(rule.name)} as rule, block_key, block_size, pairs, reason"
            f" from sizes_{nth} where reason = 'oversized'"
            for nth, rule in enumerate(rules)
        )
        dropped = dropped or (
            "select '' as rule, '' as block_key, 0::bigint as block_size, 0::bigint as pairs,"
            " '' as reason where 1 = 0"
        )
        engine.write(f"{dropped} order by pairs desc, rule, block_key", draft.file())
    with lake.writing("learned_codes", {"fingerprint": fingerprint}) as draft:
        engine.write(_codes_sql(rules), draft.file())
    return facts


def _size_rule(
    engine: DuckDBEngine, rule: Conjunction, nth: int, indexed: Sequence[str], spec: PipelineSpec
) -> None:
    """Make sizes_<nth>, as `size_blocks` does, and members_<nth>, keyed_<nth> of one rule.

    keyed_<nth> (record_no, shares_key) has every record with a key, members_<nth> (record_no,
    block_no) those in a block that is compared.
    """
    expressions = [key.expression for key in rule.keys]
    if any(expression not in indexed for expression in expressions):
        # Many-valued or pinned keys are not in the forward index: as a strategy, by their text.
        keyed = rule.keyed_records(engine, "cleaned_records")
        engine.make_table("keyed_records", keyed)
        size_blocks(engine, "keyed_records", f"sizes_{nth}", spec.link_mode, spec.blocks)
        engine.make_table(
            f"members_{nth}",
            "select k.record_no, s.block_no from keyed_records as k"
            f" join sizes_{nth} as s on s.block_key = k.block_key where s.reason is null",
        )
        engine.make_table(
            f"keyed_{nth}",
            "select k.record_no, bool_or(s.pairs > 0) as shares_key from keyed_records as k"
            f" join sizes_{nth} as s on s.block_key = k.block_key group by k.record_no",
        )
        return
    codes = [f"code_{indexed.index(expression)}" for expression in expressions]
    listed = ", ".join(codes)
    keyed = " and ".join(f"{code} >= 0" for code in codes)
    engine.make_table(
        "keyed_records",
        f"select record_no, source_no, {listed} from key_codes where {keyed}",
    )
    judged = sized_blocks_sql("keyed_records", codes, spec.link_mode, spec.blocks)
    engine.make_table(
        "judged",
        f"""
        select *, case when reason is null then cast(
                row_number() over (partition by reason is null order by {listed}) - 1 as integer)
            end as block_no
        from ({judged})
        """,
    )
    same = " and ".join(f"j.{code} = k.{code}" for code in codes)
    # The record that lends its block the text of its key: the first one.
    engine.make_table(
        "lending",
        f"""
        select min(k.record_no) as record_no, {", ".join(f"j.{code}" for code in codes)}
        from keyed_records as k join judged as j on {same}
        where j.reason is null or j.reason = 'oversized' group by all
        """,
    )
    engine.make_table(
        "lenders",
        "select * from cleaned_records where record_no in (select record_no from lending)",
    )
    engine.make_table(
        f"sizes_{nth}",
        f"""
        select coalesce(t.block_key, '') as block_key, j.block_size, j.pairs, j.reason, j.block_no
        from judged as j left join lending as k on {same}
        left join ({rule.keyed_records(engine, "lenders")}) as t on t.record_no = k.record_no
        """,
    )
    engine.make_table(
        f"members_{nth}",
        f"select k.record_no, j.block_no from keyed_records as k join judged as j on {same}"
        " where j.reason is null order by j.block_no, k.record_no",
    )
    engine.make_table(
        f"keyed_{nth}",
        "select k.record_no, j.pairs > 0 as shares_key from keyed_records as k"
        f" join judged as j on {same}",
    )


def _codes_sql(rules: Sequence[Conjunction]) -> str:
    single = [nth for nth, rule in enumerate(rules) if not rule.is_list]
    columns = "".join(
        f", coalesce(m{nth}.block_no, -r.record_no - 1)::integer as code_{i}"
        for i, nth in enumerate(single)
    )
    joins = "".join(
        f" left join members_{nth} as m{nth} on m{nth}.record_no = r.record_no" for nth in single
    )
    keyed = " union all ".join(f"select * from keyed_{nth}" for nth in range(len(rules)))
    keyed = keyed or "select record_no, false as shares_key from cleaned_records where 1 = 0"
    members = " union all ".join(f"select record_no from members_{n}" for n in range(len(rules)))
    members = members or "select record_no from cleaned_records where 1 = 0"
    return f"""
        with keyed as (
            select record_no, bool_or(shares_key) as shares_key from ({keyed}) group by record_no
        ),
        members as (
            select distinct record_no from ({members})
        )
        select r.record_no, k.record_no is not null as has_key,
            coalesce(k.shares_key, false) as shares_key,
            b.record_no is not null as in_block{columns}
        from cleaned_records as r left join keyed as k on k.record_no = r.record_no
        left join members as b on b.record_no = r.record_no{joins}
        order by r.record_no
    """
