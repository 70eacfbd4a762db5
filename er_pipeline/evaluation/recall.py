"""Recall as the model sees it: a sample of records against all, and the overlap of strategies.

The model learned what a match is from pairs that the rules brought; what they cannot see it may not
know. So this is one view of several, see `recall_views`.

sample: a seeded random sample of records is scored against all records with the trained model;
recall is the share of the likely matches found so that are candidates, see `sample_recall`.
families: how often strategies that read different fields find the same matches, a second opinion;
see `evidence_families`.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from math import floor
from typing import NotRequired, TypedDict, cast

import numpy as np

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Estimates, Grid, Shown
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
from er_pipeline.evaluation.evidence_families import (
    FamilyRecall,
    evidence_families,
    recall_of_families,
)
from er_pipeline.evaluation.known_recall import (
    KnownRecall,
    count_known,
    known_sentence,
    truth_settles,
)
from er_pipeline.evaluation.sample_recall import SampleRecall, draw_records, sample_recall
from er_pipeline.evaluation.sampled_bounds import (
    BOUNDED,
    LOOKED_AT,
    Looked,
    Numbers,
    SampledBounds,
    bound_pairs,
    looked_at_before,
)
from er_pipeline.matching.level_conditions import weight_of
from er_pipeline.matching.scored_pairs import number_compared, score_table
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.matching.term_frequencies import FREQUENCIES, read_frequencies

logger = logging.getLogger(__name__)

# Bounding a pair costs about a fiftieth of comparing its values.
BOUNDS_PER_COMPARISON = 50


class RecallFacts(TypedDict):
    """The facts kept beside recall_sample.

    families: where there are at least two of them. known: None without truth. taken_over: sampled
    records that the night before looked at; done_in_full: why none are.
    """

    seed: int
    records_sampled: int
    records: int
    pairs_bounded: int
    pairs_compared: int
    pairs_scored: int
    min_probability: float
    sample: SampleRecall
    known: KnownRecall | None
    families: NotRequired[FamilyRecall]
    taken_over: NotRequired[int]
    done_in_full: NotRequired[str]


IS_KEPT = Check(
    "recall_is_kept",
    "What is no candidate is lost, and without truth nobody notices.",
    stops=False,
    limits=("checks.min_estimated_recall", "checks.max_recall_drop"),
)


def recall_facts(lake: Lake) -> RecallFacts:
    """Read what is noted beside recall_sample."""
    return cast(RecallFacts, lake.facts("recall_sample"))


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that estimates recall from a sample of records, where pairs are matched."""
    if spec.matching is None or spec.matching.recall is None:
        return []
    sample = spec.matching.recall
    sampled = "case p.record_no when p.left_no then 'left' else 'right' end as sampled"
    least = sample.min_probability or spec.matching.threshold
    return [
        Step(
            writes=[
                Table(
                    "recall_sample",
                    "Likely matches of some records among all records, and whether they are"
                    " candidates: recall without truth.",
                    [
                        Column(
                            "record_no", "INTEGER", "The sampled record, one of the two", minimum=0
                        ),
                        LEFT_NO,
                        RIGHT_NO,
                        Column(
                            "match_probability", "DOUBLE", "As the model scores the pair", minimum=0
                        ),
                        Column("is_candidate", "BOOLEAN", "Whether it stands in unified_pairs"),
                    ],
                    pairs_by_id(
                        "recall_sample", after=[sampled, "p.match_probability", "p.is_candidate"]
                    ),
                ),
                BOUNDED,
                LOOKED_AT,
            ],
            reads=[
                "cleaned_records",
                "em_model",
                FREQUENCIES.name,
                "unified_pairs",
                "matches",
                *(["learned_rules"] if spec.learns else []),
                *(["true_pairs"] if spec.truth else []),
            ],
            settings=[
                sample.records,
                sample.comparisons,
                least,
                spec.seed,
                spec.link_mode,
                spec.field_kinds,
                [[s.name, s.source_columns] for s in spec.strategy_conjunctions],
            ],
            run=partial(
                estimate_recall,
                spec=spec,
                max_records=sample.records,
                max_comparisons=sample.comparisons,
                min_probability=least,
                seed=spec.seed,
            ),
            stage="evaluation",
            checks=(IS_KEPT,),
            judge=partial(_judge, spec=spec),
            show=_show,
        )
    ]


