"""The label queue: which pairs a person should judge next.

A mix of three: likely matches that nothing proposes (they show what the rules miss), pairs that
only the dearest strategy proposes (they show whether it is worth its price), and pairs drawn
blindly from the candidates (they keep estimates honest).
"""

from typing import Any

from er_pipeline.blocking.labels.labels import LABEL_REASONS
from er_pipeline.blocking.pairs.ranked_pairs import weight_sql
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.weights.pair_weights import read_weights

# Pairs of each kind, and so how they are mixed.
QUEUE = {"likely_uncovered": 80, "dearest_rule": 40, "audit": 80}
ASK_REASONS = LABEL_REASONS[: len(QUEUE)]
# Where likely matches are looked for beyond the candidates: every key, in blocks up to so many
# records, of so many records.
WIDEST_BLOCK, RECORDS_LOOKED_AT = 200, 2_000


def queue_pairs(engine: Engine, lake: Lake, spec: PipelineSpec) -> dict[str, Any]:
    """Choose the pairs to be judged next.

    Reads unified_pairs, labels and, where pairs are weighed, key_codes. Writes label_queue
    (queue_no, left_no, right_no, reason, weight, rules), without pairs that have been judged.
    Returns the facts kept beside the table: how many pairs of each kind.
    """
    fingerprint = read_records(engine, lake)
    for table in ["unified_pairs", "labels"] + ["key_codes"] * spec.weights:
        read_numbered(engine, lake, table, fingerprint)
    unified = lake.facts("unified_pairs")
    engine.make_table("judged_pairs", "select left_no, right_no from labels")
    seed = f"{spec.seed} {engine.row('select count(*) from judged_pairs')[0]}"
    weight = "weight::double" if spec.weights else "null::double"
    drawn = f"md5(concat({literal(seed)}, ' ', left_no, ' ', right_no)), left_no, right_no"
    unjudged = "(left_no, right_no) not in (select (left_no, right_no) from judged_pairs)"
    alone = unified["pairs_of_one_strategy_only"]
    dearest = max(alone, key=lambda name: (alone[name], name)) if alone else None
    bit = unified["strategy_bits"][dearest] if dearest else 0
    # Blindly drawn pairs come first, so that no kind is missing among them.
    engine.make_table(
        "audited",
        f"""
        select left_no, right_no, 'audit' as reason, {weight} as weight, strategy_mask,
            row_number() over (order by {drawn}) as turn
        from unified_pairs where {unjudged} order by turn limit {QUEUE["audit"]}
        """,
    )
    engine.make_table(
        "asked",
        f"""
        from audited union all from (
            select left_no, right_no, 'dearest_rule' as reason, {weight} as weight, strategy_mask,
                row_number() over (order by {drawn}) as turn
            from unified_pairs where {unjudged} and strategy_mask = {1 << bit}::bigint
                and (left_no, right_no) not in (select (left_no, right_no) from audited)
            order by turn limit {QUEUE["dearest_rule"]}
        ) union all from ({_likely_sql(engine, lake, spec, seed)})
        """,
    )
    names = ", ".join(literal(name) for name in unified["strategy_bits"]) or "''"
    places = ", ".join(f"({literal(name)}, {1 / n})" for name, n in QUEUE.items())
    with lake.writing("label_queue", {"fingerprint": fingerprint}) as draft:
        engine.write(
            f"""
            with mixed as (
                select a.*, row_number() over (order by a.turn * m.step, a.reason) as place
                from asked as a join (values {places}) as m(reason, step) on m.reason = a.reason
            )
            select cast(place - 1 as integer) as queue_no, left_no, right_no, reason, weight,
                list_filter([{names}], lambda name, i: ((strategy_mask >> (i - 1)) & 1) = 1)
                    as rules
            from mixed order by place
            """,
            draft.file(),
        )
        engine.read_folder(draft.folder, "written_queue")
        for reason in QUEUE:
            (n,) = engine.row(
                f"select count(*) from written_queue where reason = {literal(reason)}"
            )
            draft.facts[reason] = n
        draft.facts["dearest_strategy"] = dearest or ""
        return dict(draft.facts)


def _likely_sql(engine: Engine, lake: Lake, spec: PipelineSpec, seed: str) -> str:
    """Write the query of the weightiest pairs that share a key and yet are no candidates."""
    nothing = (
        "select 0::integer as left_no, 0::integer as right_no, 'likely_uncovered' as reason,"
        " 0.0::double as weight, 0::bigint as strategy_mask, 0::bigint as turn where 1 = 0"
    )
    if not spec.weights:
        return nothing
    engine.make_table(
        "looked_at",
        "select * from key_codes"
        f" order by md5(concat({literal(seed)}, ' ', record_no)), record_no"
        f" limit {RECORDS_LOOKED_AT}",
    )
    across = " and l.source_no <> r.source_no" if spec.link_mode == "link" else ""
    shared = []
    for i in range(len(spec.key_choices)):
        small = (
            f"select code_{i} from key_codes where code_{i} >= 0 group by code_{i}"
            f" having count(*) between 2 and {WIDEST_BLOCK}"
        )
        shared.append(
            "select least(l.record_no, r.record_no) as left_no,"
            " greatest(l.record_no, r.record_no) as right_no"
            f" from looked_at as l join ({small}) as s on s.code_{i} = l.code_{i}"
            f" join key_codes as r on r.code_{i} = l.code_{i}"
            f" and r.record_no <> l.record_no{across}"
        )
    weights = read_weights(lake)
    return f"""
        select p.left_no, p.right_no, 'likely_uncovered' as reason,
            {weight_sql(weights, weights.evidence_sql())}::double as weight,
            0::bigint as strategy_mask,
            row_number() over (order by {weight_sql(weights, weights.evidence_sql())} desc,
                p.left_no, p.right_no) as turn
        from (
            select left_no, right_no from ({" union ".join(shared)})
            except select left_no, right_no from unified_pairs
            except select left_no, right_no from judged_pairs
        ) as p
        join key_codes as l on l.record_no = p.left_no
        join key_codes as r on r.record_no = p.right_no
        order by turn limit {QUEUE["likely_uncovered"]}
    """
