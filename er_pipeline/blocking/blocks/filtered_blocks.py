"""Step 2, continued: block tables -> the blocks worth comparing, the ledger of those that are not,
and one row of codes per record from which every pair follows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

from er_pipeline.blocking.blocks.blocks import (
    SIZE_CLASSES,
    BlockCounts,
    SizeClass,
    most_expensive,
    size_blocks,
    sum_blocks,
)
from er_pipeline.blocking.blocks.dropped_blocks import write_dropped_blocks
from er_pipeline.blocking.blocks.refined_blocks import refine_blocks
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict, share_of, unless
from er_pipeline.blocking.values.keys import Conjunction


class StrategyFacts(TypedDict):
    """What the strategies and learned rules would compare, as `sum_strategies` counts it.

    potential_pairs, pairs: plain sums over the strategies, of all blocks and of those kept.
    """

    records: int
    possible_pairs: int
    records_with_key: int
    records_sharing_a_key: int
    records_in_a_block: int
    potential_pairs: int
    pairs: int
    strategies: dict[str, BlockCounts]


class FilteredFacts(StrategyFacts):
    """The facts kept beside filtered_blocks."""

    fingerprint: str


def filter_blocks(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> FilteredFacts:
    """Keep the blocks of every strategy that are worth comparing; account for the others.

    Reads cleaned_records, every blocks_<strategy>, what learned rules made, and labels. Writes
    filtered_blocks (strategy, block_key, block_size BIGINT, record_id, source, record_no,
    block_no INTEGER), one row per membership of a kept block, one file per strategy;
    dropped_blocks, the ledger, see `write_dropped_blocks`; and
    record_codes (record_no, source_no, code_0, code_1, ... INTEGER), one row per record: its block
    in every single-valued strategy, or a number below 0 that no other record has.
    Returns the facts kept beside filtered_blocks; see `sum_strategies`.

    Raises LakeError if a table was made from other records.
    """
    fingerprint = read_records(engine, lake)
    memberships = {}
    for strategy in spec.strategy_conjunctions:
        table = f"blocks_{strategy.name}"
        read_numbered(engine, lake, table, fingerprint)
        memberships[strategy.name] = table
    learned = read_learned(engine, lake, spec, fingerprint)
    counts = sum_strategies(engine, spec, memberships, learned)
    facts: FilteredFacts = {"fingerprint": fingerprint, **counts}
    write_dropped_blocks(engine, lake, spec, list(memberships), learned, fingerprint)
    with lake.writing("filtered_blocks", facts) as draft:
        for name in memberships:
            engine.write(
                f"""
                select {literal(name)} as strategy, s.block_key, s.block_size, m.record_id,
                    m.source, m.record_no, s.block_no
                from members_{name} as m join sizes_{name} as s on s.block_key = m.block_key
                where s.reason is null
                """,
                draft.file(name),
            )
        if not memberships:  # neighbours alone: a table all the same
            engine.write(
                "select '' as strategy, '' as block_key, 0::bigint as block_size, record_id,"
                " source, record_no, 0::integer as block_no from cleaned_records where 1 = 0",
                draft.file(),
            )
    single = [strategy.name for strategy in spec.strategy_conjunctions if not strategy.is_list]
    rules = learned["single"] if learned else []
    codes = {
        "fingerprint": fingerprint,
        "codes": len(single) + len(rules),
        "rules": list(learned["rules"]) if learned else [],
        "single_rules": rules,
        "listed_rules": learned["listed"] if learned else [],
    }
    with lake.writing("record_codes", codes) as draft:
        engine.write(_codes_sql(spec.strategy_conjunctions, len(rules)), draft.file())
    return facts


def read_learned(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, fingerprint: str
) -> Mapping[str, Any] | None:
    """Make the tables of the learned rules readable; give their facts, None where none are learned.

    Raises LakeError if a table was made from other records.
    """
    if not spec.learns:
        return None
    for table in ("learned_blocks", "learned_dropped", "learned_codes"):
        read_numbered(engine, lake, table, fingerprint)
    facts: Mapping[str, Any] = lake.facts("learned_blocks")
    return facts


def sum_strategies(
    engine: DuckDBEngine,
    spec: PipelineSpec,
    memberships: Mapping[str, str],
    learned: Mapping[str, Any] | None = None,
) -> StrategyFacts:
    """Count what the strategies would compare, exactly, from block sizes alone.

    memberships: strategy -> engine table (block_key, record_id, source, record_no, source_no), over
    the engine's cleaned_records. learned: facts of learned_blocks, whose learned_codes is readable.
    Leaves sizes_<strategy> and members_<strategy>, the memberships by the keys of those blocks,
    behind in the engine: see `refine_blocks`, which makes them where oversized blocks are refined.
    Returns "strategies" (see `sum_blocks`; divided ones with their "divisions"), "pairs" (their
    plain sum), and how many records have a key, share one, and stand in a kept block.
    """
    if spec.blocks.oversized == "refine":
        divisions = refine_blocks(engine, spec, memberships)
    else:
        divisions = {}
        for name, table in memberships.items():
            engine.execute(f"create or replace view members_{name} as select * from {table}")
            size_blocks(engine, table, f"sizes_{name}", spec.link_mode, spec.blocks)
    strategies: dict[str, BlockCounts] = {}
    for name in memberships:
        strategies[name] = sum_blocks(engine, f"sizes_{name}", spec.blocks)
        if divisions.get(name):
            strategies[name]["divisions"] = divisions[name]
    records_sql = " union all ".join(
        f"select m.record_no, s.pairs > 0 as shared, s.reason is null as kept"
        f" from members_{name} as m join sizes_{name} as s on s.block_key = m.block_key"
        for name in memberships
    )
    if learned:
        strategies.update(learned["rules"])
        records_sql += " union all " * bool(records_sql) + (
            "select record_no, shares_key as shared, in_block as kept from learned_codes"
            " where has_key"
        )
    records_sql = records_sql or (
        "select record_no, false as shared, false as kept from cleaned_records where 1 = 0"
    )
    with_key, sharing, in_block = engine.row(
        "select count(*), count(*) filter (where shared), count(*) filter (where kept)"
        " from (select record_no, bool_or(shared) as shared, bool_or(kept) as kept"
        f" from ({records_sql}) group by record_no)"
    )
    (n_records,) = engine.row("select count(*) from cleaned_records")
    return {
        "records": n_records,
        "possible_pairs": possible_pairs(engine, spec.link_mode),
        "records_with_key": with_key,
        "records_sharing_a_key": sharing,
        "records_in_a_block": in_block,
        "potential_pairs": sum(counts["potential_pairs"] for counts in strategies.values()),
        "pairs": sum(counts["pairs"] for counts in strategies.values()),
        "strategies": strategies,
    }


def total_size_classes(strategies: Mapping[str, BlockCounts]) -> dict[str, SizeClass]:
    """Add the size classes of all strategies up: class -> {"blocks": n, "pairs": n}."""
    total: dict[str, SizeClass] = {name: {"blocks": 0, "pairs": 0} for name in SIZE_CLASSES}
    for counts in strategies.values():
        for size_class, sizes in counts["size_classes"].items():
            total[size_class]["blocks"] += sizes["blocks"]
            total[size_class]["pairs"] += sizes["pairs"]
    return total


def possible_pairs(engine: DuckDBEngine, mode: str) -> int:
    """Count the pairs that comparing everything would make: n(n-1)/2, or across sources."""
    counted = engine.rows("select count(*) from cleaned_records group by source_no")
    sizes = [int(n) for (n,) in counted]
    total = sum(sizes)
    if mode == "link":
        return (total * total - sum(n * n for n in sizes)) // 2
    return total * (total - 1) // 2


def judge_strategies(facts: StrategyFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge coverage and budgets from the facts of `sum_strategies`, before any pair is made."""
    checks, n_records = spec.checks, facts["records"]
    coverage = share_of(facts["records_with_key"], n_records)
    if not facts["strategies"]:  # neighbours alone: there are no keys to cover anything
        coverage = 1.0
    yield Verdict(
        "key_coverage_is_enough",
        coverage >= checks.min_key_coverage,
        "error",
        f"{coverage:.2%} of {n_records:,} records have a blocking key"
        f" (at least {checks.min_key_coverage:.0%} wanted)."
        + unless(
            coverage >= checks.min_key_coverage,
            " Add a strategy over fields that are filled, or lower checks: min_key_coverage.",
        ),
        {
            "key_coverage": coverage,
            "min_key_coverage": checks.min_key_coverage,
            "records_without_key": n_records - facts["records_with_key"],
        },
    )
    lost_records = facts["records_sharing_a_key"] - facts["records_in_a_block"]
    lost = share_of(lost_records, n_records)
    yield Verdict(
        "filtering_keeps_coverage",
        lost <= checks.max_coverage_lost,
        "error",
        f"{lost:.2%} of the records share a key but stand in no block that is compared"
        f" (at most {checks.max_coverage_lost:.0%} wanted)."
        + unless(
            lost <= checks.max_coverage_lost,
            " See dropped_blocks; add a narrower strategy, raise blocks: max_size, or divide the"
            " blocks by blocks: {oversized: refine}.",
        ),
        {
            "coverage_lost": lost,
            "max_coverage_lost": checks.max_coverage_lost,
            "records_lost": lost_records,
        },
    )
    pairs = facts["pairs"]
    yield Verdict(
        "pairs_within_budget",
        pairs <= checks.max_pairs,
        "error",
        f"The strategies propose {pairs:,} pairs, counting those of several strategies each time"
        f" (at most {checks.max_pairs:,} wanted)."
        + unless(
            pairs <= checks.max_pairs,
            f" The most expensive is {most_expensive(facts['strategies'])}; lower blocks: max_size,"
            " join another key to it, or raise checks: max_pairs.",
        ),
        {"pairs": pairs, "max_pairs": checks.max_pairs},
    )
    budgets = {name: spec.max_pairs_of(name) for name in facts["strategies"]}
    over = {
        name: facts["strategies"][name]["pairs"]
        for name, budget in budgets.items()
        if budget is not None and facts["strategies"][name]["pairs"] > budget
    }
    listed = ", ".join(f"{name} {n:,} (at most {budgets[name]:,})" for name, n in over.items())
    yield Verdict(
        "every_strategy_within_budget",
        not over,
        "error",
        f"Over budget: {listed}. Join another key to the strategy, lower blocks: max_size, or raise"
        " checks: max_pairs_per_strategy."
        if over
        else f"No strategy of {len(budgets)} is over a budget of its own.",
        {f"pairs_{name}": facts["strategies"][name]["pairs"] for name in budgets},
    )
    largest, held = max(
        ((counts["largest_block_pairs"], name) for name, counts in facts["strategies"].items()),
        default=(0, "none"),
    )
    share = share_of(largest, pairs)
    small = largest < checks.min_block_pairs_for_share
    yield Verdict(
        "no_block_holds_too_much",
        small or share <= checks.max_largest_block_share,
        "warn",
        f"The largest block ({held}) holds {largest:,} pairs, {share:.1%} of all"
        f" (a warning above {checks.max_largest_block_share:.0%}).",
        {"largest_block_pairs": largest, "largest_block_share": share},
    )


def _codes_sql(strategies: Sequence[Conjunction], n_rules: int = 0) -> str:
    """Write the query of record_codes: the codes of the strategies, then of the learned rules.

    Nothing ever equals a code below 0, so plain = and <> are right where NULL would need
    `is not distinct from`, which costs 60% more in the join that makes the pairs.
    """
    single = [strategy.name for strategy in strategies if not strategy.is_list]
    columns = "".join(
        f", coalesce(c{i}.block_no, -r.record_no - 1) as code_{i}" for i in range(len(single))
    )
    joins = " ".join(
        f"left join (select m.record_no, s.block_no from members_{name} as m"
        f" join sizes_{name} as s on s.block_key = m.block_key where s.reason is null) as c{i}"
        f" on c{i}.record_no = r.record_no"
        for i, name in enumerate(single)
    )
    columns += "".join(f", w.code_{i} as code_{len(single) + i}" for i in range(n_rules))
    joins += " join learned_codes as w on w.record_no = r.record_no" * bool(n_rules)
    return (
        f"select r.record_no, r.source_no{columns} from cleaned_records as r {joins}"
        " order by r.record_no"
    )
