"""What would have found the missed pairs: the cheapest change for each, its cost counted exactly.

Every change that would have found a pair competes for it. The one with the fewest new pairs per
missed pair that it would find wins: so a change that mends many pairs is named for all of them, and
the report can say "raise blocks: max_size to 800 would find 41 more for 1.2 million pairs". Sizes,
budgets and thresholds are rounded to two digits in the direction that finds more, so that they
group; the cost is counted at the rounded setting.

New strategies compete, too, see `count_strategies`; a budget may cut what they find. What a check
would complain of is not offered, see `remedy_limits`.
"""

from dataclasses import dataclass
from math import ceil
from typing import TypedDict

from er_pipeline.blocking.blocks.blocks import sized_blocks_sql
from er_pipeline.blocking.neighbours.embedding_blocks import as_searched, neighbour_facts
from er_pipeline.blocking.neighbours.record_embeddings import embedding_facts
from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, arrow_of
from er_pipeline.evaluation.lower_thresholds import lower_thresholds
from er_pipeline.evaluation.new_strategies import count_strategies
from er_pipeline.evaluation.remedy_limits import remedy_limits

# Remedies listed in the facts, those that mend most first.
REMEDIES_LISTED = 50
# Widest lists that can be declared.
LARGEST_K = 1_000
REMEDY = Column("remedy", "VARCHAR", "The change, and its cost")
PAIRS = Column("pairs", "BIGINT", "Pairs that it adds")
FINDS = Column("finds", "BIGINT", "Missed pairs that it would find")


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
) -> list[Remedy]:
    """Make the engine table `cheapest` (left_no, right_no, remedy): the cheapest change per pair.

    Reads the engine's cleaned_records, dropped_blocks and, with a threshold, matches. A pair that
    no single change finds has no row. Returns the remedies, those that mend most first.
    """
    engine.put("remedies", arrow_of((REMEDY, PAIRS, FINDS)))
    engine.put("remedy_options", arrow_of((LEFT_NO, RIGHT_NO, REMEDY)))
    limits = remedy_limits(lake, spec)
    _raise_caps(engine, missed)
    _lower_min_size(engine, spec, missed)
    for new in count_strategies(engine, lake, spec, missed.compared, missed.records):
        if limits.strategy_pairs is not None and new.pairs > limits.strategy_pairs:
            continue
        remedy = literal(f"add strategy {new.declared}: costs {new.pairs:,} pairs")
        _offer(
            engine,
            f"select left_no, right_no, {remedy} as remedy from {new.found}",
            f"select {remedy}, {new.pairs}, {new.finds}",
        )
    _leave_within(engine, limits.block_pairs)
    _raise_second_caps(engine, spec, missed)
    _lengthen_lists(engine, lake, spec, missed)
    _leave_within(engine, limits.pairs)
    _raise_budget(engine, lake, spec, missed)
    if threshold is not None and limits.least_precision is not None:
        steps = lower_thresholds(
            engine, missed.pairs, threshold, limits.least_precision, "thresholds"
        )
        _offer(engine, *steps)
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


def rounded_up(number: str) -> str:
    """Write the expression that rounds a whole number up to two digits: 812 becomes 820."""
    step = f"cast(pow(10, greatest(length(cast({number} as varchar)) - 2, 0)) as bigint)"
    return f"(({number} + {step} - 1) // {step} * {step})"


def _offer(engine: Engine, options: str, costs: str) -> None:
    """Add remedies.

    options: query of (left_no, right_no, remedy). costs: query of (remedy, pairs, finds).
    """
    engine.append("remedies", costs)
    engine.append(
        "remedy_options",
        f"select distinct o.* from ({options}) as o join remedies as r on r.remedy = o.remedy",
    )


def _leave_within(engine: Engine, most: int | None) -> None:
    """Take the remedies back that add more pairs than may be."""
    if most is not None:
        engine.make_table("remedies", f"select * from remedies where pairs <= {most}")


def _raise_caps(engine: Engine, missed: MissedTables) -> None:
    """Offer a higher blocks: max_size to every pair of a block over the cap."""
    engine.make_table(
        "capped_true",
        f"""
        select left_no, right_no, {rounded_up("min(block_size)")} as step
        from {missed.shared_blocks} where reason in ('oversized', 'refined')
            and not is_second
        group by left_no, right_no
        """,
    )
    # The ledger counts each pair of a divided block once, in the block or in one of its parts.
    ledger = (
        f"select {rounded_up('block_size')} as step, sum(pairs) as pairs from dropped_blocks"
        " where reason in ('oversized', 'refined') group by 1"
    )
    _offer_steps(engine, "capped_true", ledger, "raise blocks: max_size to ", "")


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
    _offer_steps(engine, "capped_true", ledger, "raise second_pass: max_size to ", "")


