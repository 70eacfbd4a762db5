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
from pathlib import Path
from typing import Any, NotRequired, cast

from er_pipeline.blocking.pairs.ranked_pairs import RankedFacts, is_final, rank_pairs, weight_sql
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import EMBEDDING, PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_evidence import PairWeights
from er_pipeline.blocking.weights.pair_weights import read_weights

logger = logging.getLogger(__name__)

# Potential pairs of many-valued strategies made at once: about 0.5 GB while they are made distinct.
LISTED_PAIRS_PER_RANGE = 10_000_000


@dataclass(frozen=True)
class Strategies:
    """The strategies of a dataset by their bit in a pair's mask.

    names: of every bit. single: (bit, name) of those with one code per record, in the order of
    record_codes. listed: (bit, name) of those with several keys per record.
    ready: queries that give ready-made pairs (left_no, right_no, strategy_mask, similarity).
    has_similarity: whether pairs carry one, that is, whether there is an encoder.
    weights: how pairs are weighed; None where they are not. is_final: see ranked_pairs.
    """

    single: tuple[tuple[int, str], ...]
    listed: tuple[tuple[int, str], ...]
    ready: tuple[str, ...] = ()
    has_similarity: bool = False
    names: tuple[str, ...] = ()
    weights: PairWeights | None = None
    is_final: bool = False

    @classmethod
    def of(cls, spec: PipelineSpec, lake: Lake | None = None) -> "Strategies":
        """Number the strategies in their declared order, then the learned rules best first."""
        numbered = list(enumerate(spec.strategy_conjunctions))
        single = [(bit, strategy.name) for bit, strategy in numbered if not strategy.is_list]
        listed = [(bit, strategy.name) for bit, strategy in numbered if strategy.is_list]
        names = list(spec.proposers)
        if spec.learns and lake:
            codes = lake.facts("record_codes")
            rules = codes["rules"]
            single += [(len(names) + rules.index(rule), rule) for rule in codes["single_rules"]]
            listed += [(len(names) + rules.index(rule), rule) for rule in codes["listed_rules"]]
            names += rules
        ready = []
        if spec.embedding:
            bit = _bit(spec.proposers.index(EMBEDDING))
            ready.append(
                f"select left_no, right_no, cast({bit} as bigint) as strategy_mask, similarity"
                " from embedding_blocks"
            )
        if spec.second_pass and not spec.has_two_passes:
            similarity = "similarity" if spec.encoder else "cast(null as float) as similarity"
            ready.append(
                f"select left_no, right_no, strategy_mask, {similarity} from second_pass_pairs"
            )
        return cls(
            tuple(single),
            tuple(listed),
            tuple(ready),
            spec.encoder is not None,
            tuple(names),
            read_weights(lake) if spec.weights and lake else None,
            is_final(spec),
        )


class UnifiedFacts(RankedFacts):
    """The facts kept beside unified_pairs and first_pass_pairs.

    strategy_bits: the place of every strategy in a pair's mask. proposed_pairs,
    pairs_of_one_strategy_only: by strategy, of the pairs kept; made_...: before a budget cut them.
    shared_pairs: of every two strategies. second_pass_pairs: of those kept, where there are two.
    """

    fingerprint: str
    strategy_bits: dict[str, int]
    pairs: int
    proposed_pairs: dict[str, int]
    pairs_of_one_strategy_only: dict[str, int]
    shared_pairs: list[list[int]]
    made_pairs: NotRequired[dict[str, int]]
    made_pairs_of_one_strategy_only: NotRequired[dict[str, int]]
    second_pass_pairs: NotRequired[int]


