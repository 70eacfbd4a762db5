"""The label queue: which pairs a person should judge next.

A mix of three: likely matches that nothing proposes (they show what the rules miss), pairs that
only the most expensive strategy proposes (they show whether it is worth its price), and pairs drawn
blindly from the candidates (they keep estimates honest).
"""

from collections.abc import Sequence
from functools import partial

from er_pipeline.blocking.labels.labels import ASK_REASONS
from er_pipeline.blocking.pairs.ranked_pairs import weight_sql
from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.pairs.weighed_when_read import with_weights
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, Facts, Table
from er_pipeline.blocking.tables.views import pairs_by_id
from er_pipeline.blocking.weights.pair_weights import read_weights

# Pairs of each kind, and so how they are mixed.
QUEUE = dict(zip(ASK_REASONS, (80, 40, 80), strict=True))
# Where likely matches are looked for beyond the candidates: every key, in blocks up to so many
# records, of so many records.
WIDEST_BLOCK, RECORDS_LOOKED_AT = 200, 2_000


QUEUED = Table(
    "label_queue",
    "Pairs a person should judge next, and why.",
    [
        Column("queue_no", "INTEGER", "Place in the queue", minimum=0),
        LEFT_NO,
        RIGHT_NO,
        Column("reason", "VARCHAR", "Why it is asked", allowed=ASK_REASONS),
        Column("weight", "DOUBLE", "The pair's weight", required=False),
        Column("rules", "VARCHAR[]", "What proposed it", required=False),
    ],
    pairs_by_id("label_queue", before=["p.queue_no"], after=["p.reason", "p.weight", "p.rules"]),
)


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that chooses what to ask next, if people judge pairs."""
    if spec.labels is None:
        return []
    reads = ["unified_pairs", "labels"]
    if spec.weights:
        reads += ["key_codes", "pair_weights"]
    return [
        Step(
            writes=[QUEUED],
            reads=reads,
            settings=[spec.seed, spec.link_mode],
            run=partial(queue_pairs, spec=spec),
            stage="learning",
        )
    ]


def queue_pairs(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Choose the pairs to be judged next.

    Reads unified_pairs, labels and, where pairs are weighed, key_codes and pair_weights. Writes
    label_queue (queue_no, left_no, right_no, reason, weight, rules), without pairs that have been
    judged. Returns the facts kept beside the table: how many pairs of each kind.
    """
    for table in ("unified_pairs", "labels"):
        lake.open(engine, table)
    unified = unified_facts(lake)
    engine.make_table("judged_pairs", "select left_no, right_no from labels")
    seed = f"{spec.seed} {engine.row('select count(*) from judged_pairs')[0]}"
    # Blindly drawn pairs come first, so that no kind is missing among them.
    engine.make_table("audited", _drawn_sql(engine, lake, "audit", "judged_pairs", seed, spec))
    asked = ["select * from audited"]
    alone = unified["pairs_of_one_strategy_only"]
    most_expensive = max(alone, key=lambda name: (alone[name], name)) if alone else ""
    if most_expensive:
        engine.make_table(
            "seen_pairs",
            "select left_no, right_no from judged_pairs"
            " union all select left_no, right_no from audited",
        )
        mask = 1 << unified["strategy_bits"][most_expensive]
        asked.append(
            _drawn_sql(
                engine, lake, "dearest_rule", "seen_pairs", seed, spec, f"strategy_mask = {mask}"
            )
        )
    if spec.weights:
        asked.append(_likely_sql(engine, lake, spec, seed))
    engine.make_table("asked", " union all ".join(f"select * from ({part})" for part in asked))
    with lake.writing("label_queue") as draft:
        engine.write(_mixed_sql(list(unified["strategy_bits"])), draft.file())
        engine.read_folder(draft.folder, "written_queue")
        for reason in QUEUE:
            (n,) = engine.row(
                f"select count(*) from written_queue where reason = {literal(reason)}"
            )
            draft.facts[reason] = n
        draft.facts["dearest_strategy"] = most_expensive
        return dict(draft.facts)


def _drawn_sql(
    engine: Engine,
    lake: Lake,
    reason: str,
    but: str,
    seed: str,
    spec: PipelineSpec,
    condition: str = "true",
) -> str:
    """Write the query of the candidates drawn for a reason, by a hash of their numbers.

    but: engine table (left_no, right_no) of pairs that are not to be drawn.
    """
    by_chance = _hash_sql(seed, "p.left_no", "p.right_no")
    drawn = f"""(
        select p.*, row_number() over (order by {by_chance}, p.left_no, p.right_no) as turn
        from unified_pairs as p
        left join {but} as b on b.left_no = p.left_no and b.right_no = p.right_no
        where b.left_no is null and {condition}
        order by turn limit {QUEUE[reason]}
    )"""
    return f"""
        select left_no, right_no, {literal(reason)} as reason, cast(weight as double) as weight,
            strategy_mask, turn
        from ({with_weights(engine, lake, spec, drawn)})
    """


def _hash_sql(seed: str, *numbers: str) -> str:
    """Write the expression that orders rows by chance, the same for the same seed."""
    parts = "".join(f" || ' ' || cast({number} as varchar)" for number in numbers)
    return f"md5({literal(seed)}{parts})"


def _likely_sql(engine: Engine, lake: Lake, spec: PipelineSpec, seed: str) -> str:
    """Write the query of the weightiest pairs that share a key and yet are no candidates.

    Reads the engine's unified_pairs and judged_pairs.
    """
    lake.open(engine, "key_codes")
    engine.make_table(
        "looked_at",
        f"select * from key_codes order by {_hash_sql(seed, 'record_no')}, record_no"
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
    weight = weight_sql(weights, weights.evidence_sql())
    return f"""
        select p.left_no, p.right_no, 'likely_uncovered' as reason,
            cast({weight} as double) as weight, cast(0 as bigint) as strategy_mask,
            row_number() over (order by {weight} desc, p.left_no, p.right_no) as turn
        from (
            select left_no, right_no from ({" union ".join(shared)})
            except select left_no, right_no from unified_pairs
            except select left_no, right_no from judged_pairs
        ) as p
        join key_codes as l on l.record_no = p.left_no
        join key_codes as r on r.record_no = p.right_no
        order by turn limit {QUEUE["likely_uncovered"]}
    """


def _mixed_sql(strategies: Sequence[str]) -> str:
    """Write the query of label_queue: what is asked, the reasons mixed as `QUEUE` says.

    strategies: their names, by their bits.
    """
    names = ", ".join(map(literal, strategies)) or "''"
    places = ", ".join(f"({literal(name)}, {1 / n})" for name, n in QUEUE.items())
    return f"""
        with mixed as (
            select a.*, row_number() over (order by a.turn * m.step, a.reason) as place
            from asked as a join (values {places}) as m(reason, step) on m.reason = a.reason
        )
        select cast(place - 1 as integer) as queue_no, left_no, right_no, reason, weight,
            list_filter([{names}], lambda name, i: ((strategy_mask >> (i - 1)) & 1) = 1) as rules
        from mixed order by place
    """
