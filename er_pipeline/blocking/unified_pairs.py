"""Step 3: every block -> candidate pairs, each stored once, with all strategies that propose it.

A record has one code per strategy (record_codes). For strategy i the records with a code are joined
with themselves on it, and a pair is kept only where every earlier code differs: the pair is filed
under the first strategy that finds it, so it comes out once, without DISTINCT or GROUP BY. The bits
of the later strategies follow from comparing the codes of the two rows. Memory does not grow with
the number of pairs.

Strategies with several keys per record, and pairs that come ready-made (neighbours, the second
pass), cannot be told from two rows of codes. Their distinct pairs are made first, in ranges of the
left record so that memory stays flat, and joined to the others by both ids.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from er_pipeline.blocking.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.lake import Lake
from er_pipeline.blocking.spec import EMBEDDING, PipelineSpec

logger = logging.getLogger(__name__)

# Potential pairs of many-valued strategies made at once: about 0.5 GB while they are made distinct.
LISTED_PAIRS_PER_RANGE = 10_000_000


@dataclass(frozen=True)
class Strategies:
    """The strategies of a dataset by their bit in a pair's mask.

    single: (bit, name) of those with one code per record, in the order of record_codes.
    listed: (bit, name) of those with several keys per record.
    ready: queries that give ready-made pairs (left_no, right_no, strategy_mask, similarity).
    has_similarity: whether pairs carry one, that is, whether there is an encoder.
    """

    single: tuple[tuple[int, str], ...]
    listed: tuple[tuple[int, str], ...]
    ready: tuple[str, ...] = ()
    has_similarity: bool = False

    @classmethod
    def of(cls, spec: PipelineSpec) -> "Strategies":
        """Number the strategies in their declared order."""
        numbered = list(enumerate(spec.strategy_conjunctions))
        ready = []
        if spec.embedding:
            bit = _bit(spec.proposers.index(EMBEDDING))
            ready.append(
                f"select left_no, right_no, cast({bit} as bigint) as strategy_mask, similarity"
                " from embedding_blocks"
            )
        if spec.second_pass:
            similarity = "similarity" if spec.encoder else "cast(null as float) as similarity"
            ready.append(
                f"select left_no, right_no, strategy_mask, {similarity} from second_pass_pairs"
            )
        return cls(
            tuple((bit, strategy.name) for bit, strategy in numbered if not strategy.is_list),
            tuple((bit, strategy.name) for bit, strategy in numbered if strategy.is_list),
            tuple(ready),
            spec.encoder is not None,
        )


def unify_pairs(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> dict[str, Any]:
    """Make every candidate pair once.

    Reads record_codes, filtered_blocks for many-valued strategies, and embedding_blocks and
    second_pass_pairs where the spec has them. Writes unified_pairs (left_no INTEGER, right_no
    INTEGER, strategy_mask BIGINT, with an encoder similarity FLOAT), one file per strategy and
    range; bit i of the mask is the i-th of `spec.proposers`; left_no < right_no, which is the
    order of (source, record_id); in link mode the left record is of the earlier source.
    Cost: 1.35 times that of joining and writing the pairs at all (benchmarks/unified_pairs.py).
    Returns the facts kept beside the table: pairs, and per strategy the pairs it proposed, those
    filed under it, and those that no other strategy proposed.

    Raises LakeError if a table was made from other records.
    """
    fingerprint = read_records(engine, lake)
    read_numbered(engine, lake, "filtered_blocks", fingerprint)
    read_numbered(engine, lake, "record_codes", fingerprint)
    for table in second_hand_tables(spec):
        read_numbered(engine, lake, table, fingerprint)
    strategies = Strategies.of(spec)
    facts = {
        "fingerprint": fingerprint,
        "strategy_bits": {name: bit for bit, name in enumerate(spec.proposers)},
    }
    with lake.writing("unified_pairs", facts) as draft:
        for part, sql in _parts(engine, strategies, spec.link_mode):
            logger.info("making pairs of %s", part)
            engine.write(sql, draft.file(part), bulk=True)
        engine.read_folder(draft.folder, "written_pairs")
        draft.facts.update(_sum_pairs(engine, spec))
        return dict(draft.facts)


def second_hand_tables(spec: PipelineSpec) -> list[str]:
    """List the tables that bring ready-made pairs."""
    return ["embedding_blocks"] * bool(spec.embedding) + ["second_pass_pairs"] * bool(
        spec.second_pass
    )


def _parts(engine: DuckDBEngine, strategies: Strategies, mode: str) -> Iterator[tuple[str, str]]:
    """Give the name and the query of every file of unified_pairs, in turn."""
    if not strategies.listed and not strategies.ready:
        for i, (_, name) in enumerate(strategies.single):
            _sort_by_code(engine, i, len(strategies.single))
            yield name, _single_pairs_sql(i, strategies.single, mode)
        return
    for nth, (first, last) in enumerate(_left_ranges(engine, strategies, mode)):
        engine.make_table("listed_pairs", _listed_pairs_sql(strategies, mode, first, last))
        similarity = ", x.similarity" if strategies.has_similarity else ""
        for i, (_, name) in enumerate(strategies.single):
            _sort_by_code(engine, i, len(strategies.single))
            within = _within("l.record_no", first, last)
            pairs = _single_pairs_sql(i, strategies.single, mode, within)
            yield (
                f"{name}-{nth}",
                "select p.left_no, p.right_no, p.strategy_mask + coalesce(x.strategy_mask, 0)"
                f" as strategy_mask{similarity} from ({pairs}) as p left join listed_pairs as x"
                " on x.left_no = p.left_no and x.right_no = p.right_no",
            )
        # No strategy's name holds a hyphen, so none is called only-listed.
        yield f"only-listed-{nth}", _only_listed_sql(strategies.single, similarity)


def _sort_by_code(engine: DuckDBEngine, i: int, n_codes: int) -> None:
    """Lay the records of strategy i out by block, so that the join reads neighbours."""
    codes = ", ".join(f"code_{j}" for j in range(n_codes))
    engine.make_table(
        "sorted_codes",
        f"select record_no, source_no, {codes} from record_codes"
        f" where code_{i} >= 0 order by code_{i}, record_no",
    )


def _single_pairs_sql(
    i: int, single: Sequence[tuple[int, str]], mode: str, within: str = "true"
) -> str:
    earlier = "".join(f" and l.code_{j} <> r.code_{j}" for j in range(i))
    # CASE over integers: adding up casts of booleans cost a third more.
    later = "".join(
        f" + case when l.code_{j} = r.code_{j} then {_bit(single[j][0])} else {_bit(None)} end"
        for j in range(i + 1, len(single))
    )
    return f"""
        select l.record_no as left_no, r.record_no as right_no,
            cast({_bit(single[i][0])}{later} as bigint) as strategy_mask
        from sorted_codes as l join sorted_codes as r
            on l.code_{i} = r.code_{i} and {_is_pair(mode)}{earlier}
        where {within}
    """


def _bit(bit: int | None) -> str:
    """Write a mask of one bit; as wide as BIGINT only where it has to be."""
    value = 0 if bit is None else 1 << bit
    return str(value) if value < 1 << 30 else f"cast({value} as bigint)"


def _is_pair(mode: str) -> str:
    # Records are numbered source by source, so the earlier source has the lower numbers.
    return "l.source_no < r.source_no" if mode == "link" else "l.record_no < r.record_no"


def _listed_blocks(listed: Sequence[tuple[int, str]]) -> str:
    """Write the memberships of the many-valued strategies, with the strategy's bit."""
    return " union all ".join(
        f"select {_bit(bit)}::bigint as strategy_bit, b.block_no, b.record_no, c.source_no"
        " from filtered_blocks as b join record_codes as c on c.record_no = b.record_no"
        f" where b.strategy = {literal(name)}"
        for bit, name in listed
    )


