"""The queries that make candidate pairs, each once, one file after the other.

A record has one code per strategy (record_codes). For strategy i the records with a code are joined
with themselves on it, and a pair is kept only where every earlier code differs: the pair is filed
under the first strategy that finds it, so it comes out once, without DISTINCT or GROUP BY. The bits
of the later strategies follow from comparing the codes of the two rows. Memory does not grow with
the number of pairs.

Strategies with several keys per record, and pairs that come ready-made (neighbours, the second
pass), cannot be read from two rows of codes. Their distinct pairs are made first, in ranges of the
left record so that memory stays flat, and joined to the others by both ids.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from er_pipeline.blocking.pairs.mask_layout import MaskLayout, bit_sql
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import literal

# Potential pairs of many-valued strategies made at once: about 0.5 GB while they are made distinct.
LISTED_PAIRS_PER_RANGE = 10_000_000


def pair_queries(engine: Engine, layout: MaskLayout, mode: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the query of every part of the pairs, to be run one after the other.

    Reads the engine's record_codes, listed_blocks (strategy, block_no, record_no), the tables that
    the layout's ready queries read and, where pairs are weighed, key_codes.
    The queries give left_no, right_no, strategy_mask, with an encoder similarity, and evidence in
    nats where the table is to hold weights.
    """
    _lay_out_codes(engine, layout)
    if not layout.listed and not layout.ready:
        # An encoder of the second pass alone: similarities are filled in later.
        unknown = ", cast(null as float) as similarity" if layout.has_similarity else ""
        for i, (_, name) in enumerate(layout.single):
            _sort_by_block(engine, i, layout)
            yield name, _single_pairs_sql(i, layout, mode, similarity=unknown)
        if not layout.single:
            yield "none", _no_pairs_sql(layout, unknown)
        return
    for nth, (first, last) in enumerate(_left_ranges(engine, layout, mode)):
        engine.make_table("listed_pairs", _listed_pairs_sql(layout, mode, first, last))
        similarity = ", x.similarity" if layout.has_similarity else ""
        evidence = ", p.evidence" if layout.weights else ""
        for i, (_, name) in enumerate(layout.single):
            _sort_by_block(engine, i, layout)
            within = _within("l.record_no", first, last)
            pairs = _single_pairs_sql(i, layout, mode, within)
            yield (
                f"{name}-{nth}",
                "select p.left_no, p.right_no, p.strategy_mask + coalesce(x.strategy_mask, 0)"
                f" as strategy_mask{similarity}{evidence} from ({pairs}) as p"
                " left join listed_pairs as x"
                " on x.left_no = p.left_no and x.right_no = p.right_no",
            )
        # No strategy's name holds a hyphen, so none is called only-listed.
        yield f"only-listed-{nth}", _only_listed_sql(layout, similarity)


def _lay_out_codes(engine: Engine, layout: MaskLayout) -> None:
    """Make coded_records: record_codes, with what evidence reads where pairs are weighed.

    The codes of keys are called code_<i> there as those of strategies are here: these become
    block_<i>.
    """
    columns = [f", c.code_{i} as block_{i}" for i in range(len(layout.single))]
    columns += [f", k.{column}" for column in layout.evidence_columns()]
    joins = ""
    if layout.evidence_columns():
        joins = " join key_codes as k on k.record_no = c.record_no"
    engine.make_table(
        "coded_records",
        f"select c.record_no, c.source_no{''.join(columns)} from record_codes as c{joins}"
        " order by c.record_no",
    )


def _evidence(layout: MaskLayout) -> str:
    """Write the column evidence of a query over two rows, l and r, of coded_records."""
    if layout.weights is None:
        return ""
    return f", cast({layout.weights.evidence_sql()} as float) as evidence"


def _no_pairs_sql(layout: MaskLayout, similarity: str) -> str:
    return (
        "select l.record_no as left_no, r.record_no as right_no, 0::bigint as strategy_mask"
        f"{similarity}{_evidence(layout)} from coded_records as l join coded_records as r"
        " on l.record_no = r.record_no where 1 = 0"
    )


def _sort_by_block(engine: Engine, i: int, layout: MaskLayout) -> None:
    """Lay the records of strategy i out by block, so that the join reads neighbours."""
    blocks = [f"block_{j}" for j in range(len(layout.single))]
    columns = ", ".join([*blocks, *layout.evidence_columns()])
    engine.make_table(
        "sorted_codes",
        f"select record_no, source_no, {columns} from coded_records"
        f" where block_{i} >= 0 order by block_{i}, record_no",
    )


