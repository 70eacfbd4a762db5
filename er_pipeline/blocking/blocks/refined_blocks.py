"""Blocks over the cap: divide them by further keys, and drop only the rest.

The records of a block part by the value of a further key; those without one leave. What is still
over the cap is divided by the next key, until it fits, no key is left, or it was divided
`MOST_DIVISIONS` times. All blocks of a strategy are divided by the same keys. These are given, or
chosen by counting the parts that each key would make; no pair is made.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from er_pipeline.blocking.blocks.blocks import (
    BlockCounts,
    SizedBlocks,
    size_blocks,
    sized_blocks_sql,
)
from er_pipeline.blocking.records.key_codes import key_code_columns, same_values
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.values.key_failures import named_failures
from er_pipeline.blocking.values.keys import Conjunction, Key

logger = logging.getLogger(__name__)

# A conjunction of more keys finds few matches that have a typo.
MOST_DIVISIONS = 3
# Of the memberships that the best key leaves together, a chosen one leaves at least this share.
LEAST_SHARE_OF_BEST = 0.8
# A key that shows less than this share of the matches of another one is noise, unless chance could
# hide so many standard deviations of them. Of 500,000 people with twenty columns of noise, these
# show 1% where they are narrow, and the names, cities and birthdays 55% and more.
LEAST_SHARE_OF_MATCHES = 0.2
DEVIATIONS = 3
# Stands between the key of a block and the value that divides it: S530 > 1980-03.
DIVISION_MARK = ">"


def refine_blocks(
    engine: Engine, spec: PipelineSpec, memberships: Mapping[str, str]
) -> dict[str, tuple[SizedBlocks, list[dict[str, Any]]]]:
    """Divide the oversized blocks of every strategy; size and judge all blocks.

    Reads the engine's cleaned_records. memberships: strategy -> engine table (block_key, record_no,
    source_no).
    Returns each strategy's blocks and its divisions. Among the members are those of the parts of
    divided blocks; a divided block has the reason 'refined' and as pairs those that none of its
    parts holds, so every pair is still counted once.
    The key of a part is the block's, the mark > and the value; a > or backslash within them is
    escaped by a backslash, so that equal keys mean equal values.
    Divisions, in turn: the key, the blocks it divided, and the memberships that left them for want
    of a value.
    """
    whole = {name: SizedBlocks(f"whole_{name}", f"sizes_{name}") for name in memberships}
    for name, table in memberships.items():
        engine.make_view(
            whole[name].members,
            f"select {_escaped('block_key')} as block_key, record_no, source_no from {table}",
        )
        size_blocks(engine, whole[name].members, whole[name].sizes, spec.link_mode, spec.blocks)
    given = spec.refine_conjunctions
    candidates = [] if given else _number_candidates(engine, spec, list(whole.values()))
    return {
        strategy.name: _refine_strategy(engine, spec, strategy, whole[strategy.name], candidates)
        for strategy in spec.strategy_conjunctions
    }


def divisions_text(counts: BlockCounts) -> str:
    """Name the keys that a strategy's blocks were divided by; counts: of `sum_strategies`."""
    return ", then ".join(division["key"] for division in counts.get("divisions", []))


@dataclass(frozen=True)
class _Candidate:
    """A key that might divide blocks.

    code: its column of key_numbers. chance: share of all pairs of records that share it.
    """

    key: Conjunction
    code: str
    chance: float


def _refine_strategy(
    engine: Engine,
    spec: PipelineSpec,
    strategy: Conjunction,
    whole: SizedBlocks,
    candidates: Sequence[_Candidate],
) -> tuple[SizedBlocks, list[dict[str, Any]]]:
    """Divide a strategy's blocks; return those that come of it, and the divisions."""
    parts = f"parts_{strategy.name}"
    engine.make_table(parts, f"select * from {whole.members} where 1 = 0")
    engine.make_table("divided", "select '' as block_key, 0::bigint as pairs where 1 = 0")
    divisions: list[dict[str, Any]] = []
    fixed, level = strategy.keys, whole
    while len(divisions) < MOST_DIVISIONS:
        engine.make_table(
            "oversized",
            f"select m.* from {level.members} as m"
            f" join {level.sizes} as s on s.block_key = m.block_key where s.reason = 'oversized'",
        )
        (n_blocks,) = engine.row("select count(distinct block_key) from oversized")
        if not n_blocks:
            break
        divisions_left = MOST_DIVISIONS - len(divisions)
        key = _next_key(engine, spec, fixed, candidates, divisions_left)
        if key is None:
            break
        level, members_left = _divide(engine, spec, key)
        divisions.append({"key": key.expression, "blocks": n_blocks, "members_left": members_left})
        logger.info("%s: %s blocks divided by %s", strategy.name, n_blocks, key.expression)
        engine.append(parts, f"select * from {level.members}")
        fixed = (*fixed, *key.keys)
    if not divisions:
        return whole, divisions
    # A view only now: one made before would not see the parts on every engine.
    refined = SizedBlocks(f"refined_members_{strategy.name}", f"refined_sizes_{strategy.name}")
    engine.make_view(
        refined.members, f"select * from {whole.members} union all select * from {parts}"
    )
    size_blocks(engine, refined.members, "all_sizes", spec.link_mode, spec.blocks)
    engine.make_table(
        refined.sizes,
        """
        select s.block_key, s.block_size, s.pairs - coalesce(d.pairs, 0) as pairs,
            case when d.block_key is null then s.reason else 'refined' end as reason, s.block_no
        from all_sizes as s left join divided as d on d.block_key = s.block_key
        """,
    )
    return refined, divisions