def _within(column: str, first: int, last: int) -> str:
    return f"{column} >= {first} and {column} < {last}"


def _listed_pairs_sql(strategies: Strategies, mode: str, first: int, last: int) -> str:
    """Put the pairs of many-valued strategies and the ready-made ones together, each once.

    first, last: only pairs whose left record's number is from first to below last.
    """
    proposed = [
        f"select * from ({sql}) where {_within('left_no', first, last)}" for sql in strategies.ready
    ]
    if strategies.listed:
        proposed.append(
            f"""
            select distinct l.record_no as left_no, r.record_no as right_no,
                l.strategy_bit as strategy_mask, cast(null as float) as similarity
            from ({_listed_blocks(strategies.listed)}) as l
            join ({_listed_blocks(strategies.listed)}) as r
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


def _only_listed_sql(single: Sequence[tuple[int, str]], similarity: str) -> str:
    differ = "".join(f" and l.code_{j} <> r.code_{j}" for j in range(len(single)))
    return f"""
        select x.left_no, x.right_no, x.strategy_mask{similarity}
        from listed_pairs as x
        join record_codes as l on l.record_no = x.left_no
        join record_codes as r on r.record_no = x.right_no
        where true{differ}
    """


def _left_ranges(engine: DuckDBEngine, strategies: Strategies, mode: str) -> list[tuple[int, int]]:
    """Cut the left records into ranges of about `LISTED_PAIRS_PER_RANGE` potential pairs each."""
    weights = [
        f"select left_no as record_no, count(*) as n from ({sql}) group by left_no"
        for sql in strategies.ready
    ]
    if strategies.listed:
        # In a block ordered by record_no, a record is the left one of as many pairs as follow it.
        follows = "source_no" if mode == "link" else "record_no"
        weights.append(
            "select record_no, count(*) over (partition by strategy_bit, block_no)"
            f" - rank() over (partition by strategy_bit, block_no order by {follows}) as n"
            f" from ({_listed_blocks(strategies.listed)})"
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


def _sum_pairs(engine: DuckDBEngine, spec: PipelineSpec) -> dict[str, Any]:
    """Count the pairs written, in one pass over their masks."""
    masks = engine.rows(
        "select strategy_mask, count(*) from written_pairs group by strategy_mask order by 1"
    )
    names = spec.proposers
    proposed = {
        name: sum(n for mask, n in masks if mask >> bit & 1) for bit, name in enumerate(names)
    }
    alone = {
        name: sum(n for mask, n in masks if mask == 1 << bit) for bit, name in enumerate(names)
    }
    shared = [
        [sum(n for mask, n in masks if mask >> a & 1 and mask >> b & 1) for b in range(len(names))]
        for a in range(len(names))
    ]
    return {
        "pairs": sum(n for _, n in masks),
        "proposed_pairs": proposed,
        "pairs_of_one_strategy_only": alone,
        "shared_pairs": shared,
    }
