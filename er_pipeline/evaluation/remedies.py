"""What would have found the missed pairs: the cheapest change for each, its cost counted exactly.

Every change that would have found a pair competes for it. The one with the fewest new pairs per
missed pair that it would find wins: so a change that mends many pairs is named for all of them, and
the report can say "raise blocks: max_size to 800 would find 41 more for 1.2 million pairs". Sizes,
budgets and thresholds are rounded to two digits in the direction that finds more, so that they
group; the cost is counted at the rounded setting.

New strategies compete, too, see `count_strategies`. Where a budget would cut a pair once it is
made, the remedy comes with a larger budget, see `keep_within_budget`. What a check would complain
of is not offered, see `remedy_limits`.
"""

from dataclasses import dataclass
from typing import TypedDict

from er_pipeline.blocking.blocks.blocks import sized_blocks_sql
from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.evaluation.budget_remedies import keep_within_budget, raise_budget
from er_pipeline.evaluation.lower_thresholds import lower_thresholds
from er_pipeline.evaluation.missed_keys import list_proposers
from er_pipeline.evaluation.neighbour_remedies import lengthen_lists
from er_pipeline.evaluation.new_strategies import count_strategies
from er_pipeline.evaluation.proposed_true import propose_true_pairs
from er_pipeline.evaluation.remedy_limits import remedy_limits
from er_pipeline.evaluation.remedy_offers import begin_offers, leave_within, offer, rounded_up

# Remedies listed in the facts, those that mend most first.
REMEDIES_LISTED = 50
# Pairs of a new strategy that are made, to see which of them are new.
MOST_COMPARED = 50_000


@dataclass(frozen=True)
class MissedTables:
    """The engine's tables of the missed pairs, by name; each has left_no and right_no.

    pairs: all of them, with stage and match_probability. compared: those that nothing proposed,
    with is_lonely, see `compare_keys`. shared_blocks: see `share_blocks`. neighbours: see
    `explain_neighbours`. weights: see `weigh_missed`.
    Besides, records: those of the pairs that nothing proposed, as cleaned_records; and with a
    second pass helped (record_no): the records that it does not look at.
    """

    pairs: str = "missed_true"
    compared: str = "compared_true"
    shared_blocks: str = "shared_blocks"
    neighbours: str = "missed_neighbours"
    weights: str = "missed_weights"
    records: str = "unpaired_records"
    helped: str = "helped_records"


class Remedy(TypedDict):
    """A change that would find missed pairs.

    pairs: that it adds; of a strategy all it makes, also those that others propose already. finds:
    missed pairs it would find. mends: those it is the cheapest for, possibly none.
    """

    remedy: str
    pairs: int
    finds: int
    mends: int
    pairs_per_match: float