def _divide(engine: Engine, spec: PipelineSpec, key: Conjunction) -> tuple[SizedBlocks, int]:
    """Divide the blocks of `oversized`, and add to `divided`.

    divided: (block_key, pairs), pairs being those that the parts of the block hold together.
    Returns the parts, and how many memberships have no value of the key.
    """
    new = SizedBlocks("new_parts", "new_sizes")
    engine.make_table(
        "oversized_records",
        "select * from cleaned_records where record_no in (select record_no from oversized)",
    )
    with named_failures(engine, "oversized_records", [key], "blocks.refine_by"):
        keyed = key.keyed_records(engine, "oversized_records")
        engine.make_table(
            "keyed_members",
            f"""
            select o.block_key || ' {DIVISION_MARK} ' || {_escaped("k.block_key")} as block_key,
                o.record_no, o.source_no, o.block_key as whole_key
            from oversized as o join ({keyed}) as k on k.record_no = o.record_no
            """,
        )
    engine.make_table(new.members, "select block_key, record_no, source_no from keyed_members")
    size_blocks(engine, new.members, new.sizes, spec.link_mode, spec.blocks)
    engine.append(
        "divided",
        f"""
        with parts as (
            select distinct whole_key, block_key from keyed_members
        ),
        held as (
            select p.whole_key, sum(s.pairs) as pairs
            from parts as p join {new.sizes} as s on s.block_key = p.block_key group by p.whole_key
        )
        select o.block_key, cast(coalesce(h.pairs, 0) as bigint)
        from (select distinct block_key from oversized) as o
        left join held as h on h.whole_key = o.block_key
        """,
    )
    (members_left,) = engine.row(
        f"select (select count(*) from oversized) - (select count(*) from {new.members})"
    )
    return new, int(members_left)


def _next_key(
    engine: Engine,
    spec: PipelineSpec,
    fixed: Sequence[Key],
    candidates: Sequence[_Candidate],
    divisions_left: int,
) -> Conjunction | None:
    """Return the key that divides the blocks of `oversized`, None if no key is left.

    fixed: the keys that all records of a block share already.
    """
    if spec.refine_conjunctions is not None:
        return next((key for key in spec.refine_conjunctions if not _is_fixed(key, fixed)), None)
    left = [candidate for candidate in candidates if not _is_fixed(candidate.key, fixed)]
    return _best_key(engine, spec, left, divisions_left > 1 and len(left) > 1) if left else None


def _is_fixed(conjunction: Conjunction, fixed: Sequence[Key]) -> bool:
    """Say whether records that share the fixed keys share the conjunction, too.

    So it is where each of its keys is among them, or reads only fields whose whole value is.
    """
    same = {key.written_out for key in fixed}
    whole = {
        column
        for key in fixed
        for column in key.source_columns
        if key.sql.strip('"').lower() == column.lower()
    }
    return all(
        key.written_out in same or whole.issuperset(key.source_columns) for key in conjunction.keys
    )


