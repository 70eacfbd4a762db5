"""Block tables -> the blocks worth comparing, and the ledger of those that are not."""

from collections.abc import Iterable, Mapping
from functools import partial

from er_pipeline.blocking.blocks.blocks import (
    blocks_table,
    members_sql,
    over_the_cap,
    size_limits,
)
from er_pipeline.blocking.blocks.coverage_verdicts import CHECKS, judge_strategies
from er_pipeline.blocking.blocks.dropped_blocks import dropped_table, write_dropped_blocks
from er_pipeline.blocking.blocks.filtered_facts import (
    FilteredFacts,
    filtered_facts,
    size_strategies,
    sum_strategies,
    total_size_classes,
)
from er_pipeline.blocking.blocks.membership_limit import (
    check_made_memberships,
    check_memberships,
)
from er_pipeline.blocking.blocks.record_codes import CODES, write_record_codes
from er_pipeline.blocking.blocks.refined_blocks import divisions_text
from er_pipeline.blocking.spec.learned import LearnedBlocksFacts, learned_blocks_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import BlockSizes, Grid, Shown, numbers
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import (
    BLOCK_KEY,
    BLOCK_NO,
    BLOCK_SIZE,
    RECORD_NO,
    Column,
    Facts,
    Table,
)
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import records_by_id
from er_pipeline.blocking.values.key_failures import named_failures

LEARNED = ("learned_blocks", "learned_dropped", "learned_codes")


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that filters the blocks of all strategies."""
    strategies = spec.strategy_conjunctions
    reads = ["cleaned_records", *(blocks_table(strategy) for strategy in strategies)]
    if spec.learns:
        reads += LEARNED
    if spec.labels:
        reads.append("labels")
        if spec.learns:
            reads.append("learned_rules")  # which labelled matches their dropped blocks hold
    refining = []
    if spec.blocks.oversized == "refine":
        given = spec.refine_conjunctions
        keys = [choice.conjunction for choice in spec.key_choices] if given is None else given
        refining = [[key.identity for key in keys], [strategy.identity for strategy in strategies]]
    return [
        Step(
            writes=[_blocks_table(spec), dropped_table(spec), CODES],
            reads=reads,
            settings=[
                [[strategy.name, strategy.is_list] for strategy in strategies],
                *size_limits(spec),
                refining,
            ],
            run=partial(filter_blocks, spec=spec),
            count=partial(count_strategies, spec=spec),
            stage="blocks",
            place="cluster",
            checks=CHECKS,
            judge=partial(_judge, spec=spec),
            show=_show,
        )
    ]


def _blocks_table(spec: PipelineSpec) -> Table:
    largest = "any number of" if spec.blocks.max_size is None else f"{spec.blocks.max_size:,}"
    return Table(
        "filtered_blocks",
        f"Blocks worth comparing: {spec.blocks.min_size} to {largest} records.",
        [
            Column(
                "strategy",
                "VARCHAR",
                "Name of the strategy",
                allowed=tuple(strategy.name for strategy in spec.strategy_conjunctions),
            ),
            BLOCK_KEY,
            BLOCK_SIZE,
            RECORD_NO,
            BLOCK_NO,
        ],
        partial(_view, with_learned=spec.learns is not None),
    )


def filter_blocks(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Keep the blocks of every strategy that are worth comparing; account for the others.

    Reads cleaned_records, every blocks_<strategy>, what learned rules made, and labels. Writes
    filtered_blocks (strategy, block_key, block_size BIGINT, record_no, block_no INTEGER), one row
    per membership of a kept block, one file per strategy; dropped_blocks, the ledger, see
    `write_dropped_blocks`; and record_codes, see `write_record_codes`.
    Returns the facts kept beside filtered_blocks; see `sum_strategies`.
    """
    lake.open(engine, "cleaned_records")
    memberships = {}
    for strategy in spec.strategy_conjunctions:
        table = blocks_table(strategy)
        lake.open(engine, table)
        memberships[strategy.name] = f"members_{strategy.name}"
        engine.make_view(memberships[strategy.name], members_sql(table, spec.link_mode))
    learned = read_learned(engine, lake, spec)
    sized, counts = size_strategies(engine, spec, memberships)
    facts = sum_strategies(engine, spec, sized, counts, learned)
    write_dropped_blocks(engine, lake, spec, sized, has_rules=learned is not None)
    with lake.writing("filtered_blocks", facts) as draft:
        for name, blocks in sized.items():
            engine.write(
                f"""
                select {literal(name)} as strategy, s.block_key, s.block_size, m.record_no,
                    s.block_no
                from {blocks.members} as m join {blocks.sizes} as s on s.block_key = m.block_key
                where s.reason is null
                """,
                draft.file(name),
            )
        if not sized:  # neighbours alone: a table all the same
            engine.put("no_blocks", _blocks_table(spec).arrow())
            engine.write("select * from no_blocks", draft.file())
    write_record_codes(engine, lake, spec, sized, learned)
    return dict(facts)


def count_strategies(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Count what the strategies and learned rules would compare; nothing is written.

    Reads cleaned_records, and what learned rules made. Returns the facts of filtered_blocks.
    """
    lake.open(engine, "cleaned_records")
    memberships = {}
    for strategy in spec.strategy_conjunctions:
        memberships[strategy.name] = f"members_{strategy.name}"
        check_memberships(engine, strategy, spec)
        keyed = strategy.keyed_records(engine, "cleaned_records")
        with named_failures(engine, "cleaned_records", [strategy], "strategy"):
            engine.make_table(memberships[strategy.name], keyed)
        check_made_memberships(engine, strategy, spec, memberships[strategy.name])
    learned = read_learned(engine, lake, spec)
    sized, counts = size_strategies(engine, spec, memberships)
    return dict(sum_strategies(engine, spec, sized, counts, learned))


def read_learned(engine: Engine, lake: Lake, spec: PipelineSpec) -> LearnedBlocksFacts | None:
    """Make the learned rules' tables readable; return their facts, None if none are learned."""
    if not spec.learns:
        return None
    for table in LEARNED:
        lake.open(engine, table)
    return learned_blocks_facts(lake)


def _view(relations: Mapping[str, str], with_learned: bool) -> str:
    columns = ["block_key", "block_size"]
    shown = records_by_id(relations, "filtered_blocks", ["strategy", *columns])
    if with_learned:
        rules = records_by_id(relations, "learned_blocks", ["rule as strategy", *columns])
        shown += f" union all {rules}"
    return shown


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    return judge_strategies(filtered_facts(lake), spec)


def _show(facts: Facts) -> Mapping[str, Shown]:
    strategies = FilteredFacts(**facts)["strategies"]  # type: ignore[typeddict-item]
    divided = any("divisions" in counts for counts in strategies.values())
    header = ["strategy", "blocks", "pairs", "largest block", "over the cap", "pairs avoided"]
    rows = []
    for name, counts in strategies.items():
        n_over, avoided = over_the_cap(counts)
        figures = (counts["kept_blocks"], counts["pairs"], counts["largest_block"], n_over, avoided)
        row = [name, *(f"{figure:,}" for figure in figures)]
        if divided:
            row += [f"{counts['dropped_blocks']['refined']:,}", divisions_text(counts)]
        rows.append(row)
    if divided:
        header += ["divided", "by"]
    return {
        **numbers(facts),
        **{f"pairs_{name}": counts["pairs"] for name, counts in strategies.items()},
        "strategies": Grid(header, rows),
        "block_sizes": BlockSizes(total_size_classes(strategies)),
    }