def estimate_recall(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    *,
    max_records: int,
    max_comparisons: int,
    min_probability: float,
    seed: int,
) -> Facts:
    """Estimate which share of all matches the candidates hold; write recall_sample.

    Reads cleaned_records, unified_pairs, em_model and, for the families, matches. max_records:
    most records sampled. max_comparisons: most pairs whose values are compared one by one; fewer
    records are sampled where it would take more. min_probability: pairs below it are left out.
    seed: the same one draws the same records.
    Writes recall_sample (record_no, left_no, right_no, match_probability, is_candidate), one row
    per sampled record and pair of it. Returns the facts kept beside it: "sample" with recall,
    recall_low and recall_high, "families" with recall where there are at least two of them, and of
    each what it is a share of.
    """
    for table in ("cleaned_records", "unified_pairs", "matches"):
        lake.open(engine, table)
    model = read_model(lake)
    records, bounded, scored = "records_to_score", "bounded_pairs", "scored_pairs"
    number_compared(engine, spec, records)
    frequencies = read_frequencies(engine, lake)
    source = engine.columns("select source_no from cleaned_records order by record_no")["source_no"]
    n_records, weight = len(source), weight_of(min_probability)
    affordable = floor(BOUNDS_PER_COMPARISON * max_comparisons / max(1, n_records))
    sampled = draw_records(engine, seed, min(max_records, max(1, affordable)))
    before = looked_at_before(engine, lake, model, list(spec.field_kinds), frequencies, weight)
    known = {} if isinstance(before, str) else before
    bounds = SampledBounds(engine, model, records, frequencies, weight, known)
    slices = bound_pairs(bounds, sampled, np.asarray(source), spec.link_mode, max_comparisons)
    n_sampled, n_compared = _write_bounded(engine, lake, bounded, slices)
    n_scored = score_table(
        engine,
        model,
        records,
        bounded,
        scored,
        min_probability=min_probability,
        frequencies=frequencies,
    )
    # Few pairs, laid out before they meet all candidates: these stream past them.
    likely = "likely_pairs"
    engine.make_table(
        likely,
        f"select p.record_no, p.left_no, p.right_no, s.match_probability from {bounded} as p"
        f" join {scored} as s on s.left_no = p.left_no and s.right_no = p.right_no",
    )
    with lake.writing("recall_sample", {"seed": seed}) as draft:
        engine.write(
            f"""
            select p.record_no, p.left_no, p.right_no, p.match_probability,
                u.left_no is not null as is_candidate
            from {likely} as p
            left join unified_pairs as u on u.left_no = p.left_no and u.right_no = p.right_no
            order by p.record_no, p.left_no, p.right_no
            """,
            draft.file(),
        )
        engine.read_folder(draft.folder, "written_sample")
        draft.facts.update(
            records_sampled=n_sampled,
            records=n_records,
            pairs_bounded=n_sampled * (n_records - 1),
            pairs_compared=n_compared,
            pairs_scored=n_scored,
            min_probability=min_probability,
            sample=sample_recall(engine, n_sampled, min_probability),
            known=count_known(engine, lake) if spec.truth else None,
        )
        if isinstance(before, str) and before:
            draft.facts["done_in_full"] = before
        elif known:
            draft.facts["taken_over"] = len(known.keys() & set(sampled[:n_sampled].tolist()))
        families = evidence_families(spec, lake)
        if len(families) > 1:
            draft.facts["families"] = recall_of_families(engine, lake, families)
        return dict(draft.facts)