def find_remedies(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    missed: MissedTables,
    cheapest: str,
    *,
    threshold: float | None,
    truth: str | None,
) -> list[Remedy]:
    """Make the engine table `cheapest` (left_no, right_no, remedy): the cheapest change per pair.

    Reads the engine's cleaned_records, dropped_blocks and, with a threshold, matches. truth: engine
    table of all true pairs, if they are known. A pair that no single change finds has no row.
    Returns the remedies, those that mend most first.
    """
    begin_offers(engine)
    limits = remedy_limits(lake, spec)
    _raise_caps(engine, lake, spec, missed)
    _lower_min_size(engine, spec, missed)
    unmade: dict[str, int] = {}
    for new in count_strategies(engine, lake, spec, missed.compared, missed.records):
        if limits.strategy_pairs is not None and new.pairs > limits.strategy_pairs:
            continue
        if spec.blocks.oversized == "refine" and new.oversized and spec.strategies != "auto":
            continue  # the parts of its large blocks would come on top
        verb = "learning: pin" if spec.strategies == "auto" else "add strategy"
        remedy = f"{verb} {new.declared}: costs {new.pairs:,} pairs"
        offer(
            engine,
            f"select left_no, right_no, {literal(remedy)} as remedy from {new.found}",
            f"select {literal(remedy)}, {new.pairs}, {new.finds}",
        )
        if spec.budget and new.pairs <= MOST_COMPARED:
            unmade[remedy] = _count_unmade(engine, lake, spec, new.all_pairs)
    leave_within(engine, limits.block_pairs)
    _raise_second_caps(engine, spec, missed)
    lengthen_lists(engine, lake, spec, missed.neighbours, missed.compared)
    leave_within(engine, limits.pairs)
    keep_within_budget(engine, lake, spec, missed.compared, unmade)
    raise_budget(engine, lake, spec, missed.weights)
    (n_scored,) = engine.row(
        f"select count(*) from {missed.pairs} where stage = 'below_threshold'"
        " and match_probability > 0"
    )
    if threshold is not None and limits.least_precision is not None and n_scored:
        steps = lower_thresholds(
            engine, missed.pairs, threshold, limits.least_precision, "thresholds", truth
        )
        offer(engine, *steps)
    engine.make_table(
        cheapest,
        """
        select left_no, right_no, remedy from (
            select o.left_no, o.right_no, o.remedy, row_number() over (
                partition by o.left_no, o.right_no
                order by r.pairs / cast(r.finds as double), r.finds desc, o.remedy
            ) as place
            from remedy_options as o join remedies as r on r.remedy = o.remedy
        ) where place = 1
        """,
    )
    listed = engine.rows(
        f"""
        select r.remedy, r.pairs, r.finds, coalesce(m.mends, 0) as mends
        from remedies as r
        left join (select remedy, count(*) as mends from {cheapest} group by remedy) as m
            on m.remedy = r.remedy
        order by mends desc, r.pairs / cast(r.finds as double), r.remedy limit {REMEDIES_LISTED}
        """
    )
    return [
        {
            "remedy": remedy,
            "pairs": pairs,
            "finds": finds,
            "mends": mends,
            "pairs_per_match": round(pairs / finds, 2),
        }
        for remedy, pairs, finds, mends in listed
    ]


def _count_unmade(engine: Engine, lake: Lake, spec: PipelineSpec, pairs: str) -> int:
    """Count the pairs of a query that nothing has made, whatever the budget kept."""
    asked, made = "pairs_asked", "pairs_made_before"
    engine.make_table(asked, pairs)
    propose_true_pairs(engine, lake, spec, unified_facts(lake)["strategy_bits"], made, asked)
    n_asked, n_made = engine.row(
        f"select (select count(*) from {asked}), (select count(*) from {made})"
    )
    return int(n_asked - n_made)


def _raise_caps(engine: Engine, lake: Lake, spec: PipelineSpec, missed: MissedTables) -> None:
    """Offer a higher blocks: max_size to every pair of a strategy's block over the cap.

    With another cap rules are learned anew, so one of theirs may not be there any more.
    """
    rules = [str(n) for n, of in enumerate(list_proposers(spec, lake)) if of.rule]
    of_strategy = f"proposer not in ({', '.join(rules)})" if rules else "true"
    engine.make_table(
        "capped_true",
        f"""
        select left_no, right_no, {rounded_up("min(block_size)")} as step
        from {missed.shared_blocks} where reason in ('oversized', 'refined')
            and not is_second and {of_strategy}
        group by left_no, right_no
        """,
    )
    # The ledger counts each pair of a divided block once, in the block or in one of its parts.
    ledger = (
        f"select {rounded_up('block_size')} as step, sum(pairs) as pairs from dropped_blocks"
        " where reason in ('oversized', 'refined') group by 1"
    )
    _offer_steps(
        engine,
        "capped_true",
        ledger,
        "raise blocks: max_size to ",
        "about " if spec.learns else "",
    )


