"""True pairs that were proposed: by which strategies, whatever the budget kept of them."""

from collections.abc import Mapping

from er_pipeline.blocking.blocks.record_codes import codes_facts
from er_pipeline.blocking.pairs.unified_pairs import ready_pair_tables
from er_pipeline.blocking.pairs.weighed_when_read import holds_weights
from er_pipeline.blocking.spec.blocking_section import EMBEDDING
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal


def propose_true_pairs(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    bits: Mapping[str, int],
    proposed: str,
    pairs: str = "true_pairs",
) -> None:
    """Make the engine table `proposed` (left_no, right_no, strategy_mask): true pairs ever made.

    What proposes a pair follows from the two records; so it is known of pairs the budget cut, too.
    Reads the engine's record_codes, filtered_blocks, the tables of ready-made pairs and
    learned_blocks. bits: the place of every strategy in the mask. pairs: engine table (left_no,
    right_no) of the pairs that are looked for.
    """
    codes = codes_facts(lake)
    declared = [strategy for strategy in spec.strategy_conjunctions if not strategy.is_list]
    single = [*(strategy.name for strategy in declared), *codes["single_rules"]]
    equal = " + ".join(
        f"case when l.code_{i} = r.code_{i} then {1 << bits[name]}::bigint else 0::bigint end"
        for i, name in enumerate(single)
    )
    parts = [
        f"select t.left_no, t.right_no, {equal or '0::bigint'} as strategy_mask"
        f" from {pairs} as t join record_codes as l on l.record_no = t.left_no"
        " join record_codes as r on r.record_no = t.right_no"
    ]
    listed = [
        ("filtered_blocks", "strategy", strategy.name)
        for strategy in spec.strategy_conjunctions
        if strategy.is_list
    ]
    listed += [("learned_blocks", "rule", name) for name in codes["listed_rules"]]
    for table, column, name in listed:
        members = f"(select record_no, block_no from {table} where {column} = {literal(name)})"
        parts.append(
            f"select distinct t.left_no, t.right_no, {1 << bits[name]}::bigint"
            f" from {pairs} as t join {members} as l on l.record_no = t.left_no"
            f" join {members} as r on r.record_no = t.right_no and r.block_no = l.block_no"
        )
    for table in ready_pair_tables(spec):
        mask = "p.strategy_mask"
        if table == "embedding_blocks":
            mask = f"{1 << bits[EMBEDDING]}::bigint"
        parts.append(
            f"select t.left_no, t.right_no, {mask} from {pairs} as t join {table} as p"
            " on p.left_no = t.left_no and p.right_no = t.right_no"
        )
    engine.make_table(
        proposed,
        "select left_no, right_no, sum(strategy_mask)::bigint as strategy_mask"
        f" from ({' union all '.join(parts)}) group by left_no, right_no"
        " having sum(strategy_mask) > 0",
    )


def proposals_are_candidates(spec: PipelineSpec) -> bool:
    """Say whether what was proposed stands in unified_pairs, with that mask and no more columns."""
    return spec.budget is None and not holds_weights(spec)


def tables_of_proposals(spec: PipelineSpec) -> list[str]:
    """List the tables that `propose_true_pairs` reads."""
    tables = ["true_pairs", "record_codes", "filtered_blocks", *ready_pair_tables(spec)]
    return [*tables, "learned_blocks"] if spec.learns else tables
