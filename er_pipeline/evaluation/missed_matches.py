"""Why true pairs are not found, one cause each, and what would find them.

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

The true pairs, possibly millions, stay in SQL; vectors are multiplied in batches of arrays. Of a
million people with 357,000 true pairs, 30,000 missed ones take 12 CPU s and 0.5 GiB.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypedDict, cast

from er_pipeline.blocking.pairs.second_pass_pairs import helped_records
from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Counts, Grid, Shown
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import (
    LEFT_NO,
    RIGHT_NO,
    Check,
    Column,
    Facts,
    Table,
    arrow_of,
)
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import pairs_by_id
from er_pipeline.evaluation.missed_blocks import choose_blocks, share_blocks
from er_pipeline.evaluation.missed_keys import compare_keys, list_proposers
from er_pipeline.evaluation.missed_neighbours import explain_neighbours
from er_pipeline.evaluation.missed_weights import weigh_missed
from er_pipeline.evaluation.proposed_true import propose_true_pairs, tables_of_proposals
from er_pipeline.evaluation.remedies import MissedTables, Remedy, find_remedies
from er_pipeline.matching.scored_pairs import SCORES, number_compared, score_table
from er_pipeline.matching.splink_linker import read_model

# Why a true pair is not found, from the first thing that can go wrong to the last.
MISSED_CAUSES = (
    "no_key",
    "keys_differ",
    "below_similarity",
    "block_dropped",
    "cut_by_budget",
    "below_threshold",
)
ADDS_UP = Check("missed_matches_add_up", "A true pair is found, or missed for one cause.")
# Remedies that the asset shows first; the table has one for every pair.
REMEDIES_SHOWN = 15


class MissedFacts(TypedDict):
    """The facts kept beside missed_matches.

    missed_twice: rows of a pair that has one already. unlikely: see `explain_missed`. causes: the
    pairs of each. remedies: those that mend most first.
    """

    threshold: float | None
    remedies: list[Remedy]
    true_pairs: int
    found: int
    missed: int
    missed_twice: int
    unlikely: int
    causes: dict[str, int]


def missed_facts(lake: Lake) -> MissedFacts:
    """Read what is noted beside missed_matches."""
    return cast(MissedFacts, lake.facts("missed_matches"))


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that explains missed matches, where truth is known."""
    if spec.truth is None:
        return []
    threshold = spec.matching.threshold if spec.matching else None
    second = spec.second_pass
    return [
        Step(
            writes=[
                Table(
                    "missed_matches",
                    "True pairs that are not found: why, and what would find them at least cost.",
                    [
                        LEFT_NO,
                        RIGHT_NO,
                        Column(
                            "cause", "VARCHAR", "What stood in its way last", allowed=MISSED_CAUSES
                        ),
                        Column(
                            "detail",
                            "VARCHAR",
                            "The keys, block, weight, cosine or score in question",
                        ),
                        Column(
                            "remedy",
                            "VARCHAR",
                            "The cheapest change that would find it, and its cost",
                        ),
                    ],
                    pairs_by_id("missed_matches", after=["p.cause", "p.detail", "p.remedy"]),
                )
            ],
            reads=_reads(spec),
            settings=[
                threshold,
                [[strategy.name, strategy.identity] for strategy in spec.strategy_conjunctions],
                [[strategy.name, strategy.identity] for strategy in spec.second_conjunctions],
                spec.proposers,
                spec.blocks,
                [key.identity for key in spec.refine_conjunctions or ()],
                second.max_size if second else None,
                [
                    encoder and [encoder.k, encoder.min_similarity, encoder.min_share_of_best]
                    for encoder in (spec.embedding, second.embedding if second else None)
                ],
                spec.budget.pairs_per_record is not None if spec.budget else None,
                spec.weights,
                spec.field_kinds,
                [choice.conjunction.identity for choice in spec.key_choices],
                spec.link_mode,
                spec.seed,
            ],
            run=partial(explain_missed, spec=spec, threshold=threshold),
            stage="evaluation",
            checks=(ADDS_UP,),
            judge=_judge,
            show=_show,
        )
    ]


def _reads(spec: PipelineSpec) -> list[str]:
    tables = ["cleaned_records", "unified_pairs", "dropped_blocks", *tables_of_proposals(spec)]
    if spec.learns:
        tables.append("learned_rules")
    if spec.learns or spec.weights:
        tables.append("key_codes")
    if spec.weights:
        tables.append("pair_weights")
    if spec.encoder:
        tables += ["record_embeddings", "text_vectors"]
    if spec.matching:
        tables += ["matches", "em_model"]
    if spec.has_two_passes:
        tables += ["first_pass_pairs", "first_pass_matches"]
    return list(dict.fromkeys(tables))


