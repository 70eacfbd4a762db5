"""What a change would do to the entities: how many fewer there would be, counted from its matches.

Of a lower threshold the new matches are known. Of pairs that nothing has compared they are found by
scoring them, where there are few. What keeps entities apart besides scores (labels, a limit of one
match per source) and what a budget would drop is not foreseen: then nothing is said.
"""

from collections.abc import Iterable

from er_pipeline.blocking.blocks.blocks import blocks_table
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.values.keys import Conjunction
from er_pipeline.evaluation.pair_score import scored_sql
from er_pipeline.evaluation.remedy_settings import Change
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.matching.term_frequencies import read_frequencies

# Pairs that are scored to see which of them match, and records whose keys are computed for it:
# either takes about a second.
PAIRS_SCORED, RECORDS_KEYED = 20_000, 200_000


def count_merged(engine: Engine, lake: Lake, spec: PipelineSpec, change: Change) -> int | None:
    """Count by how many entities there would be fewer with a change; None where that is not known.

    Reads the engine's cleaned_records, entities and matches, and of larger blocks dropped_blocks.
    """
    matching = spec.matching
    if matching is None or matching.one_to_one or spec.labels or spec.second_pass:
        return None
    if spec.budget and change.adds != "matches":
        return None
    changed = spec.changed(change.settings)
    assert changed.matching, "matching stays on"
    least = changed.matching.threshold
    links = "links_of_change"
    if change.adds == "matches":
        engine.make_table(
            links,
            f"select left_no, right_no from matches where match_probability >= {least!r}"
            f" and match_probability < {matching.threshold!r}",
        )
    else:
        pairs = _pairs_of(engine, lake, spec, changed, change)
        if pairs is None:
            return None
        scores = scored_sql(engine, read_model(lake), read_frequencies(engine, lake), pairs)
        engine.make_table(
            links,
            f"select left_no, right_no from ({scores}) where match_probability >= {least!r}",
        )
    joined = engine.rows(
        f"""
        select distinct least(l.entity_no, r.entity_no), greatest(l.entity_no, r.entity_no)
        from {links} as p join entities as l on l.record_no = p.left_no
        join entities as r on r.record_no = p.right_no where l.entity_no <> r.entity_no
        """
    )
    return joins_of(joined)


def joins_of(links: Iterable[tuple[int, int]]) -> int:
    """Count the links that join what no link before them has joined."""
    parent: dict[int, int] = {}

    def root_of(node: int) -> int:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    n_joins = 0
    for one, other in links:
        left, right = root_of(one), root_of(other)
        if left != right:
            parent[left] = right
            n_joins += 1
    return n_joins


def _pairs_of(
    engine: Engine, lake: Lake, spec: PipelineSpec, changed: PipelineSpec, change: Change
) -> str | None:
    """Make the engine table of the pairs that a change makes; None if they are too many.

    Rules that are pinned are learned with others, and lists are searched: neither is followed.
    """
    if spec.learns or change.bound or change.number > PAIRS_SCORED:
        return None
    (n_records,) = engine.row("select count(*) from cleaned_records")
    members: list[str] = []
    if change.adds == "strategy":
        if n_records > RECORDS_KEYED:
            return None
        known = {strategy.name for strategy in spec.strategy_conjunctions}
        (added,) = [s for s in changed.strategy_conjunctions if s.name not in known]
        engine.make_table("added_members", added.keyed_records(engine, "cleaned_records"))
        members.append(_compared(changed, "added_members", None))
    elif change.adds == "blocks" and spec.blocks.oversized == "drop":
        for strategy in spec.strategy_conjunctions:
            members.append(_larger(engine, lake, changed, strategy))
    else:
        return None
    across = "l.source_no < r.source_no" if spec.link_mode == "link" else "true"
    made = [
        "select l.record_no as left_no, r.record_no as right_no"
        f" from ({of}) as l join ({of}) as r on l.block_key = r.block_key"
        f" and l.record_no < r.record_no and {across}"
        for of in members
    ]
    pairs = "pairs_of_change"
    engine.make_table(pairs, f"select distinct left_no, right_no from ({' union all '.join(made)})")
    return pairs


def _compared(changed: PipelineSpec, members: str, blocks: str | None) -> str:
    """Write the query of the memberships of blocks within the limits of size."""
    blocks = blocks or (
        f"select block_key from {members} group by block_key having count(*) >="
        f" {changed.blocks.min_size}"
        + (f" and count(*) <= {changed.blocks.max_size}" if changed.blocks.max_size else "")
    )
    return f"select block_key, record_no, source_no from {members} where block_key in ({blocks})"


def _larger(engine: Engine, lake: Lake, changed: PipelineSpec, strategy: Conjunction) -> str:
    """Write the query of the memberships of blocks of a strategy that a change lets in."""
    table = blocks_table(strategy)
    lake.open(engine, table)
    let_in = f"block_size >= {changed.blocks.min_size}"
    if changed.blocks.max_size:
        let_in += f" and block_size <= {changed.blocks.max_size}"
    blocks = (
        f"select block_key from dropped_blocks where strategy = {literal(strategy.name)}"
        f" and {let_in}"
    )
    members = (
        f"(select b.block_key, b.record_no, r.source_no from {quoted(table)} as b"
        " join (select record_no, source_no from cleaned_records) as r"
        " on r.record_no = b.record_no)"
    )
    return _compared(changed, members, blocks)
