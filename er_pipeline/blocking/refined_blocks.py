"""Step 2, where blocks are over the cap: divide them by further keys, and drop only the rest.

The records of a block part by the value of a further key; those without one leave. What is still
over the cap is divided by the next key, until it fits, no key is left, or it was divided
`MOST_DIVISIONS` times. All blocks of a strategy are divided by the same keys. These are given, or
chosen by counting the parts that each key would make; no pair is made.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from er_pipeline.blocking.blocks import judged_blocks_sql, size_blocks
from er_pipeline.blocking.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.key_codes import key_code_columns
from er_pipeline.blocking.keys import Conjunction, Key
from er_pipeline.blocking.spec import PipelineSpec

logger = logging.getLogger(__name__)

# A conjunction of more keys finds few matches that have a typo.
MOST_DIVISIONS = 3
# Of the records that the best key leaves with a partner, a chosen one leaves at least this share.
LEAST_SHARE_OF_BEST = 0.8
# Stands between the key of a block and the value that divides it: S530 > 1980-03.
DIVISION_MARK = ">"

RULE = "both"


def refine_blocks(
    engine: DuckDBEngine, spec: PipelineSpec, memberships: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """Divide the oversized blocks of every strategy; size and judge all blocks.

    Reads the engine's cleaned_records. memberships: strategy -> engine table (block_key, record_id,
    source, record_no, source_no). Leaves behind, per strategy,
    members_<strategy>, the same with the memberships of the parts of divided blocks besides; and
    sizes_<strategy>, as `size_blocks` makes it, but that a divided block has the reason 'refined'
    and as pairs those that none of its parts holds. So all pairs are told once, as before.
    The key of a part is the block's, the mark > and the value; a > or backslash within them is
    escaped by a backslash, so that equal keys mean equal values.
    Returns each strategy's divisions, in turn: the key, the blocks it divided, and the memberships
    that left them for want of a value.
    """
    for name, table in memberships.items():
        engine.execute(
            f"create or replace view whole_{name} as select {_escaped('block_key')} as block_key,"
            f" record_id, source, record_no, source_no from {table}"
        )
        size_blocks(engine, f"whole_{name}", f"sizes_{name}", spec.link_mode, spec.blocks)
    if spec.refine_conjunctions is None:
        _number_keys(engine, spec, list(memberships))
    return {
        strategy.name: _refine_strategy(engine, spec, strategy)
        for strategy in spec.strategy_conjunctions
    }


def _refine_strategy(
    engine: DuckDBEngine, spec: PipelineSpec, strategy: Conjunction
) -> list[dict[str, Any]]:
    """Make members_<strategy> of whole_<strategy>, and correct sizes_<strategy>."""
    whole, sizes = f"whole_{strategy.name}", f"sizes_{strategy.name}"
    members, parts = f"members_{strategy.name}", f"parts_{strategy.name}"
    engine.make_table(parts, f"select * from {whole} where 1 = 0")
    engine.execute(
        f"create or replace view {members} as"
        f" select * from {whole} union all select * from {parts}"
    )
    engine.make_table("divided", "select '' as block_key, 0::bigint as pairs where 1 = 0")
    divisions: list[dict[str, Any]] = []
    fixed, level, level_sizes = strategy.keys, whole, sizes
    while len(divisions) < MOST_DIVISIONS:
        engine.make_table(
            "oversized",
            f"select m.* from {level} as m join {level_sizes} as s on s.block_key = m.block_key"
            " where s.reason = 'oversized'",
        )
        (n_blocks,) = engine.row("select count(distinct block_key) from oversized")
        is_last = len(divisions) == MOST_DIVISIONS - 1
        key = _next_key(engine, spec, fixed, is_last) if n_blocks else None
        if key is None:
            break
        members_left = _divide(engine, spec, key)
        divisions.append({"key": key.expression, "blocks": n_blocks, "members_left": members_left})
        logger.info("%s: %s blocks divided by %s", strategy.name, n_blocks, key.expression)
        engine.execute(f"insert into {parts} select * from new_parts")
        fixed, level, level_sizes = (*fixed, *key.keys), "new_parts", "new_sizes"
    if divisions:
        size_blocks(engine, members, "all_sizes", spec.link_mode, spec.blocks)
        engine.make_table(
            sizes,
            """
            select s.block_key, s.block_size, s.pairs - coalesce(d.pairs, 0) as pairs,
                case when d.block_key is null then s.reason else 'refined' end as reason, s.block_no
            from all_sizes as s left join divided as d on d.block_key = s.block_key
            """,
        )
    return divisions


def _divide(engine: DuckDBEngine, spec: PipelineSpec, key: Conjunction) -> int:
    """Divide the blocks of `oversized`: make new_parts and new_sizes, and add to `divided`.

    divided: (block_key, pairs), pairs being those that the parts of the block hold together.
    Returns how many memberships have no value of the key.
    """
    engine.make_table(
        "oversized_records",
        "select * from cleaned_records where record_no in (select record_no from oversized)",
    )
    engine.make_table(
        "keyed_members",
        f"""
        select o.block_key || ' {DIVISION_MARK} ' || {_escaped("k.block_key")} as block_key,
            o.record_id, o.source, o.record_no, o.source_no, o.block_key as whole_key
        from oversized as o join ({key.keyed_records(engine, "oversized_records")}) as k
            on k.record_no = o.record_no
        """,
    )
    engine.make_table(
        "new_parts", "select block_key, record_id, source, record_no, source_no from keyed_members"
    )
    size_blocks(engine, "new_parts", "new_sizes", spec.link_mode, spec.blocks)
    engine.execute(
        """
        insert into divided
        with parts as (
            select distinct whole_key, block_key from keyed_members
        ),
        held as (
            select p.whole_key, sum(s.pairs) as pairs
            from parts as p join new_sizes as s on s.block_key = p.block_key group by p.whole_key
        )
        select o.block_key, cast(coalesce(h.pairs, 0) as bigint)
        from (select distinct block_key from oversized) as o
        left join held as h on h.whole_key = o.block_key
        """
    )
    (members_left,) = engine.row(
        "select (select count(*) from oversized) - (select count(*) from new_parts)"
    )
    return int(members_left)


def _next_key(
    engine: DuckDBEngine, spec: PipelineSpec, fixed: Sequence[Key], is_last: bool
) -> Conjunction | None:
    """Give the key that divides the blocks of `oversized`, None where no key is left.

    fixed: the keys that all records of a block share already.
    """
    if spec.refine_conjunctions is not None:
        left = (key for key in spec.refine_conjunctions if not _is_fixed(key, fixed))
        return next(left, None)
    return _best_key(engine, spec, fixed, is_last)


def _is_fixed(conjunction: Conjunction, fixed: Sequence[Key]) -> bool:
    """Tell whether records that share the fixed keys share the conjunction, too.

    So it is where each of its keys is among them, or reads only fields whose whole value is.
    """
    same = {_written_out(key) for key in fixed}
    whole = {
        column
        for key in fixed
        for column in key.source_columns
        if key.sql.strip('"').lower() == column.lower()
    }
    return all(
        _written_out(key) in same or whole.issuperset(key.source_columns)
        for key in conjunction.keys
    )


def _written_out(key: Key) -> str:
    sql = key.sql
    for lookup in reversed(key.lookups):  # the outermost comes last
        sql = sql.replace(lookup.column, f"{lookup.function}({lookup.argument_sql})")
    return sql


def _number_keys(engine: DuckDBEngine, spec: PipelineSpec, strategies: Sequence[str]) -> None:
    """Make key_numbers: one row per record of an oversized block, one number per key.

    code_<i>: as in key_codes; below 0 where the record has no such key.
    """
    oversized = " union all ".join(
        f"select m.record_no from whole_{name} as m join sizes_{name} as s"
        " on s.block_key = m.block_key where s.reason = 'oversized'"
        for name in strategies
    )
    engine.make_table("records_to_part", f"select distinct record_no from ({oversized})")
    (n_records,) = engine.row("select count(*) from records_to_part")
    if not n_records:
        return
    columns, joins = key_code_columns(engine, spec.key_choices)
    codes = "".join(f", code_{i}" for i in range(len(spec.key_choices)))
    engine.make_table(
        "key_numbers",
        f"select record_no{codes} from (select r.record_no{columns} from cleaned_records as r"
        f" {joins}) where record_no in (select record_no from records_to_part)",
    )


def _best_key(
    engine: DuckDBEngine, spec: PipelineSpec, fixed: Sequence[Key], is_last: bool
) -> Conjunction | None:
    """Choose the key that leaves the fewest pairs but most records a partner.
    """
    choices = [
        (i, choice)
        for i, choice in enumerate(spec.key_choices)
        if not _is_fixed(choice.conjunction, fixed)
    ]
    codes = "".join(f", n.code_{i}" for i, _ in choices)
    engine.make_table(
        "numbered_members",
        f"select dense_rank() over (order by o.block_key) as whole_no, o.source_no{codes}"
        " from oversized as o join key_numbers as n on n.record_no = o.record_no",
    )
    import os
    rule = os.environ.get("RULE", "cap")
    counted = []; E = {}
    wholes = judged_blocks_sql("oversized", ["block_key"], spec.link_mode, spec.blocks)
    (undivided,) = engine.row(f"select sum(pairs) from ({wholes})")
    for i, choice in choices:
        keyed = f"(select * from numbered_members where code_{i} >= 0)"
        parts = judged_blocks_sql(keyed, ["whole_no", f"code_{i}"], spec.link_mode, spec.blocks)
        if rule in ("cap", "z"):
            useful = "reason is null"
        else:
            useful = "reason is null" + ("" if is_last or len(choices) == 1 else " or reason = 'oversized'")
        together, pairs = engine.row(
            f"select coalesce(sum(block_size) filter (where {useful}), 0),"
            f" coalesce(sum(pairs) filter (where {useful}), 0) from ({parts})"
        )
        (shared,) = engine.row(f"select coalesce(sum(pairs),0) from ({parts})")
        engine.make_table("distinct_members", f"select distinct record_no, source_no from oversized")
        alls = judged_blocks_sql("(select 1 as one, source_no from distinct_members)", ["one"], spec.link_mode, spec.blocks)
        (any_pairs,) = engine.row(f"select sum(pairs) from ({alls})")
        one = judged_blocks_sql(f"(select n.code_{i}, d.source_no from distinct_members d join key_numbers n on n.record_no=d.record_no where n.code_{i} >= 0)", [f"code_{i}"], spec.link_mode, spec.blocks)
        (any_shared,) = engine.row(f"select coalesce(sum(pairs),0) from ({one})")
        expected = float(undivided) * float(any_shared) / float(any_pairs)
        E[choice.expression] = (float(shared) - expected, float(shared), (float(shared)-expected)/max(1,float(shared))**.5)
        if together and pairs < undivided:
            if rule == "z" and E[choice.expression][2] < 6: continue
            counted.append((together, pairs, choice))
    if not counted:
        return None
    enough = LEAST_SHARE_OF_BEST * max(together for together, _, _ in counted)
    if os.environ.get("TELL"):
        n = engine.row("select count(*) from oversized")[0]
        for t, p, c in sorted(counted, key=lambda x: x[1]):
            print(f"   {t/n:.3f} {p:12,} {'*' if t>=enough else ' '} {c.expression:22} {E[c.expression][0]:12,.0f} of {E[c.expression][1]:12,.0f} z {E[c.expression][2]:8,.1f}")
    _, _, best = min(
        (c for c in counted if c[0] >= enough), key=lambda c: (c[1], c[2].expression)
    )
    return best.conjunction


def _escaped(text: str) -> str:
    return f"replace(replace({text}, '\\', '\\\\'), '{DIVISION_MARK}', '\\{DIVISION_MARK}')"
