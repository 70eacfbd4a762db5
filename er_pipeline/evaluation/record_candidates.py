"""The candidate pairs of one record: how many there are, and the best of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.pairs.weighed_when_read import with_weights
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.pair_score import scored_sql
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

    Reads the engine's cleaned_records and unified_pairs; with matching the model. The best are
    those of the highest score; without matching, of the greatest weight; of equals the one that
    more strategies propose, then the lower number.
    """
    pairs, scored = "pairs_of_record", "scores_of_record"
    engine.make_table(
        pairs,
        f"select * from unified_pairs where left_no = {record_no}"
        f" union all select * from unified_pairs where right_no = {record_no}",
    )
    (n_pairs,) = engine.row(f"select count(*) from {pairs}")
    if not n_pairs:
        return 0, ()
    score = f"select left_no, right_no, cast(null as double) as match_probability from {pairs}"
    if spec.matching:
        score = scored_sql(engine, read_model(lake), read_frequencies(engine, lake), pairs)
    engine.make_table(scored, score)
    similarity = "w.similarity" if spec.encoder else "cast(null as float)"
    names = {bit: name for name, bit in unified_facts(lake)["strategy_bits"].items()}
    rows = engine.rows(
        f"""
        select r.source, r.record_id, b.strategy_mask, b.weight, b.similarity, b.score from (
            select if(w.left_no = {record_no}, w.right_no, w.left_no) as partner_no,
                w.strategy_mask, w.weight, {similarity} as similarity, s.match_probability as score
            from ({with_weights(engine, lake, spec, pairs)}) as w
            join {scored} as s on s.left_no = w.left_no and s.right_no = w.right_no
            order by score desc nulls last, weight desc nulls last, bit_count(w.strategy_mask) desc,
                partner_no
            limit {most}
        ) as b join (select record_no, source, record_id from cleaned_records) as r
            on r.record_no = b.partner_no
        order by b.score desc nulls last, b.weight desc nulls last,
            bit_count(b.strategy_mask) desc, b.partner_no
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
