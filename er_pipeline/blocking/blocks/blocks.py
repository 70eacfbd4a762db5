"""Step 2: records + one conjunction -> the blocks of those that share its key, counted exactly."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from er_pipeline.blocking.records.cleaned_records import read_records
from er_pipeline.blocking.spec.pipeline import Blocks, PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.keys import Conjunction

# The classes of the size report: 1, 2-10, 11-99, 100-cap, over the cap.
SIZE_CLASSES = ("1", "2-10", "11-99", "100-cap", "over the cap")

# Why a block is not compared. Refined ones are divided: their parts are judged like any block.
REASONS = ("below_min_size", "oversized", "one_source", "refined")


class SizeClass(TypedDict):
    """How many blocks there are of a class of size, and how many pairs they hold."""

    blocks: int
    pairs: int


class Division(TypedDict):
    """One round of dividing oversized blocks.

    members_left: memberships that left the blocks for want of a value of the key.
    """

    key: str
    blocks: int
    members_left: int


class BlockCounts(TypedDict):
    """Blocks and pairs of one conjunction, as `sum_blocks` adds them up.

    dropped_blocks, dropped_pairs: by `REASONS`. size_classes: by `SIZE_CLASSES`, of all blocks.
    divisions: of a strategy whose oversized blocks were divided.
    """

    blocks: int
    potential_pairs: int
    kept_blocks: int
    pairs: int
    largest_block: int
    largest_block_pairs: int
    dropped_blocks: dict[str, int]
    dropped_pairs: dict[str, int]
    size_classes: dict[str, SizeClass]
    divisions: NotRequired[list[Division]]


def build_blocks(
    engine: DuckDBEngine, lake: Lake, conjunction: Conjunction, spec: PipelineSpec
) -> dict[str, Any]:
    """Put every record into the blocks of one strategy.

    Reads cleaned_records. Writes blocks_<name> (block_key VARCHAR, record_id, source, record_no,
    source_no), one row per membership: one per record with a key, several where the key is
    many-valued. A record whose key has a NULL or blank member is in no block. A key that only one
    record has is kept: filtered_blocks removes it, and says so.
    Returns the facts kept beside the table.
    """
    table = f"blocks_{conjunction.name}"
    fingerprint = read_records(engine, lake)
    facts: dict[str, Any] = {"fingerprint": fingerprint, "expression": conjunction.expression}
    keyed = conjunction.keyed_records(engine, "cleaned_records")
    with lake.writing(table, facts) as draft:
        engine.write(
            f"select block_key, record_id, source, record_no, source_no from ({keyed})",
            draft.file(),
        )
        engine.read_folder(draft.folder, table)
        size_blocks(engine, table, "sizes", spec.link_mode, spec.blocks)
        memberships, records = engine.row(
            f"select count(*), count(distinct record_no) from {table}"
        )
        draft.facts.update(memberships=memberships, records_with_key=records)
        draft.facts.update(sum_blocks(engine, "sizes", spec.blocks))
        return dict(draft.facts)


def size_blocks(
    engine: DuckDBEngine, memberships: str, sizes: str, mode: str, blocks: Blocks
) -> None:
    """Size every block of a conjunction and judge it, without making a pair.

    memberships: engine table with block_key, record_no and source_no.
    sizes: the engine table made: (block_key, block_size, pairs, reason, block_no). pairs is the
    exact number the block holds: n(n-1)/2, in link mode only those between sources. reason is
    NULL for a block that is compared, else one of `REASONS` (refined is `refine_blocks`' alone).
    block_no numbers the compared ones from 0 in the order of their keys.
    """
    engine.make_table(
        sizes,
        f"""
        with judged as ({judged_blocks_sql(memberships, ["block_key"], mode, blocks)})
        select *,
            case when reason is null then cast(
                row_number() over (partition by reason is null order by block_key) - 1 as integer)
            end as block_no
        from judged
        """,
    )


def judged_blocks_sql(memberships: str, key: Sequence[str], mode: str, blocks: Blocks) -> str:
    """Write the query that sizes and judges the blocks of those that share a key.

    memberships: what to read, with the columns of key and source_no. Gives one row per block: the
    columns of key, block_size, pairs and reason, as in `size_blocks`.
    """
    columns = ", ".join(key)
    if mode == "link":
        sized = f"""
            select {columns}, cast(sum(n) as bigint) as block_size,
                cast((sum(n) * sum(n) - sum(n * n)) // 2 as bigint) as pairs
            from (select {columns}, source_no, count(*) as n from {memberships} group by all)
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


def sum_blocks(engine: DuckDBEngine, sizes: str, blocks: Blocks) -> BlockCounts:
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
    dropped = dict.fromkeys(REASONS, (0, 0))
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


def most_expensive(counts: Mapping[str, BlockCounts]) -> str:
    """Name the strategy or rule that makes most pairs, with their number."""
    if not counts:  # neighbours alone
        return "none"
    name = max(counts, key=lambda key: (counts[key]["pairs"], key))
    return f"{name} with {counts[name]['pairs']:,}"


def _size_classes(engine: DuckDBEngine, sizes: str, blocks: Blocks) -> dict[str, SizeClass]:
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
    counted: dict[str, SizeClass] = {
        size_class: {"blocks": n, "pairs": pairs} for size_class, n, pairs in found
    }
    return {name: counted.get(name, {"blocks": 0, "pairs": 0}) for name in SIZE_CLASSES}


def _over_cap(size: str, blocks: Blocks) -> str:
    return "false" if blocks.max_size is None else f"{size} > {blocks.max_size}"
