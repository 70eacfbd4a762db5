"""Why true pairs are not found, one cause each, and what would find them.

The causes are those of `missed_causes`.

The true pairs, possibly millions, stay in SQL; vectors are multiplied in batches of arrays. Of a
million people with 357,000 true pairs, 30,000 missed ones take 12 CPU s and 0.5 GiB.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypedDict, cast

from er_pipeline.blocking.neighbours.vector_files import TEXT_VECTORS
from er_pipeline.blocking.pairs.unified_pairs import CUT_PAIRS, keeps_cut_pairs
from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Counts, Grid, Shown
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import (
    LEFT_NO,
    RIGHT_NO,
    Check,
    Column,
    Facts,
    Table,
)
from er_pipeline.blocking.tables.verdicts import Verdict, share_of, unless
from er_pipeline.blocking.tables.views import pairs_by_id
from er_pipeline.evaluation.missed_causes import MISSED_CAUSES
from er_pipeline.evaluation.pair_causes import explain_pairs
from er_pipeline.evaluation.proposed_true import tables_of_proposals
from er_pipeline.evaluation.remedies import Remedy
from er_pipeline.matching.term_frequencies import FREQUENCIES

ADDS_UP = Check("missed_matches_add_up", "A true pair is found, or missed for one cause.")
ARE_CANDIDATES = Check(
    "known_matches_are_candidates",
    "A true pair that is no candidate is lost; where truth is known, nobody has to guess.",
    stops=False,
    limits=("checks.min_estimated_recall", "checks.max_recall_drop"),
)
BUDGET_KEEPS_THEM = Check(
    "budget_keeps_known_matches",
    "True pairs that the budget cuts are lost for good.",
    stops=False,
    limits=("checks.max_matches_cut",),
)
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
            reads=tables_read(spec, threshold),
            settings=[
                threshold,
                [[strategy.name, strategy.identity] for strategy in spec.strategy_conjunctions],
                [[strategy.name, strategy.identity] for strategy in spec.second_conjunctions],
                spec.proposers,
                spec.blocks,
                [key.identity for key in spec.refine_conjunctions or ()],
                second.max_size if second else None,
                [
                    encoder
                    and [encoder.n_listed, encoder.min_similarity, encoder.min_share_of_best]
                    for encoder in (spec.embedding, second.embedding if second else None)
                ],
                spec.budget.pairs_per_record is not None if spec.budget else None,
                spec.weights,
                spec.field_kinds,
                [choice.conjunction.identity for choice in spec.key_choices],
                spec.link_mode,
                spec.seed,
                [spec.checks.max_pairs, spec.checks.max_pairs_per_strategy],
                [spec.checks.max_doubtful_matches, spec.checks.max_entity_size]
                if spec.matching
                else None,
            ],
            run=partial(explain_missed, spec=spec, threshold=threshold),
            stage="evaluation",
            tolerates=["entities"],  # of giant ones it only wants to know
            checks=(ADDS_UP, ARE_CANDIDATES, *([BUDGET_KEEPS_THEM] if spec.budget else [])),
            judge=partial(_judge, spec=spec),
            show=_show,
        )
    ]


def tables_read(spec: PipelineSpec, threshold: float | None) -> list[str]:
    """List the tables that `explain_missed` reads."""
    tables = ["cleaned_records", "unified_pairs", "dropped_blocks", *tables_of_proposals(spec)]
    if spec.learns:
        tables.append("learned_rules")
    if spec.learns or spec.weights:
        tables.append("key_codes")
    if spec.weights:
        tables.append("pair_weights")
    if keeps_cut_pairs(spec):
        tables.append(CUT_PAIRS.name)
    if spec.encoder:
        tables += ["record_embeddings", TEXT_VECTORS]
    if threshold is not None:
        tables.append("matches")
    if spec.matching:
        tables += ["em_model", FREQUENCIES.name, "entities"]
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
    for table in tables_read(spec, threshold):
        lake.open(engine, table)
    explained = explain_pairs(engine, lake, spec, threshold, "true_pairs")
    facts: dict[str, Any] = {"threshold": threshold, "remedies": explained.remedies}
    with lake.writing("missed_matches", facts) as draft:
        engine.write(f"select * from {explained.table} order by left_no, right_no", draft.file())
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
            unlikely=explained.unlikely,
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


def judge_candidates_by_truth(
    facts: MissedFacts, last_facts: MissedFacts | None, spec: PipelineSpec
) -> Iterator[Verdict]:
    """Judge which share of the true pairs are candidates, and how many the budget cut.

    facts: of `explain_missed`; last_facts: those of the last good run, None where there is none.
    The share warns unless its 95% interval reaches what is wanted.
    """
    checks, true = spec.checks, facts["true_pairs"]
    share = _share_of_candidates(facts)
    before = _share_of_candidates(last_facts) if last_facts else share
    enough = not true or interval(share * true, true)[1] >= checks.min_estimated_recall
    kept = before - share <= checks.max_recall_drop
    text = (
        f"{share:.2%} of {true:,} known matches are candidates"
        f" (at least {checks.min_estimated_recall:.0%} wanted)."
    )
    if not kept:
        text += (
            f" It was {before:.2%} in the last good run (a warning when it falls by more than"
            f" {checks.max_recall_drop:.1%})."
        )
    if not enough or not kept:
        text += f" {_first_remedy(facts)}"
    numbers = {"pairs_completeness": share, "drop": max(0.0, before - share)}
    yield Verdict(ARE_CANDIDATES.name, enough and kept, "warn", text, numbers)
    if spec.budget is None:
        return
    cut = facts["causes"]["cut_by_budget"]
    lost = share_of(cut, true)
    yield Verdict(
        BUDGET_KEEPS_THEM.name,
        lost <= checks.max_matches_cut,
        "warn",
        f"The budget cut {cut:,} of {true:,} known matches, {lost:.2%} (a warning above"
        f" {checks.max_matches_cut:.0%})."
        + unless(
            lost <= checks.max_matches_cut,
            " Raise the budget: missed_matches has the least that keeps each of them.",
        ),
        {"known_matches_cut": cut, "known_matches_cut_share": lost},
    )


def _share_of_candidates(facts: MissedFacts) -> float:
    true, missed = facts["true_pairs"], facts["missed"]
    return share_of(true - missed + facts["causes"].get("below_threshold", 0), true)


def _first_remedy(facts: MissedFacts) -> str:
    causes = {cause: n for cause, n in facts["causes"].items() if n and cause != "below_threshold"}
    most = max(causes, key=lambda cause: causes[cause], default="")
    because = f"Most of the others: {most.replace('_', ' ')}; " if most else ""
    return f"{because}missed_matches says why each is lost, and the cheapest change."


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    facts = missed_facts(lake)
    yield from judge_missed(facts)
    before = cast(MissedFacts | None, lake.last_good_facts("missed_matches"))
    yield from judge_candidates_by_truth(facts, before, spec)


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