def explain_missed(
    engine: Engine, lake: Lake, spec: PipelineSpec, *, threshold: float | None
) -> Facts:
    """Find the cause of every true pair that is not found; write missed_matches.

    Reads true_pairs, unified_pairs and what they were made of; with a threshold, matches (left_no,
    right_no, match_probability). threshold: least probability of a match; None where nothing is
    scored, and every candidate is found. Writes missed_matches (left_no, right_no, cause, detail,
    remedy VARCHAR), one row per true pair that is not found. remedy: see `find_remedies`.
    Returns the facts kept beside the table: true_pairs, found, missed, unlikely (of the missed that
    are no candidates, those that the model would give less than the threshold, so that no single
    change finds them), "causes" with their counts, and "remedies" with what each would find and
    cost.
    """
    for table in _reads(spec):
        lake.open(engine, table)
    missed = MissedTables()
    proposed = "proposed_true"
    bits = unified_facts(lake)["strategy_bits"]
    propose_true_pairs(engine, lake, spec, bits, proposed)
    _find_missed(engine, proposed, missed.pairs, threshold)
    if spec.second_pass:
        helped = helped_records(engine, lake, spec)
        engine.make_table(missed.helped, f"select distinct record_no from ({helped})")
    unpaired = "unpaired_true"
    _mark_lonely(engine, spec, missed, unpaired)
    proposers = list_proposers(spec, lake)
    compare_keys(engine, proposers, unpaired, missed.records, missed.compared)
    share_blocks(
        engine, lake, spec, proposers, missed.compared, missed.records, missed.shared_blocks
    )
    dropped = "dropped_true"
    choose_blocks(engine, spec, proposers, missed.shared_blocks, dropped)
    explain_neighbours(
        engine,
        lake,
        spec,
        missed.compared,
        dropped,
        missed.neighbours,
        has_keys=bool(proposers),
    )
    weigh_missed(engine, lake, spec, missed.pairs, missed.weights)
    causes, unlikely, cheapest = "missed_causes", "unlikely_true", "missed_remedies"
    engine.make_table(causes, _causes_sql(missed, dropped, threshold))
    _find_unlikely(engine, lake, spec, missed.pairs, unlikely, threshold)
    _leave_out(engine, missed, unlikely)
    (n_unlikely,) = engine.row(f"select count(*) from {unlikely}")
    facts: dict[str, Any] = {"threshold": threshold}
    facts["remedies"] = find_remedies(engine, lake, spec, missed, cheapest, threshold=threshold)
    with lake.writing("missed_matches", facts) as draft:
        engine.write(
            f"""
            select c.left_no, c.right_no, c.cause,
                c.detail || coalesce('; as a candidate the model would give it '
                    || printf('%.4f', u.match_probability), '') as detail,
                coalesce(r.remedy, case when u.left_no is not null
                    then 'none alone: as a candidate it would be no match'
                    else {_no_remedy(spec)} end) as remedy
            from {causes} as c
            left join {unlikely} as u on u.left_no = c.left_no and u.right_no = c.right_no
            left join {cheapest} as r on r.left_no = c.left_no and r.right_no = c.right_no
            order by c.left_no, c.right_no
            """,
            draft.file(),
        )
        engine.read_folder(draft.folder, "written_missed")
        n_missed, n_distinct = engine.row(
            "select (select count(*) from written_missed),"
            " (select count(*) from (select distinct left_no, right_no from written_missed))"
        )
        (n_true,) = engine.row("select count(*) from true_pairs")
        (n_found,) = engine.row(_found_sql(threshold))
        counted = dict(engine.rows("select cause, count(*) from written_missed group by cause"))
        draft.facts.update(
            true_pairs=n_true,
            found=n_found,
            missed=n_missed,
            missed_twice=n_missed - n_distinct,
            unlikely=n_unlikely,
            causes={cause: counted.get(cause, 0) for cause in MISSED_CAUSES},
        )
        return dict(draft.facts)


def judge_missed(facts: MissedFacts) -> Iterator[Verdict]:
    """Judge the account of the true pairs, from the facts of `explain_missed`."""
    true, found, missed = facts["true_pairs"], facts["found"], facts["missed"]
    adds_up = found + missed == true and not facts["missed_twice"]
    adds_up = adds_up and sum(facts["causes"].values()) == missed
    counted = ", ".join(f"{n:,} {cause}" for cause, n in facts["causes"].items() if n)
    yield Verdict(
        ADDS_UP.name,
        adds_up,
        "error",
        f"{found:,} true pairs found and {missed:,} missed are {found + missed:,} of {true:,}"
        + (f" ({counted})." if counted else ".")
        + ("" if adds_up else " Materialize unified_pairs, matches and missed_matches again."),
        {
            "true_pairs": true,
            "true_pairs_found": found,
            "true_pairs_missed": missed,
            **{f"missed_{cause}": n for cause, n in facts["causes"].items()},
        },
    )


