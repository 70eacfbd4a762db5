"""The candidate pairs of one record: how many there are, and the best of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from er_pipeline.blocking.blocks.record_codes import codes_facts
from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.pairs.unified_pairs import ready_pair_tables, unified_facts
from er_pipeline.blocking.pairs.weighed_when_read import holds_weights, with_weights
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.evaluation.pair_score import scored_sql
from er_pipeline.evaluation.proposed_true import propose_true_pairs
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.matching.term_frequencies import read_frequencies


@dataclass(frozen=True)
class Candidate:
    """A candidate pair of a record.

    partner: the other record. proposed_by: the strategies and rules that make the pair. similarity:
    its cosine, where it is known. score: its probability of a match, where pairs are scored.
    """

    partner: RecordName
    proposed_by: tuple[str, ...]
    weight: float | None
    similarity: float | None
    score: float | None


def find_candidates(
    engine: Engine, lake: Lake, spec: PipelineSpec, record_no: int, most: int
) -> tuple[int, Sequence[Candidate]]:
    """Count the candidate pairs of a record, and give the best `most` of them.

    Reads the engine's cleaned_records and, see `pairs_of_record`, what the pairs are made of; with
    matching the model. The best are those of the highest score; without matching, of the greatest
    weight; of equals the one that more strategies propose, then the lower number.
    """
    pairs, scored = "pairs_of_record", "scores_of_record"
    engine.make_table(pairs, pairs_of_record(engine, lake, spec, record_no))
    (n_pairs,) = engine.row(f"select count(*) from {pairs}")
    if not n_pairs:
        return 0, ()
    score = f"select left_no, right_no, cast(null as double) as match_probability from {pairs}"
    if spec.matching:
        score = scored_sql(engine, read_model(lake), read_frequencies(engine, lake), pairs)
    engine.make_table(scored, score)
    best = "best_of_record"
    engine.make_table(
        best,
        f"""
        select p.*, s.match_probability as score from {pairs} as p
        join {scored} as s on s.left_no = p.left_no and s.right_no = p.right_no
        order by score desc nulls last, bit_count(p.strategy_mask) desc, p.left_no, p.right_no
        {f"limit {most}" if spec.matching else ""}
        """,
    )
    similarity = "w.similarity" if spec.encoder else "cast(null as float)"
    names = {bit: name for name, bit in unified_facts(lake)["strategy_bits"].items()}
    rows = engine.rows(
        f"""
        select r.source, r.record_id, w.strategy_mask, w.weight, {similarity} as cosine, w.score
        from ({with_weights(engine, lake, spec, best)}) as w
        join (select record_no, source, record_id from cleaned_records) as r
            on r.record_no = if(w.left_no = {record_no}, w.right_no, w.left_no)
        order by w.score desc nulls last, w.weight desc nulls last,
            bit_count(w.strategy_mask) desc, w.left_no, w.right_no
        limit {most}
        """
    )
    return int(n_pairs), [
        Candidate(
            RecordName(source, record_id),
            tuple(name for bit, name in sorted(names.items()) if mask >> bit & 1),
            weight,
            cosine,
            probability,
        )
        for source, record_id, mask, weight, cosine, probability in rows
    ]


def pairs_of_record(engine: Engine, lake: Lake, spec: PipelineSpec, record_no: int) -> str:
    """Write the query of the candidate pairs of a record, as rows of unified_pairs.

    Where nothing is cut, and neither weight nor cosine is kept, they follow from the record's
    blocks: of a million people that takes a tenth of what it takes to look through all pairs. Reads
    the engine's record_codes, filtered_blocks, learned_blocks and tables of ready-made pairs then,
    else unified_pairs.
    """
    if spec.budget is not None or spec.encoder is not None or holds_weights(spec):
        return (
            f"select * from unified_pairs where left_no = {record_no}"
            f" union all select * from unified_pairs where right_no = {record_no}"
        )
    partners = "partners_of_record"
    engine.make_table(partners, _partners_sql(engine, lake, spec, record_no))
    ends = "possible_pairs"
    across = ""
    if spec.link_mode == "link":
        across = (
            " where source_no <> (select source_no from record_codes"
            f" where record_no = {record_no})"
        )
    engine.make_table(
        ends,
        f"select least(record_no, {record_no})::integer as left_no,"
        f" greatest(record_no, {record_no})::integer as right_no"
        f" from (select distinct record_no from {partners}) join record_codes using (record_no)"
        f"{across}",
    )
    proposed = "pairs_proposed"
    propose_true_pairs(engine, lake, spec, unified_facts(lake)["strategy_bits"], proposed, ends)
    return f"select * from {proposed}"


def _partners_sql(engine: Engine, lake: Lake, spec: PipelineSpec, record_no: int) -> str:
    """Write the query of the records that share a block with one, or stand in a pair with it."""
    codes = codes_facts(lake)
    others = f"record_no <> {record_no}"
    parts = [f"select record_no from record_codes where false and {others}"]
    (row,) = engine.rows(f"select * from record_codes where record_no = {record_no}")
    own = [int(code) for code in row[-codes["codes"] :]] if codes["codes"] else []
    shared = [f"code_{i} = {code}" for i, code in enumerate(own) if code >= 0]
    if shared:
        parts.append(
            f"select record_no from record_codes where {others} and ({' or '.join(shared)})"
        )
    listed = [
        ("filtered_blocks", "strategy", s.name) for s in spec.strategy_conjunctions if s.is_list
    ]
    listed += [("learned_blocks", "rule", name) for name in codes["listed_rules"]]
    for table, column, name in listed:
        of = f"{table} where {column} = {literal(name)}"
        parts.append(
            f"select record_no from {of} and {others} and block_no in"
            f" (select block_no from {of} and record_no = {record_no})"
        )
    for table in ready_pair_tables(spec):
        parts.append(f"select right_no from {table} where left_no = {record_no}")
        parts.append(f"select left_no from {table} where right_no = {record_no}")
    return " union all ".join(parts)
