"""What is noted beside filtered_blocks, and counted in a dry run: exact, without a pair made."""

from collections.abc import Mapping
from typing import TypedDict, cast

from er_pipeline.blocking.blocks.blocks import (
    SIZE_CLASSES,
    BlockCounts,
    SizeClass,
    SizedBlocks,
    size_blocks,
    sum_blocks,
)
from er_pipeline.blocking.blocks.refined_blocks import refine_blocks
from er_pipeline.blocking.spec.learned import LearnedBlocksFacts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted


class FilteredFacts(TypedDict):
    """Counts of all strategies and learned rules; see `sum_strategies`."""

    records: int
    records_empty: int
    possible_pairs: int
    records_with_key: int
    records_sharing_a_key: int
    records_in_a_block: int
    potential_pairs: int
    pairs: int
    strategies: dict[str, BlockCounts]


def filtered_facts(lake: Lake) -> FilteredFacts:
    """Read what is noted beside filtered_blocks."""
    return cast(FilteredFacts, lake.facts("filtered_blocks"))


def size_strategies(
    engine: Engine, spec: PipelineSpec, memberships: Mapping[str, str]
) -> tuple[dict[str, SizedBlocks], dict[str, BlockCounts]]:
    """Size and count the blocks of every strategy; divide those over the cap if the spec says so.

    memberships: strategy -> engine table (block_key, record_no, source_no), over the engine's
    cleaned_records. Returns each strategy's blocks, and what they hold.
    """
    sized: dict[str, SizedBlocks] = {}
    counts: dict[str, BlockCounts] = {}
    if spec.blocks.oversized == "refine":
        for name, (refined, divisions) in refine_blocks(engine, spec, memberships).items():
            sized[name] = refined
            counts[name] = sum_blocks(engine, refined.sizes, spec.blocks)
            if divisions:
                counts[name]["divisions"] = divisions
        return sized, counts
    for name, members in memberships.items():
        sized[name] = SizedBlocks(members, f"sizes_{name}")
        size_blocks(engine, members, sized[name].sizes, spec.link_mode, spec.blocks)
        counts[name] = sum_blocks(engine, sized[name].sizes, spec.blocks)
    return sized, counts


def sum_strategies(
    engine: Engine,
    spec: PipelineSpec,
    sized: Mapping[str, SizedBlocks],
    counts: Mapping[str, BlockCounts],
    learned: LearnedBlocksFacts | None = None,
) -> FilteredFacts:
    """Count what the strategies would compare, exactly, from block sizes alone.

    sized, counts: of `size_strategies`. learned: facts of learned_blocks, whose learned_codes the
    engine can read.
    Returns "strategies" (see `sum_blocks`; divided ones with their "divisions"), "pairs" (their
    plain sum), and how many records have a key, share one, and stand in a kept block.
    """
    strategies = dict(counts)
    parts = [
        f"select m.record_no, s.pairs > 0 as shared, s.reason is null as kept"
        f" from {blocks.members} as m join {blocks.sizes} as s on s.block_key = m.block_key"
        for blocks in sized.values()
    ]
    if learned:
        strategies.update(cast(dict[str, BlockCounts], learned["rules"]))
        parts.append(
            "select record_no, shares_key as shared, in_block as kept from learned_codes"
            " where has_key"
        )
    # One after another: as one query, sixty strategies keep the keys of all of them in memory.
    engine.make_table(
        "covered_records",
        "select record_no, false as shared, false as kept from cleaned_records where 1 = 0",
    )
    for part in parts:
        engine.append("covered_records", part)
    with_key, sharing, in_block = engine.row(
        "select count(*), count(*) filter (where shared), count(*) filter (where kept)"
        " from (select record_no, bool_or(shared) as shared, bool_or(kept) as kept"
        " from covered_records group by record_no)"
    )
    engine.drop("covered_records")
    (n_records,) = engine.row("select count(*) from cleaned_records")
    return FilteredFacts(
        records=n_records,
        records_empty=count_empty(engine, spec),
        possible_pairs=possible_pairs(engine, spec.link_mode),
        records_with_key=with_key,
        records_sharing_a_key=sharing,
        records_in_a_block=in_block,
        potential_pairs=sum(count["potential_pairs"] for count in strategies.values()),
        pairs=sum(count["pairs"] for count in strategies.values()),
        strategies=strategies,
    )


def count_empty(engine: Engine, spec: PipelineSpec) -> int:
    """Count the records that are empty in every field: no key of any strategy could cover them."""
    values = [quoted(name) for name in spec.field_kinds]
    if spec.vector_column:
        values.append("cast(user_vector as varchar)")
    (n_empty,) = engine.row(
        f"select count(*) from cleaned_records where coalesce({', '.join(values)}) is null"
    )
    return int(n_empty)


def total_size_classes(strategies: Mapping[str, BlockCounts]) -> dict[str, SizeClass]:
    """Add up the size classes of all strategies."""
    total = {name: SizeClass(blocks=0, pairs=0) for name in SIZE_CLASSES}
    for counts in strategies.values():
        for size_class, sizes in counts["size_classes"].items():
            total[size_class]["blocks"] += sizes["blocks"]
            total[size_class]["pairs"] += sizes["pairs"]
    return total


def possible_pairs(engine: Engine, mode: str) -> int:
    """Count the pairs that comparing everything would make: n(n-1)/2, or across sources."""
    counted = engine.rows("select count(*) from cleaned_records group by source_no")
    sizes = [int(n) for (n,) in counted]
    total = sum(sizes)
    if mode == "link":
        return (total * total - sum(n * n for n in sizes)) // 2
    return total * (total - 1) // 2