def _raise_second_caps(engine: Engine, spec: PipelineSpec, missed: MissedTables) -> None:
    """Offer a higher second_pass: max_size; its ledger is counted here."""
    second = spec.second_pass
    if second is None or second.max_size is None:
        return
    engine.make_table(
        "capped_true",
        f"select left_no, right_no, {rounded_up('min(block_size)')} as step"
        f" from {missed.shared_blocks} where is_second and reason = 'oversized'"
        " group by left_no, right_no",
    )
    (n_capped,) = engine.row("select count(*) from capped_true")
    if not n_capped:
        return
    ledgers = []
    for n, strategy in enumerate(spec.second_conjunctions):
        engine.make_table(
            f"second_keys_{n}",
            f"select k.*, p.record_no is null as is_lonely from"
            f" ({strategy.keyed_records(engine, 'cleaned_records')}) as k"
            f" left join {missed.helped} as p on p.record_no = k.record_no",
        )
        mode, blocks = spec.link_mode, Blocks(max_size=None)
        everyone = sized_blocks_sql(f"second_keys_{n}", ["block_key"], mode, blocks)
        others = f"(select * from second_keys_{n} where not is_lonely)"
        paired = sized_blocks_sql(others, ["block_key"], mode, blocks)
        ledgers.append(
            f"select a.block_size, a.pairs - coalesce(o.pairs, 0) as pairs from ({everyone}) as a"
            f" left join ({paired}) as o on o.block_key = a.block_key"
            f" where a.block_size > {second.max_size}"
        )
    ledger = (
        f"select {rounded_up('block_size')} as step, sum(pairs) as pairs"
        f" from ({' union all '.join(ledgers)}) group by 1"
    )
    _offer_steps(engine, "capped_true", ledger, "raise second_pass: max_size to ")


def _offer_steps(engine: Engine, capped: str, ledger: str, text: str, about: str = "") -> None:
    """Offer the steps of a setting: each finds and costs what all lower ones do, too.

    capped: engine table (left_no, right_no, step). ledger: query of (step, pairs). about: what
    stands before the cost where it is not exact.
    """
    engine.make_table(
        "steps",
        f"""
        with counted as (
            select step, 0::hugeint as pairs, count(*) as finds from {capped} group by step
            union all select step, pairs, 0 from ({ledger})
        ),
        running as (
            select step, sum(finds) as own, sum(sum(pairs)) over (order by step) as pairs,
                sum(sum(finds)) over (order by step) as finds
            from counted group by step
        )
        select step, cast(pairs as bigint) as pairs, cast(finds as bigint) as finds,
            {literal(text)} || step || {literal(f" ({about}+")} || format('{{:,}}',
                cast(pairs as bigint)) || ' pairs)' as remedy
        from running where own > 0
        """,
    )
    offer(
        engine,
        f"select c.left_no, c.right_no, s.remedy from {capped} as c join steps as s"
        " on s.step = c.step",
        "select remedy, pairs, finds from steps",
    )


def _lower_min_size(engine: Engine, spec: PipelineSpec, missed: MissedTables) -> None:
    """Offer blocks: min_size 2 to the pairs of blocks below it."""
    if spec.blocks.min_size == 2:
        return
    small = (
        f"select distinct left_no, right_no from {missed.shared_blocks}"
        " where reason = 'below_min_size'"
    )
    (n_small,) = engine.row(f"select count(*) from ({small})")
    if not n_small:
        return
    (pairs,) = engine.row(
        "select coalesce(sum(pairs), 0)::bigint from dropped_blocks where reason = 'below_min_size'"
    )
    # Learned rules keep no ledger of their small blocks.
    bound = "at least " if spec.learns else ""
    remedy = literal(f"lower blocks: min_size to 2 ({bound}+{pairs:,} pairs)")
    offer(
        engine,
        f"select left_no, right_no, {remedy} as remedy from ({small})",
        f"select {remedy}, {pairs}, {n_small}",
    )