def judge_recall(
    facts: RecallFacts, last_facts: RecallFacts | None, spec: PipelineSpec
) -> Iterator[Verdict]:
    """Judge the estimate, from the facts of `estimate_recall`.

    last_facts: those of the last good run, None where there is none. Where known matches settle
    it, missed_matches judges by them, and the estimate does not warn.
    """
    checks, sample = spec.checks, facts["sample"]
    recall, low, high = sample["recall"], sample["recall_low"], sample["recall_high"]
    before = last_facts["sample"]["recall"] if last_facts else recall
    drop = max(0.0, before - recall)
    enough, kept = high >= checks.min_estimated_recall, drop <= checks.max_recall_drop
    text = (
        f"About {recall:.1%} (95%: {low:.1%} to {high:.1%}) of {sample['of']} are candidates"
        f" (at least {checks.min_estimated_recall:.0%} wanted). It is the model that says so, and"
        " it learned from pairs that the rules brought; recall_views asks others, too."
    )
    known = facts["known"]
    settled = truth_settles(known, checks.min_estimated_recall)
    text += known_sentence(known, checks.min_estimated_recall)
    if not settled and not kept:
        text += (
            f" It was {before:.1%} in the last good run (a warning when it falls by more than"
            f" {checks.max_recall_drop:.1%}): what changed?"
        )
    if not settled and not (enough and kept):
        text += " See recall_sample; add a strategy, or raise the cap or the budget."
    yield Verdict(
        IS_KEPT.name,
        (enough and kept) or settled,
        "warn",
        text,
        {
            "recall": recall,
            "recall_low": low,
            "recall_high": high,
            "recall_drop": drop,
            "likely_matches_sampled": sample["likely_matches"],
        },
    )


def _write_bounded(
    engine: Engine, lake: Lake, bounded: str, slices: Iterator[tuple[Numbers, list[Looked]]]
) -> tuple[int, int]:
    """Make the engine table `bounded` (record_no, left_no, right_no): what may be likely enough.

    Writes recall_bounded, the same, and recall_looked_at. Returns how many records were looked at,
    and the pairs compared.
    """
    looked_at = "looked_at"
    engine.put(bounded, arrow_of(BOUNDED.columns))
    engine.put(looked_at, arrow_of(LOOKED_AT.columns))
    n_compared, n_looked_at = 0, 0
    for part, looked in slices:
        record = np.repeat(part, [len(one.others) for one in looked])
        other = np.concatenate([one.others for one in looked])
        columns = {
            "record_no": record.astype(np.int32),
            "left_no": np.minimum(record, other).astype(np.int32),
            "right_no": np.maximum(record, other).astype(np.int32),
        }
        compared = np.array([one.n_compared for one in looked], np.int64)
        engine.put("bounded_slice", columns)
        engine.append(bounded, "select * from bounded_slice")
        engine.put("looked_slice", {"record_no": part.astype(np.int32), "n_compared": compared})
        engine.append(looked_at, "select * from looked_slice")
        n_compared += int(compared.sum())
        n_looked_at += len(part)
    for table, name in ((BOUNDED, bounded), (LOOKED_AT, looked_at)):
        with lake.writing(table.name) as draft:
            engine.write(f"select * from {name} order by all", draft.file())
    return n_looked_at, n_compared


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    before = cast(RecallFacts | None, lake.last_good_facts("recall_sample"))
    return judge_recall(recall_facts(lake), before, spec)


def _show(facts: Facts) -> Mapping[str, Shown]:
    sample, families = facts["sample"], facts.get("families")
    drawn = {"sample": (sample["recall_low"], sample["recall"], sample["recall_high"])}
    rows = [
        (
            "sample of records",
            f"{sample['recall']:.2%}",
            f"{sample['recall_low']:.2%} to {sample['recall_high']:.2%}",
            sample["of"],
        )
    ]
    second = {}
    if families:
        second["recall_by_families"] = families["recall"]
        drawn["families"] = (families["recall"],) * 3
        rows.append(("families of evidence", f"{families['recall']:.2%}", "", families["of"]))
    costs = ("records_sampled", "pairs_bounded", "pairs_compared", "pairs_scored")
    return {
        **{name: sample[name] for name in ("recall", "recall_low", "recall_high")},
        **second,
        "likely_matches_sampled": sample["likely_matches"],
        **{name: facts[name] for name in costs},
        "interval": Estimates(drawn),
        "estimates": Grid(("estimate", "recall", "95% interval", "share of"), rows),
    }
