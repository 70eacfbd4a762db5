"""The cause of a true pair that is not found: the last thing that stood in its way.

A pair is found when it is a candidate and, where matches are scored, scores at least the threshold.
Of any other, the cause is the last thing that stood in its way, so that mending that finds it:

    below_threshold    it is a candidate, and the model gives it too little
    cut_by_budget      it was made, and the budget cut it
    block_dropped      it shares a key, and the block was dropped, or divided between the two
    below_similarity   it shares no key; neighbours are on, its cosine reaches their floor, and a
                       later cut (the share of the best, the k of the lists) left it out
    keys_differ        it shares no key, though at least one strategy gives a key to both
    no_key             no strategy gives a key to both

Each excludes those above it. A pair that shares no key and whose cosine lies below the floor is one
of keys: neighbours never had a chance of it. Without any strategy of keys, neighbours are all there
is, and every pair with two vectors is below_similarity.
"""

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.evaluation.remedies import MissedTables

# Why a true pair is not found, from the first thing that can go wrong to the last.
MISSED_CAUSES = (
    "no_key",
    "keys_differ",
    "below_similarity",
    "block_dropped",
    "cut_by_budget",
    "below_threshold",
)


def find_missed(
    engine: Engine, proposed: str, candidates: str, missed: str, threshold: float | None
) -> None:
    """Make the engine table `missed` (left_no, right_no, stage, match_probability).

    Holds the true pairs that are not found. proposed: of `propose_true_pairs`.
    candidates: engine table of those that are candidates. stage:
    below_threshold, cut_by_budget, or unpaired where nothing proposed the pair.
    """
    probability, join, found = "cast(null as double)", "", "u.left_no is not null"
    if threshold is not None:
        probability = "m.match_probability"
        join = " left join matches as m on m.left_no = t.left_no and m.right_no = t.right_no"
        found += f" and coalesce(m.match_probability, -1) >= {threshold!r}"
    engine.make_table(
        missed,
        f"""
        select t.left_no, t.right_no, {probability} as match_probability,
            case when u.left_no is not null then 'below_threshold'
                when p.left_no is not null then 'cut_by_budget' else 'unpaired' end as stage
        from true_pairs as t
        left join {candidates} as u on u.left_no = t.left_no and u.right_no = t.right_no
        left join {proposed} as p on p.left_no = t.left_no and p.right_no = t.right_no{join}
        where not ({found})
        """,
    )


def mark_lonely(
    engine: Engine, spec: PipelineSpec, missed: MissedTables, unpaired: str, records: str
) -> None:
    """Make the engine table `unpaired` (left_no, right_no, is_lonely), and that of its records.

    is_lonely: the second pass looked at the pair, for the first had not helped one of its records.
    records: engine table that has them, as cleaned_records.
    """
    lonely = "false"
    if spec.second_pass:
        lonely = " or ".join(
            f"{side}_no not in (select record_no from {missed.helped})"
            for side in ("left", "right")
        )
    engine.make_table(
        unpaired,
        f"select left_no, right_no, {lonely} as is_lonely from {missed.pairs}"
        " where stage = 'unpaired'",
    )
    engine.make_table(
        missed.records,
        f"select * from {records} where record_no in"
        f" (select left_no from {unpaired} union all select right_no from {unpaired})",
    )


def causes_sql(
    missed: MissedTables, dropped: str, threshold: float | None, least: float | None
) -> str:
    """Write the query of the cause of every missed pair (left_no, right_no, cause, detail).

    least: the least probability that matches keeps.
    """
    number = f"{least}, " if least is not None else ""
    near = f"(select left_no, right_no, detail from {missed.neighbours} where is_near)"
    return f"""
        select left_no, right_no, stage as cause,
            'the model gives it ' || case when match_probability is null
                then 'less than {number}the least that matches keeps'
                else printf('%.4f', match_probability) end
            || ', the threshold is {threshold}' as detail
        from {missed.pairs} where stage = 'below_threshold'
        union all
        select m.left_no, m.right_no, m.stage, coalesce(w.detail, 'its weight is not known')
        from {missed.pairs} as m left join {missed.weights} as w
            on w.left_no = m.left_no and w.right_no = m.right_no
        where m.stage = 'cut_by_budget'
        union all select left_no, right_no, 'block_dropped', detail from {dropped}
        union all select left_no, right_no, 'below_similarity', detail from {near}
        union all
        select p.left_no, p.right_no, p.cause, p.detail from {missed.compared} as p
        left join {dropped} as d on d.left_no = p.left_no and d.right_no = p.right_no
        left join {near} as n on n.left_no = p.left_no and n.right_no = p.right_no
        where d.left_no is null and n.left_no is null
    """
