"""Records + one conjunction -> the blocks of those that share its key, counted exactly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NotRequired, TypedDict

from er_pipeline.blocking.blocks.membership_limit import (
    check_made_memberships,
    check_memberships,
)
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import BlockSizes, Shown, numbers
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import BLOCK_KEY, RECORD_NO, Facts, Table
from er_pipeline.blocking.tables.views import with_records
from er_pipeline.blocking.values.key_failures import named_failures
from er_pipeline.blocking.values.keys import Conjunction

# The classes of the size report: 1, 2-10, 11-99, 100-cap, over the cap.
SIZE_CLASSES = ("1", "2-10", "11-99", "100-cap", "over the cap")

# Why a block is not compared. Refined ones are divided: their parts are judged like any block.
DROP_REASONS = ("below_min_size", "oversized", "one_source", "refined")


class SizeClass(TypedDict):
    """Blocks of a class of size, and the pairs they hold."""

    blocks: int
    pairs: int


class BlockCounts(TypedDict):
    """What the blocks of a conjunction hold; see `sum_blocks`."""

    blocks: int
    potential_pairs: int
    kept_blocks: int
    pairs: int
    largest_block: int
    largest_block_pairs: int
    dropped_blocks: dict[str, int]
    dropped_pairs: dict[str, int]
    size_classes: dict[str, SizeClass]
    divisions: NotRequired[list[dict[str, Any]]]


@dataclass(frozen=True)
class SizedBlocks:
    """The blocks of a conjunction, as tables of the engine.

    members: (block_key, record_no, source_no), one row per membership.
    sizes: see `size_blocks`.
    """

    members: str
    sizes: str


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare one step per strategy."""
    return [_step(spec, strategy) for strategy in spec.strategy_conjunctions]


def blocks_table(strategy: Conjunction) -> str:
    """Name the table of a strategy's blocks."""
    return f"blocks_{strategy.name}"


def _step(spec: PipelineSpec, strategy: Conjunction) -> Step:
    name = blocks_table(strategy)
    return Step(
        writes=[
            Table(
                name,
                f"Records by their key: {strategy.expression}.",
                [BLOCK_KEY, RECORD_NO],
                with_records(name, ["block_key"]),
            )
        ],
        reads=["cleaned_records"],
        settings=[strategy.identity, *size_limits(spec)],
        run=partial(build_blocks, conjunction=strategy, spec=spec),
        stage="blocks",
        place="cluster",
        show=_show,
        lineage={"block_key": strategy.source_columns},
    )


def size_limits(spec: PipelineSpec) -> list[Any]:
    """List the settings that decide which block is compared, refining aside."""
    return [spec.blocks.min_size, spec.blocks.max_size, spec.link_mode]


def build_blocks(engine: Engine, lake: Lake, conjunction: Conjunction, spec: PipelineSpec) -> Facts:
    """Put every record into the blocks of one strategy.

    Reads cleaned_records. Writes blocks_<name> (block_key VARCHAR, record_no), one row per
    membership: one per record with a key, several where the key is many-valued. A record whose key
    has a NULL or blank member is in no block. A key that only one record has is kept:
    filtered_blocks removes it, and says so.
    Returns the facts kept beside the table.
    Raises SpecError if the key fails on a value, BudgetError if it has too many values.
    """
    lake.open(engine, "cleaned_records")
    table = blocks_table(conjunction)
    check_memberships(engine, conjunction, spec)
    with lake.writing(table, {"expression": conjunction.expression}) as draft:
        with named_failures(engine, "cleaned_records", [conjunction], "strategy"):
            keyed = conjunction.keyed_records(engine, "cleaned_records")
            engine.write(f"select block_key, record_no from ({keyed})", draft.file())
        engine.read_folder(draft.folder, table)
        check_made_memberships(engine, conjunction, spec, table)
        # A key of one value gives a record one row.
        records = "count(distinct record_no)" if conjunction.is_list else "count(*)"
        memberships, n_records = engine.row(f"select count(*), {records} from {table}")
        draft.facts.update(memberships=memberships, records_with_key=n_records)
        engine.make_view("members", members_sql(table, spec.link_mode))
        size_blocks(engine, "members", "sizes", spec.link_mode, spec.blocks)
        draft.facts.update(sum_blocks(engine, "sizes", spec.blocks))
        return dict(draft.facts)


def members_sql(table: str, mode: str) -> str:
    """Write the query of (block_key, record_no, source_no) of a table of blocks.

    Which source a record is from matters only where there are several.
    """
    if mode == "dedupe":
        return f"select block_key, record_no, 0::smallint as source_no from {table}"
    return (
        f"select b.block_key, b.record_no, r.source_no from {table} as b"
        " join cleaned_records as r on r.record_no = b.record_no"
    )


def _show(facts: Facts) -> Mapping[str, Shown]:
    return {
        **numbers(facts),
        "key": facts["expression"],
        "block_sizes": BlockSizes(facts["size_classes"]),
    }


