"""Step 2, continued: the ledger of the blocks that are not compared, and what they cost."""

from collections.abc import Sequence

from er_pipeline.blocking.records.cleaned_records import read_numbered
from er_pipeline.blocking.spec.learned import (
    LearnedBlocksFacts,
    learned_conjunctions,
    learned_rules_facts,
)
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.tables.lake import Lake


def write_dropped_blocks(
    engine: DuckDBEngine,
    lake: Lake,
    spec: PipelineSpec,
    strategies: Sequence[str],
    learned: LearnedBlocksFacts | None,
    fingerprint: str,
) -> None:
    """Account for every block of the strategies and learned rules that is not compared.

    Reads sizes_<strategy> and members_<strategy> as `sum_strategies` leaves them, learned_blocks
    and learned_dropped where rules are learned, and labels where there are any. Writes
    dropped_blocks (strategy, block_key, block_size, pairs, reason, matches_lost DOUBLE), most pairs
    first. pairs and reason: see `size_blocks` and `refine_blocks`. matches_lost: the labelled
    matches that the block holds and no block that is compared does; NULL without labels. A match
    that several dropped blocks hold counts in each.

    Raises LakeError if labels were made from other records.
    """
    ledger = [
        f"select {literal(name)} as strategy, block_key, block_size, pairs, reason"
        f" from sizes_{name} where reason is not null"
        for name in strategies
    ]
    if learned:
        ledger.append(
            "select rule as strategy, block_key, block_size, pairs, reason from learned_dropped"
        )
    nothing = (
        "select '' as strategy, '' as block_key, 0::bigint as block_size, 0::bigint as pairs,"
        " '' as reason where 1 = 0"
    )
    lost, join = "cast(null as double)", ""
    if spec.labels is not None and lake.has("labels"):
        read_numbered(engine, lake, "labels", fingerprint)
        _count_lost_matches(engine, lake, spec, strategies, learned)
        lost = "cast(coalesce(l.matches, 0) as double)"
        join = (
            "left join lost_matches as l on l.strategy = d.strategy and l.block_key = d.block_key"
        )
    with lake.writing("dropped_blocks", {"fingerprint": fingerprint}) as draft:
        engine.write(
            f"select d.*, {lost} as matches_lost"
            f" from ({' union all '.join(ledger) or nothing}) as d"
            f" {join} order by d.pairs desc, d.strategy, d.block_key",
            draft.file(),
        )


def _count_lost_matches(
    engine: DuckDBEngine,
    lake: Lake,
    spec: PipelineSpec,
    strategies: Sequence[str],
    learned: LearnedBlocksFacts | None,
) -> None:
    """Make lost_matches (strategy, block_key, matches) from the labels."""
    engine.make_table(
        "known_matches", "select left_no, right_no from labels where answer = 'match'"
    )
    engine.make_table(
        "known_records",
        "select * from cleaned_records where record_no in"
        " (select left_no from known_matches union all select right_no from known_matches)",
    )
    known = "record_no in (select record_no from known_records)"
    members = [
        f"select {literal(name)} as strategy, m.block_key, m.record_no, s.reason"
        f" from members_{name} as m join sizes_{name} as s on s.block_key = m.block_key"
        f" where m.{known}"
        for name in strategies
    ]
    if learned:
        members.append(
            "select rule as strategy, block_key, record_no, null as reason from learned_blocks"
            f" where {known}"
        )
        members += [
            f"select d.rule, d.block_key, k.record_no, d.reason"
            f" from ({rule.keyed_records(engine, 'known_records')}) as k join learned_dropped as d"
            f" on d.rule = {literal(rule.name)} and d.block_key = k.block_key"
            for rule in learned_conjunctions(spec, learned_rules_facts(lake))
        ]
    nothing = (
        "select '' as strategy, '' as block_key, 0::integer as record_no, '' as reason where 1 = 0"
    )
    engine.make_table("known_members", " union all ".join(members) or nothing)
    engine.make_table(
        "lost_matches",
        """
        with together as (
            select k.left_no, k.right_no, l.strategy, l.block_key, l.reason
            from known_matches as k
            join known_members as l on l.record_no = k.left_no
            join known_members as r on r.record_no = k.right_no
                and r.strategy = l.strategy and r.block_key = l.block_key
        ),
        compared as (
            select distinct left_no, right_no from together where reason is null
        )
        select t.strategy, t.block_key, count(*) as matches
        from together as t
        left join compared as c on c.left_no = t.left_no and c.right_no = t.right_no
        where c.left_no is null
        group by t.strategy, t.block_key
        """,
    )