def _offer_steps(engine: Engine, capped: str, ledger: str, text: str, unit: str) -> None:
    """Offer the steps of a setting: each finds and costs what all lower ones do, too.

    capped: engine table (left_no, right_no, step). ledger: query of (step, pairs).
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
            {literal(text)} || step || {literal(unit)} || ' (+' || format('{{:,}}',
                cast(pairs as bigint)) || ' pairs)' as remedy
        from running where own > 0
        """,
    )
    _offer(
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
    remedy = literal(f"lower blocks: min_size to 2 (+{bound}{pairs:,} pairs)")
    _offer(
        engine,
        f"select left_no, right_no, {remedy} as remedy from ({small})",
        f"select {remedy}, {pairs}, {n_small}",
    )


def _raise_budget(engine: Engine, lake: Lake, spec: PipelineSpec, missed: MissedTables) -> None:
    """Offer a larger budget to the pairs it cut, one that keeps their whole class of weight."""
    (n_cut,) = engine.row(f"select count(*) from {missed.weights}")
    unified = unified_facts(lake)
    if not n_cut or "weight_classes" not in unified or spec.budget is None:
        return
    (n_records,) = engine.row("select count(*) from cleaned_records")
    kept, made, steps = unified["pairs"], 0, []
    for row in unified["weight_classes"]:  # heaviest first
        made += int(row["pairs"])
        setting = f"max_pairs {made}"
        if spec.budget.pairs_per_record is not None:
            step = 10.0 ** (len(str(int(made / n_records))) - 2)
            per_record = round(ceil(round(made / n_records / step, 6)) * step, 6)
            setting = f"pairs_per_record {per_record:g}"
        extra = max(0, min(made, unified["pairs_made"]) - kept)
        steps.append((row["weight"], f"budget: {setting} (+{extra:,} pairs)", extra))
    low = Column("low", "DOUBLE", "Least weight that the budget would keep")
    engine.put("budgets", arrow_of((low, REMEDY, PAIRS), steps))
    # Weights computed anew may differ in the last digit: one off the ends goes to the end.
    engine.make_table(
        "cut_classes",
        f"""
        select left_no, right_no, least(greatest(floor(weight * 2) / 2,
            (select min(low) from budgets)), (select max(low) from budgets)) as low
        from {missed.weights}
        """,
    )
    _offer(
        engine,
        """
        select c.left_no, c.right_no, b.remedy from cut_classes as c
        asof join budgets as b on b.low <= c.low
        """,
        """
        select remedy, max(pairs), max(finds) from (
            select b.remedy, b.pairs, sum(count(c.low)) over (order by b.low desc) as finds
            from budgets as b left join cut_classes as c on c.low = b.low
            group by b.remedy, b.pairs, b.low
        ) where finds > 0 group by remedy
        """,
    )


def _lengthen_lists(engine: Engine, lake: Lake, spec: PipelineSpec, missed: MissedTables) -> None:
    """Offer longer lists of neighbours and lower cuts, where the pair's rank is known."""
    (n_near,) = engine.row(f"select count(*) from {missed.neighbours} where rank is not null")
    if not n_near:
        return
    second = spec.second_pass.embedding if spec.second_pass else None
    encoder = spec.embedding or second
    assert encoder is not None
    place = "embedding" if spec.embedding else "second_pass: embedding"
    texts = embedding_facts(lake)["texts"]
    made = neighbour_facts(lake)["pairs"] if spec.embedding else 0
    searched = as_searched(lake, spec, encoder)
    listed = searched.n_listed
    near = missed.neighbours
    if spec.embedding and second:  # the pairs of the second pass have cuts of their own
        near = (
            f"(select n.* from {missed.neighbours} as n"
            f" semi join (select * from {missed.compared} where not is_lonely) as c"
            " on c.left_no = n.left_no and c.right_no = n.right_no)"
        )
    engine.make_table(
        "longer_lists",
        f"""
        select left_no, right_no, {rounded_up("k")} as k, floor(share * 20) / 20 as share,
            floor("floor" * 20) / 20 as least
        from {near} where rank is not null and k <= {LARGEST_K}
            and (k > {listed} or share < {searched.min_share_of_best}
                or "floor" < {encoder.min_similarity})
        """,
    )
    # What lists of k would hold is known only as a bound: every text lists k others.
    remedy = (
        f"{literal(place + ': ')} || concat_ws(', ',"
        f" case when k > {listed} then 'k ' || k end,"
        f" case when share < {searched.min_share_of_best}"
        " then 'min_share_of_best ' || printf('%g', share) end,"
        f" case when least < {encoder.min_similarity}"
        " then 'min_similarity ' || printf('%g', least) end)"
        f" || ' (at most +' || format('{{:,}}', greatest(0, {texts} * k - {made})) || ' pairs)'"
    )
    _offer(
        engine,
        f"select left_no, right_no, {remedy} as remedy from longer_lists",
        f"select remedy, max(pairs), count(*) from (select {remedy} as remedy,"
        f" greatest(0, {texts} * k - {made})::bigint as pairs from longer_lists) group by remedy",
    )