def _number_candidates(
    engine: Engine, spec: PipelineSpec, whole: Sequence[SizedBlocks]
) -> list[_Candidate]:
    """Make key_numbers, one row per record of an oversized block and one number per key.

    code_<i>: as in key_codes; below 0 where the record has no such key.
    """
    oversized = " union all ".join(
        f"select m.record_no from {blocks.members} as m join {blocks.sizes} as s"
        " on s.block_key = m.block_key where s.reason = 'oversized'"
        for blocks in whole
    )
    engine.make_table(
        "records_to_part",
        f"select distinct record_no from ({oversized or 'select 0 as record_no where 1 = 0'})",
    )
    (n_records,) = engine.row("select count(*) from records_to_part")
    if not n_records:
        return []
    keys = key_code_columns(engine, spec.key_choices)
    codes = [f"code_{i}" for i in range(len(spec.key_choices))]
    engine.make_table(
        "key_numbers",
        f"select record_no, {', '.join(codes)}"
        f" from (select r.record_no{keys.columns} from cleaned_records as r {keys.joins})"
        " where record_no in (select record_no from records_to_part)",
    )
    everything = "(select 0 as one_block, source_no from cleaned_records)"
    all_pairs, _, _ = _sum_parts(engine, spec, everything, ["one_block"])
    candidates = []
    for code, choice in zip(codes, spec.key_choices, strict=True):
        keyed = (
            f"(select v.{code}, r.source_no from cleaned_records as r"
            f" join {keys.values[choice.field]} as v"
            f" on {same_values(choice, 'v')} where v.{code} is not null)"
        )
        pairs, _, _ = _sum_parts(engine, spec, keyed, [code])
        candidates.append(_Candidate(choice.conjunction, code, pairs / max(1, all_pairs)))
    return candidates


@dataclass(frozen=True)
class _Division:
    """What a key would make of the blocks of `oversized`.

    together: memberships with a partner in a part that fits or can be divided again. pairs: of
    those parts. shared: pairs of all parts. beyond_chance: how many more than any two records.
    """

    candidate: _Candidate
    together: int
    pairs: int
    shared: int
    beyond_chance: float


def _best_key(
    engine: Engine,
    spec: PipelineSpec,
    candidates: Sequence[_Candidate],
    can_divide_again: bool,
) -> Conjunction | None:
    """Choose the key that divides the blocks of `oversized`.

    A membership is together where it has a partner in a part that is compared or, while it can be
    divided again, still over the cap. Of the keys that leave at least `LEAST_SHARE_OF_BEST` of the
    most memberships together that any of them does, the one with the fewest pairs in such parts is
    chosen, by name among equals; None where no key leaves any together.

    Noise is left out first: a batch number parts blocks evenly, and matches with them. Two records
    of one block share noise no more often than any two records do; what a key shows beyond that
    are matches. So it must show `LEAST_SHARE_OF_MATCHES` of the most that any narrow key does, one
    with at most a pair per membership; by chance a count is off by about its square root.
    """
    codes = ", ".join(f"n.{candidate.code}" for candidate in candidates)
    engine.make_table(
        "numbered_members",
        f"select dense_rank() over (order by o.block_key) as block_no, o.source_no, {codes}"
        " from oversized as o join key_numbers as n on n.record_no = o.record_no",
    )
    (n_members,) = engine.row("select count(*) from numbered_members")
    whole_pairs, _, _ = _sum_parts(engine, spec, "numbered_members", ["block_no"])
    useful = "reason is null or reason = 'oversized'" if can_divide_again else "reason is null"
    divisions = []
    for candidate in candidates:
        code = candidate.code
        keyed = f"(select block_no, source_no, {code} from numbered_members where {code} >= 0)"
        shared, together, pairs = _sum_parts(engine, spec, keyed, ["block_no", code], useful)
        if shared < whole_pairs:  # else it divides nothing
            beyond = shared - candidate.chance * whole_pairs
            divisions.append(_Division(candidate, together, pairs, shared, beyond))
    most = max((d.beyond_chance for d in divisions if d.shared <= n_members), default=0.0)
    showing = [
        d
        for d in divisions
        if d.together
        and (
            most <= 0
            or d.beyond_chance + DEVIATIONS * sqrt(d.shared) >= LEAST_SHARE_OF_MATCHES * most
        )
    ]
    if not showing:
        return None
    enough = LEAST_SHARE_OF_BEST * max(d.together for d in showing)
    best = min(
        (d for d in showing if d.together >= enough),
        key=lambda d: (d.pairs, d.candidate.key.expression),
    )
    return best.candidate.key


def _sum_parts(
    engine: Engine,
    spec: PipelineSpec,
    members: str,
    key: Sequence[str],
    useful: str = "true",
) -> tuple[int, int, int]:
    """Count the pairs of all parts, then the memberships and pairs of the useful ones."""
    parts = sized_blocks_sql(members, key, spec.link_mode, spec.blocks)
    shared, together, pairs = engine.row(
        f"""
        select coalesce(sum(pairs), 0)::bigint,
            coalesce(sum(block_size) filter (where {useful}), 0)::bigint,
            coalesce(sum(pairs) filter (where {useful}), 0)::bigint
        from ({parts})
        """
    )
    return int(shared), int(together), int(pairs)


def _escaped(text: str) -> str:
    return f"replace(replace({text}, '\\', '\\\\'), '{DIVISION_MARK}', '\\{DIVISION_MARK}')"