def unify_pairs(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, table: str = "unified_pairs"
) -> UnifiedFacts:
    """Make every candidate pair once, weigh it, and keep the best within the budget.

    Reads record_codes, filtered_blocks (and learned_blocks) for many-valued strategies, and
    embedding_blocks and second_pass_pairs where the spec has them; for weights key_codes and the
    facts of pair_weights. Writes the table (left_no INTEGER, right_no INTEGER, strategy_mask
    BIGINT, with an encoder similarity FLOAT, with weights weight FLOAT); bit i of the mask is the
    i-th of the facts' "strategy_bits"; left_no < right_no, which is the order of (source,
    record_id); in link mode the left record is of the earlier source.
    table: first_pass_pairs where a second pass follows the first one's matches.
    Cost without weights: 1.35 times that of joining and writing the pairs at all
    (benchmarks/unified_pairs.py).
    Returns the facts kept beside the table: pairs, and per strategy the pairs it proposed, those
    filed under it, and those that no other strategy proposed; and what the budget cut.

    Raises LakeError if a table was made from other records, BudgetError if there are more pairs
    than the budget allows and it says to fail.
    """
    fingerprint = read_records(engine, lake)
    ready = second_hand_tables(spec, of_first_pass=True)
    tables = ["filtered_blocks", "record_codes", *ready]
    tables += ["learned_blocks"] * bool(spec.learns) + ["key_codes"] * spec.weights
    for name in tables:
        read_numbered(engine, lake, name, fingerprint)
    if spec.weights:
        lake.check_declared("pair_weights")
    strategies = Strategies.of(spec, lake)
    facts = {
        "fingerprint": fingerprint,
        "strategy_bits": {name: bit for bit, name in enumerate(strategies.names)},
    }
    learned = "select rule, block_no, record_no from learned_blocks"
    engine.execute(
        "create or replace view listed_blocks as"
        " select strategy, block_no, record_no from filtered_blocks"
        + f" union all {learned}"
        * bool(spec.learns)
    )
    _lay_out_codes(engine, strategies)
    with lake.writing(table, facts) as draft:
        files: list[Path] = []
        for part, sql in _parts(engine, strategies, spec.link_mode):
            logger.info("making pairs of %s", part)
            files.append(draft.file(f"{len(files):04}-{part[:80]}"))
            engine.write(sql, files[-1], bulk=True)
        if strategies.weights:
            engine.read_folder(draft.folder, "written_pairs")
            made = sum_pairs(engine, strategies.names)
            draft.facts["made_pairs"] = made["proposed_pairs"]
            draft.facts["made_pairs_of_one_strategy_only"] = made["pairs_of_one_strategy_only"]
            draft.facts.update(
                rank_pairs(engine, lake, spec, strategies.weights, draft.folder, files)
            )
        engine.read_folder(draft.folder, "written_pairs")
        draft.facts.update(sum_pairs(engine, strategies.names))
        return cast(UnifiedFacts, dict(draft.facts))


def _lay_out_codes(engine: DuckDBEngine, strategies: Strategies) -> None:
    """Make coded_records: record_codes, with what evidence reads where pairs are weighed.

    The codes of keys are called code_<i> there as those of strategies are here: these become
    block_<i>.
    """
    blocks = "".join(f", c.code_{i} as block_{i}" for i in range(len(strategies.single)))
    keys = "".join(f", k.{column}" for column in _evidence_columns(strategies))
    joins = " join key_codes as k on k.record_no = c.record_no" * bool(keys)
    engine.make_table(
        "coded_records",
        f"select c.record_no, c.source_no{blocks}{keys} from record_codes as c{joins}"
        " order by c.record_no",
    )


def _evidence_columns(strategies: Strategies) -> list[str]:
    return strategies.weights.columns() if strategies.weights else []


def _evidence(strategies: Strategies) -> str:
    """Write the column evidence of a query over two rows, l and r, of coded_records."""
    if strategies.weights is None:
        return ""
    evidence = strategies.weights.evidence_sql()
    if strategies.is_final:
        return f", {weight_sql(strategies.weights, evidence)} as weight"
    return f", cast({evidence} as float) as evidence"


def second_hand_tables(spec: PipelineSpec, *, of_first_pass: bool = False) -> list[str]:
    """List the tables that bring ready-made pairs; those that `unify_pairs` reads, or all."""
    second = spec.second_pass is not None and not (of_first_pass and spec.has_two_passes)
    return ["embedding_blocks"] * bool(spec.embedding) + ["second_pass_pairs"] * second


