"""True pairs that the budget cut: the weight each had, and what the budget kept."""

from er_pipeline.blocking.pairs.ranked_facts import DECIMALS
from er_pipeline.blocking.pairs.ranked_pairs import weight_sql
from er_pipeline.blocking.pairs.unified_pairs import CUT_PAIRS, keeps_cut_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, arrow_of
from er_pipeline.blocking.weights.pair_evidence import RIVALS_SHARE
from er_pipeline.blocking.weights.pair_weights import read_weights
from er_pipeline.evaluation.missed_neighbours import multiply_vectors

WEIGHED = (
    LEFT_NO,
    RIGHT_NO,
    Column("weight", "FLOAT", "The weight it had"),
    Column("detail", "VARCHAR", "The same, beside what was kept"),
)


def weigh_missed(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    missed: str,
    weighed: str,
) -> None:
    """Make the engine table `weighed` (left_no, right_no, weight FLOAT, detail): what was cut.

    missed: engine table (left_no, right_no, stage); those of the stage cut_by_budget are weighed.
    Reads the engine's unified_pairs and, where several views rank the pairs, cut_pairs. Elsewhere
    weights are computed anew, as `rank_pairs` does, from key_codes and, with an encoder,
    record_embeddings; when linking, a record's best pair is sought among those kept and those
    missed, which holds wherever each record keeps its best one (`floor_per_record`).
    """
    engine.put(weighed, arrow_of(WEIGHED))
    (n_cut,) = engine.row(f"select count(*) from {missed} where stage = 'cut_by_budget'")
    if not n_cut:
        return
    engine.make_table(
        "cut_true", f"select left_no, right_no from {missed} where stage = 'cut_by_budget'"
    )
    if keeps_cut_pairs(spec):
        lake.open(engine, CUT_PAIRS.name)
        engine.make_table(
            "weighed_cut", "select * from cut_true join cut_pairs using (left_no, right_no)"
        )
    else:
        weigh_anew(engine, lake, spec, "cut_true", "weighed_cut")
    (least,) = engine.row("select min(weight) from unified_pairs")
    kept = "nothing was kept" if least is None else f"the least one kept has {least:.4f}"
    engine.make_table(
        weighed,
        f"select left_no, right_no, weight, 'weight ' || printf('%.4f', weight) || ', {kept}'"
        " as detail from weighed_cut",
    )


def weigh_anew(engine: Engine, lake: Lake, spec: PipelineSpec, pairs: str, weighed: str) -> None:
    """Make the engine table `weighed` (left_no, right_no, weight), as evidence alone weighs pairs.

    pairs: engine table (left_no, right_no) of distinct pairs that are not kept.
    """
    weights = read_weights(lake)
    similarity, cosines = None, ""
    if spec.encoder:
        multiply_vectors(engine, lake, pairs, "cut_cosines")
        similarity = "x.similarity"
        cosines = " left join cut_cosines as x on x.left_no = p.left_no and x.right_no = p.right_no"
    evidence = weights.evidence_sql()
    codes = (
        " join key_codes as l on l.record_no = p.left_no"
        " join key_codes as r on r.record_no = p.right_no"
    )
    engine.make_table(
        "cut_own",
        f"select p.left_no, p.right_no, {weight_sql(weights, evidence, similarity)} as own,"
        " l.source_no as left_source, r.source_no as right_source"
        f" from {pairs} as p{codes}{cosines}",
    )
    weight, rivals = "p.own", ""
    if spec.link_mode == "link":
        similarity = "p.similarity" if spec.encoder else None
        known = f"record_no in (select left_no from {pairs} union all select right_no from {pairs})"
        engine.make_table("cut_records", f"select record_no from cleaned_records where {known}")
        engine.make_table(
            "own_of_record",
            f"""
            with kept as (
                select * from unified_pairs where left_no in (select record_no from cut_records)
                    or right_no in (select record_no from cut_records)
            ),
            own as (
                select p.left_no, p.right_no,
                    {weight_sql(weights, evidence, similarity)} as own,
                    l.source_no as left_source, r.source_no as right_source
                from kept as p{codes}
                union all select * from cut_own
            )
            select record_no, source_no, max(own) as own from (
                select left_no as record_no, right_source as source_no, own from own
                union all select right_no, left_source, own from own
            ) group by record_no, source_no
            """,
        )
        weight = f"cast(round(p.own - {RIVALS_SHARE} * (l.own + r.own) / 2, {DECIMALS}) as float)"
        rivals = (
            " join own_of_record as l"
            " on l.record_no = p.left_no and l.source_no = p.right_source"
            " join own_of_record as r"
            " on r.record_no = p.right_no and r.source_no = p.left_source"
        )
    engine.make_table(
        weighed,
        f"select p.left_no, p.right_no, {weight} as weight from cut_own as p{rivals}",
    )