def size_blocks(engine: Engine, memberships: str, sizes: str, mode: str, blocks: Blocks) -> None:
    """Size every block of a conjunction, and say why any is not compared, without making a pair.

    memberships: engine table with block_key, record_no and source_no.
    sizes: the engine table made: (block_key, block_size, pairs, reason, block_no). pairs is the
    exact number the block holds: n(n-1)/2, in link mode only those between sources. reason is
    NULL for a block that is compared, else one of `DROP_REASONS` (only `refine_blocks` says
    refined). block_no numbers the compared ones from 0 in the order of their keys.
    """
    engine.make_table(
        sizes,
        f"""
        with sized as materialized ({sized_blocks_sql(memberships, ["block_key"], mode, blocks)})
        select *, cast(row_number() over (order by block_key) - 1 as integer) as block_no
        from sized where reason is null
        union all
        select *, cast(null as integer) from sized where reason is not null -- often nearly all
        """,
    )


def sized_blocks_sql(memberships: str, key: Sequence[str], mode: str, blocks: Blocks) -> str:
    """Write the query that sizes the blocks of those that share a key, as `size_blocks` does.

    memberships: what to read, with the columns of key and source_no. Gives one row per block: the
    columns of key, block_size, pairs and reason.
    """
    columns = ", ".join(key)
    if mode == "link":
        sized = f"""
            select {columns}, cast(sum(n) as bigint) as block_size,
                cast((sum(n) * sum(n) - sum(n * n)) // 2 as bigint) as pairs
            from (select {columns}, source_no, count(*) as n from {memberships}
                group by {columns}, source_no)
            group by {columns}
        """
    else:
        sized = f"""
            select {columns}, count(*) as block_size, count(*) * (count(*) - 1) // 2 as pairs
            from {memberships} group by {columns}
        """
    return f"""
        select *,
            case when block_size < {blocks.min_size} then 'below_min_size'
                when pairs = 0 then 'one_source'
                when {_over_cap("block_size", blocks)} then 'oversized' end as reason
        from ({sized})
    """


def sum_blocks(engine: Engine, sizes: str, blocks: Blocks) -> BlockCounts:
    """Add up a table of `size_blocks`: blocks and pairs kept and dropped, by reason and by size."""
    kept, pairs, largest, largest_pairs, all_pairs, all_blocks = engine.row(
        f"""
        select count(*) filter (where reason is null),
            coalesce(sum(pairs) filter (where reason is null), 0)::bigint,
            coalesce(max(block_size) filter (where reason is null), 0),
            coalesce(max(pairs) filter (where reason is null), 0),
            coalesce(sum(pairs), 0)::bigint, count(*)
        from {sizes}
        """
    )
    dropped = dict.fromkeys(DROP_REASONS, (0, 0))
    for reason, n_blocks, n_pairs in engine.rows(
        f"select reason, count(*), sum(pairs)::bigint from {sizes}"
        " where reason is not null group by reason"
    ):
        dropped[reason] = (n_blocks, n_pairs)
    return {
        "blocks": all_blocks,
        "potential_pairs": all_pairs,
        "kept_blocks": kept,
        "pairs": pairs,
        "largest_block": largest,
        "largest_block_pairs": largest_pairs,
        "dropped_blocks": {reason: n_blocks for reason, (n_blocks, _) in dropped.items()},
        "dropped_pairs": {reason: n_pairs for reason, (_, n_pairs) in dropped.items()},
        "size_classes": _size_classes(engine, sizes, blocks),
    }


def over_the_cap(counts: BlockCounts) -> tuple[int, int]:
    """Give the blocks over the cap, and the pairs that dropping or dividing them avoided.

    counts: of `sum_blocks`.
    """
    dropped, pairs = counts["dropped_blocks"], counts["dropped_pairs"]
    return dropped["oversized"] + dropped["refined"], pairs["oversized"] + pairs["refined"]


def most_expensive(counts: Mapping[str, Mapping[str, Any]]) -> str:
    """Name the strategy or rule that makes most pairs, with their number."""
    if not counts:  # neighbours alone
        return "none"
    name = max(counts, key=lambda key: (counts[key]["pairs"], key))
    return f"{name} with {counts[name]['pairs']:,}"


def _size_classes(engine: Engine, sizes: str, blocks: Blocks) -> dict[str, SizeClass]:
    """Count blocks and their pairs by class of size; the classes stand in `SIZE_CLASSES`."""
    found = engine.rows(
        f"""
        select case when block_size = 1 then {literal(SIZE_CLASSES[0])}
                when {_over_cap("block_size", blocks)} then {literal(SIZE_CLASSES[4])}
                when block_size <= 10 then {literal(SIZE_CLASSES[1])}
                when block_size <= 99 then {literal(SIZE_CLASSES[2])}
                else {literal(SIZE_CLASSES[3])} end as size_class,
            count(*), sum(pairs)::bigint
        from {sizes} group by 1
        """
    )
    counted = {size_class: SizeClass(blocks=n, pairs=pairs) for size_class, n, pairs in found}
    return {name: counted.get(name, SizeClass(blocks=0, pairs=0)) for name in SIZE_CLASSES}


def _over_cap(size: str, blocks: Blocks) -> str:
    return "false" if blocks.max_size is None else f"{size} > {blocks.max_size}"