def _found_sql(threshold: float | None) -> str:
    """Write the query that counts the true pairs found, by itself, not as what is not missed."""
    table = "unified_pairs"
    if threshold is not None:
        table = (
            "(select u.left_no, u.right_no from unified_pairs as u join matches as m"
            " on m.left_no = u.left_no and m.right_no = u.right_no"
            f" where m.match_probability >= {threshold!r})"
        )
    return (
        f"select count(*) from true_pairs as t join {table} as f"
        " on f.left_no = t.left_no and f.right_no = t.right_no"
    )


def _find_missed(engine: Engine, proposed: str, missed: str, threshold: float | None) -> None:
    """Make the engine table `missed` (left_no, right_no, stage, match_probability).

    Holds the true pairs that are not found. proposed: of `propose_true_pairs`. stage:
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
        left join unified_pairs as u on u.left_no = t.left_no and u.right_no = t.right_no
        left join {proposed} as p on p.left_no = t.left_no and p.right_no = t.right_no{join}
        where not ({found})
        """,
    )


def _mark_lonely(engine: Engine, spec: PipelineSpec, missed: MissedTables, unpaired: str) -> None:
    """Make the engine table `unpaired` (left_no, right_no, is_lonely), and that of its records.

    is_lonely: the second pass looked at the pair, for the first had not helped one of its records.
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
        "select * from cleaned_records where record_no in"
        f" (select left_no from {unpaired} union all select right_no from {unpaired})",
    )


def _find_unlikely(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    missed: str,
    unlikely: str,
    threshold: float | None,
) -> None:
    """Make the engine table `unlikely` (left_no, right_no, match_probability).

    Holds missed pairs that are no candidates, and as such would score below the threshold; none
    where nothing is scored.
    """
    engine.put(unlikely, arrow_of(SCORES))
    if threshold is None or not spec.matching:
        return
    model = read_model(lake)
    records, pairs, scored = "records_to_score", "no_candidates", "scored_true"
    number_compared(engine, spec, records)
    engine.make_table(
        pairs, f"select left_no, right_no from {missed} where stage <> 'below_threshold'"
    )
    score_table(engine, model, records, pairs, scored, min_probability=0.0)
    engine.make_table(unlikely, f"select * from {scored} where match_probability < {threshold!r}")


def _leave_out(engine: Engine, missed: MissedTables, unlikely: str) -> None:
    """Look for no remedy of unlikely pairs: no single change finds them."""
    for table in (missed.compared, missed.shared_blocks, missed.neighbours, missed.weights):
        engine.make_table(
            table,
            f"select t.* from {table} as t anti join {unlikely} as u"
            " on u.left_no = t.left_no and u.right_no = t.right_no",
        )


def _causes_sql(missed: MissedTables, dropped: str, threshold: float | None) -> str:
    """Write the query of the cause of every missed pair (left_no, right_no, cause, detail)."""
    near = f"(select left_no, right_no, detail from {missed.neighbours} where is_near)"
    return f"""
        select left_no, right_no, stage as cause,
            'the model gives it ' || case when match_probability is null
                then 'less than the least probability kept'
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


def _no_remedy(spec: PipelineSpec) -> str:
    """Write what to say of a row c of missed_causes of which no single change is known."""
    text = "no key of one or two fields finds it"
    if not spec.embedding:
        text += "; try embedding: true"
    return (
        "case c.cause when 'below_threshold' then 'no threshold: compare its fields otherwise'"
        f" when 'cut_by_budget' then 'a larger budget' else {literal(text)} end"
    )


def _judge(engine: Engine, lake: Lake) -> Iterable[Verdict]:
    return judge_missed(missed_facts(lake))


def _show(facts: Facts) -> Mapping[str, Shown]:
    causes = {cause: n for cause, n in facts["causes"].items() if n}
    remedies = [
        (
            remedy["remedy"],
            f"{remedy['finds']:,}",
            f"{remedy['mends']:,}",
            f"{remedy['pairs_per_match']:,g}",
        )
        for remedy in facts["remedies"][:REMEDIES_SHOWN]
    ]
    return {
        **{name: facts[name] for name in ("true_pairs", "found", "missed", "unlikely")},
        **{f"missed_{cause}": n for cause, n in facts["causes"].items()},
        "causes": Counts("missed true pairs by cause", causes),
        "remedies": Grid(("change", "would find", "cheapest for", "pairs per match"), remedies),
    }