def _single_pairs_sql(
    i: int, layout: MaskLayout, mode: str, within: str = "true", similarity: str = ""
) -> str:
    single = layout.single
    earlier = "".join(f" and l.block_{j} <> r.block_{j}" for j in range(i))
    # CASE over integers: adding up casts of booleans cost a third more.
    later = "".join(
        f" + case when l.block_{j} = r.block_{j} then {bit_sql(single[j][0])} else 0 end"
        for j in range(i + 1, len(single))
    )
    return f"""
        select l.record_no as left_no, r.record_no as right_no,
            cast({bit_sql(single[i][0])}{later} as bigint) as strategy_mask
            {similarity}{_evidence(layout)}
        from sorted_codes as l join sorted_codes as r
            on l.block_{i} = r.block_{i} and {_is_pair(mode)}{earlier}
        where {within}
    """


def _is_pair(mode: str) -> str:
    # Records are numbered source by source, so the earlier source has the lower numbers.
    return "l.source_no < r.source_no" if mode == "link" else "l.record_no < r.record_no"


def _listed_blocks(listed: Sequence[tuple[int, str]]) -> str:
    """Write the memberships of the many-valued strategies, with the strategy's bit."""
    return " union all ".join(
        f"select {bit_sql(bit)}::bigint as strategy_bit, b.block_no, b.record_no, c.source_no"
        " from listed_blocks as b join record_codes as c on c.record_no = b.record_no"
        f" where b.strategy = {literal(name)}"
        for bit, name in listed
    )


def _within(column: str, first: int, last: int) -> str:
    return f"{column} >= {first} and {column} < {last}"


def _listed_pairs_sql(layout: MaskLayout, mode: str, first: int, last: int) -> str:
    """Put the pairs of many-valued strategies and the ready-made ones together, each once.

    first, last: only pairs whose left record's number is from first to below last.
    """
    proposed = [
        f"select * from ({sql}) where {_within('left_no', first, last)}" for sql in layout.ready
    ]
    if layout.listed:
        proposed.append(
            f"""
            select distinct l.record_no as left_no, r.record_no as right_no,
                l.strategy_bit as strategy_mask, cast(null as float) as similarity
            from ({_listed_blocks(layout.listed)}) as l
            join ({_listed_blocks(layout.listed)}) as r
                on l.strategy_bit = r.strategy_bit and l.block_no = r.block_no
                and {_is_pair(mode)}
            where {_within("l.record_no", first, last)}
            """
        )
    # Every proposer has bits of its own, so their sum is their union.
    return f"""
        select left_no, right_no, cast(sum(strategy_mask) as bigint) as strategy_mask,
            max(similarity) as similarity
        from ({" union all ".join(proposed)}) group by left_no, right_no
    """


def _only_listed_sql(layout: MaskLayout, similarity: str) -> str:
    differ = "".join(f" and l.block_{j} <> r.block_{j}" for j in range(len(layout.single)))
    return f"""
        select x.left_no, x.right_no, x.strategy_mask{similarity}{_evidence(layout)}
        from listed_pairs as x
        join coded_records as l on l.record_no = x.left_no
        join coded_records as r on r.record_no = x.right_no
        where true{differ}
    """


def _left_ranges(engine: Engine, layout: MaskLayout, mode: str) -> list[tuple[int, int]]:
    """Cut the left records into ranges of about `LISTED_PAIRS_PER_RANGE` potential pairs each."""
    weights = [
        f"select left_no as record_no, count(*) as n from ({sql}) group by left_no"
        for sql in layout.ready
    ]
    if layout.listed:
        # In a block ordered by record_no, a record is the left one of as many pairs as follow it.
        follows = "source_no" if mode == "link" else "record_no"
        weights.append(
            "select record_no, count(*) over (partition by strategy_bit, block_no)"
            f" - rank() over (partition by strategy_bit, block_no order by {follows}) as n"
            f" from ({_listed_blocks(layout.listed)})"
        )
    cuts = engine.rows(
        f"""
        with weights as ({" union all ".join(weights)}),
        running as (
            select record_no, sum(sum(n)) over (order by record_no) as n_before
            from weights group by record_no
        )
        select min(record_no) from running
        group by cast(floor(n_before / {LISTED_PAIRS_PER_RANGE}) as bigint) order by 1
        """
    )
    (n_records,) = engine.row("select count(*) from record_codes")
    starts = [0, *(start for (start,) in cuts[1:]), n_records]
    return list(pairwise(starts))
