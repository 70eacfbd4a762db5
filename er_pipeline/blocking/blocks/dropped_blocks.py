"""The ledger of the blocks that are not compared, and what they cost."""

from collections.abc import Mapping, Sequence

from er_pipeline.blocking.blocks.blocks import DROP_REASONS, SizedBlocks
from er_pipeline.blocking.spec.learned import learned_conjunctions, learned_rules_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.table import BLOCK_KEY, BLOCK_SIZE, Column, Table, arrow_of
from er_pipeline.blocking.tables.views import all_columns

PAIRS = Column("pairs", "BIGINT", "Pairs that dropping or dividing it avoided", minimum=0)
REASON = Column("reason", "VARCHAR", "Why the block is not compared", allowed=DROP_REASONS)


def dropped_table(spec: PipelineSpec) -> Table:
    """Declare dropped_blocks."""
    names = tuple(strategy.name for strategy in spec.strategy_conjunctions)
    return Table(
        "dropped_blocks",
        "The ledger of blocks not compared: pairs avoided, and why.",
        [
            # Learned rules have names that no declaration knows.
            Column(
                "strategy", "VARCHAR", "Name of the strategy", allowed=() if spec.learns else names
            ),
            BLOCK_KEY,
            BLOCK_SIZE,
            PAIRS,
            REASON,
            Column(
                "matches_lost",
                "DOUBLE",
                "Labelled matches in it, and in no block that is compared; NULL without labels",
                required=False,
                minimum=0,
            ),
        ],
        all_columns("dropped_blocks"),
    )


def write_dropped_blocks(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    sized: Mapping[str, SizedBlocks],
    *,
    has_rules: bool,
) -> None:
    """Account for every block of the strategies and learned rules that is not compared.

    sized: of `size_strategies`. has_rules: whether the engine has learned_blocks and
    learned_dropped. Reads labels where the spec has them, and the facts of learned_rules then.
    Writes dropped_blocks (strategy, block_key, block_size, pairs, reason, matches_lost DOUBLE),
    most pairs first. pairs and reason: see `size_blocks` and `refine_blocks`. matches_lost: the
    labelled matches that the block holds and no block that is compared does; NULL without labels. A
    match that several dropped blocks hold counts in each.
    """
    *counted, _ = dropped_table(spec).columns  # matches_lost comes below
    engine.put("nothing_dropped", arrow_of(counted))
    dropped = {
        name: f"select {literal(name)} as strategy, block_key, block_size, pairs, reason"
        f" from {blocks.sizes} where reason is not null"
        for name, blocks in sized.items()
    }
    ledger = ["from nothing_dropped", *(f"{blocks} and pairs > 0" for blocks in dropped.values())]
    if has_rules:
        ledger.append(
            "select rule as strategy, block_key, block_size, pairs, reason from learned_dropped"
        )
    lost, join = "cast(null as double)", ""
    if spec.labels is not None:
        lake.open(engine, "labels")
        lost_matches = _count_lost_matches(engine, lake, spec, sized, has_rules)
        lost = "cast(coalesce(l.matches, 0) as double)"
        join = (
            f"left join {lost_matches} as l on l.strategy = d.strategy"
            " and l.block_key = d.block_key"
        )

    def sorted_blocks(blocks: Sequence[str]) -> str:
        return (
            f"select d.*, {lost} as matches_lost from ({' union all '.join(blocks)}) as d"
            f" {join} order by d.pairs desc, d.strategy, d.block_key"
        )

    with lake.writing("dropped_blocks") as draft:
        engine.write(sorted_blocks(ledger), draft.file())
        # Nearly all are a record alone. Each strategy's are sorted for themselves: those of sixty
        # together took 700 MiB. Files are read in the order of their names.
        for name, blocks in dropped.items():
            engine.write(sorted_blocks([f"{blocks} and pairs = 0"]), draft.file(f"part-1-{name}"))


def _count_lost_matches(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    sized: Mapping[str, SizedBlocks],
    has_rules: bool,
) -> str:
    """Make a table (strategy, block_key, matches) of the labels; return its name."""
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
        f" from {blocks.members} as m join {blocks.sizes} as s on s.block_key = m.block_key"
        f" where m.{known}"
        for name, blocks in sized.items()
    ]
    if has_rules:
        members.append(
            "select rule as strategy, block_key, record_no, cast(null as varchar) as reason"
            f" from learned_blocks where {known}"
        )
        members += [
            f"select d.rule, d.block_key, k.record_no, d.reason"
            f" from ({rule.keyed_records(engine, 'known_records')}) as k join learned_dropped as d"
            f" on d.rule = {literal(rule.name)} and d.block_key = k.block_key"
            for rule in learned_conjunctions(spec, learned_rules_facts(lake))
        ]
    nothing = (
        "select cast('' as varchar) as strategy, cast('' as varchar) as block_key, record_no,"
        " cast('' as varchar) as reason from cleaned_records where 1 = 0"
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
    return "lost_matches"