def _parts(engine: DuckDBEngine, strategies: Strategies, mode: str) -> Iterator[tuple[str, str]]:
    """Give the name and the query of every file of unified_pairs, in turn."""
    if not strategies.listed and not strategies.ready:
        for i, (_, name) in enumerate(strategies.single):
            _sort_by_block(engine, i, strategies)
            yield name, _single_pairs_sql(i, strategies, mode)
        if not strategies.single:
            yield "none", _no_pairs_sql(strategies)
        return
    for nth, (first, last) in enumerate(_left_ranges(engine, strategies, mode)):
        engine.make_table("listed_pairs", _listed_pairs_sql(strategies, mode, first, last))
        similarity = ", x.similarity" if strategies.has_similarity else ""
        evidence = ""
        if strategies.weights:
            evidence = ", p.weight" if strategies.is_final else ", p.evidence"
        for i, (_, name) in enumerate(strategies.single):
            _sort_by_block(engine, i, strategies)
            within = _within("l.record_no", first, last)
            pairs = _single_pairs_sql(i, strategies, mode, within)
            yield (
                f"{name}-{nth}",
                "select p.left_no, p.right_no, p.strategy_mask + coalesce(x.strategy_mask, 0)"
                f" as strategy_mask{similarity}{evidence} from ({pairs}) as p"
                " left join listed_pairs as x"
                " on x.left_no = p.left_no and x.right_no = p.right_no",
            )
        # No strategy's name holds a hyphen, so none is called only-listed.
        yield f"only-listed-{nth}", _only_listed_sql(strategies, similarity)


def _no_pairs_sql(strategies: Strategies) -> str:
    return (
        "select l.record_no as left_no, r.record_no as right_no, 0::bigint as strategy_mask"
        f"{_evidence(strategies)} from coded_records as l join coded_records as r"
        " on l.record_no = r.record_no where 1 = 0"
    )


def _sort_by_block(engine: DuckDBEngine, i: int, strategies: Strategies) -> None:
    """Lay the records of strategy i out by block, so that the join reads neighbours."""
    blocks = [f"block_{j}" for j in range(len(strategies.single))]
    columns = ", ".join([*blocks, *_evidence_columns(strategies)])
    engine.make_table(
        "sorted_codes",
        f"select record_no, source_no, {columns} from coded_records"
        f" where block_{i} >= 0 order by block_{i}, record_no",
    )


def _single_pairs_sql(i: int, strategies: Strategies, mode: str, within: str = "true") -> str:
    single = strategies.single
    earlier = "".join(f" and l.block_{j} <> r.block_{j}" for j in range(i))
    # CASE over integers: adding up casts of booleans cost a third more.
    later = "".join(
        f" + case when l.block_{j} = r.block_{j} then {_bit(single[j][0])} else {_bit(None)} end"
        for j in range(i + 1, len(single))
    )
    return f"""
        select l.record_no as left_no, r.record_no as right_no,
            cast({_bit(single[i][0])}{later} as bigint) as strategy_mask{_evidence(strategies)}
        from sorted_codes as l join sorted_codes as r
            on l.block_{i} = r.block_{i} and {_is_pair(mode)}{earlier}
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
        " from listed_blocks as b join record_codes as c on c.record_no = b.record_no"
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


def _only_listed_sql(strategies: Strategies, similarity: str) -> str:
    differ = "".join(f" and l.block_{j} <> r.block_{j}" for j in range(len(strategies.single)))
    return f"""
        select x.left_no, x.right_no, x.strategy_mask{similarity}{_evidence(strategies)}
        from listed_pairs as x
        join coded_records as l on l.record_no = x.left_no
        join coded_records as r on r.record_no = x.right_no
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


def sum_pairs(engine: DuckDBEngine, names: Sequence[str]) -> dict[str, Any]:
    """Count the engine's written_pairs, in one pass over their masks."""
    masks = engine.rows(
        "select strategy_mask, count(*) from written_pairs group by strategy_mask order by 1"
    )
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
