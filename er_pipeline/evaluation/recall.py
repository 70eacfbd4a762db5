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
from numpy.typing import NDArray

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Estimates, Grid, Shown
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import (
    LEFT_NO,
    RECORD_NO,
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
from er_pipeline.evaluation.score_bounds import ScoreBounds
from er_pipeline.matching.level_conditions import weight_of
from er_pipeline.matching.scored_pairs import number_compared, score_table
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.matching.term_frequencies import FREQUENCIES, read_frequencies

logger = logging.getLogger(__name__)

# Sampled records times all records whose bounds are looked at together: some 200 MB.
CELLS_PER_SLICE = 8_000_000
# Bounding a pair costs about a fiftieth of comparing its values.
BOUNDS_PER_COMPARISON = 50


class RecallFacts(TypedDict):
    """The facts kept beside recall_sample.

    families: where there are at least two of them. known: None without truth.
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
                )
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
    bounds = ScoreBounds(engine, model, records, frequencies)
    affordable = floor(BOUNDS_PER_COMPARISON * max_comparisons / max(1, bounds.n_records))
    sampled = draw_records(engine, seed, min(max_records, max(1, affordable)))
    n_sampled, n_compared = _bound_pairs(
        engine, spec, bounds, sampled, bounded, min_probability, max_comparisons
    )
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
            records=bounds.n_records,
            pairs_bounded=n_sampled * (bounds.n_records - 1),
            pairs_compared=n_compared,
            pairs_scored=n_scored,
            min_probability=min_probability,
            sample=sample_recall(engine, n_sampled, min_probability),
            known=count_known(engine, lake) if spec.truth else None,
        )
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


def _bound_pairs(
    engine: Engine,
    spec: PipelineSpec,
    bounds: ScoreBounds,
    sampled: NDArray[np.int64],
    bounded: str,
    min_probability: float,
    max_comparisons: int,
) -> tuple[int, int]:
    """Make the engine table `bounded` (record_no, left_no, right_no): what may be likely enough.

    Stops where it would have to compare the values of too many pairs; the records are in random
    order, so those looked at are a random sample, too. Returns how many these are, and the pairs
    compared.
    """
    engine.put(bounded, arrow_of((RECORD_NO, LEFT_NO, RIGHT_NO)))
    found = engine.columns("select source_no from cleaned_records order by record_no")
    source = np.asarray(found["source_no"])
    per_slice = max(1, CELLS_PER_SLICE // max(1, bounds.n_records))
    weight, n_compared, n_looked_at = weight_of(min_probability), 0, 0
    for start in range(0, len(sampled), per_slice):
        part = sampled[start : start + per_slice]
        record, other, n_part = bounds.at_least(part, weight)
        if spec.link_mode == "link":
            across = source[record] != source[other]
            record, other = record[across], other[across]
        # A slice is taken whole or not at all: its size follows from the number of records alone.
        if n_looked_at and n_compared + n_part > max_comparisons:
            logger.info("%s of %s records fit the budget", n_looked_at, len(sampled))
            break
        columns = {
            "record_no": record.astype(np.int32),
            "left_no": np.minimum(record, other).astype(np.int32),
            "right_no": np.maximum(record, other).astype(np.int32),
        }
        engine.put("bounded_slice", columns)
        engine.append(bounded, "select * from bounded_slice")
        n_compared += n_part
        n_looked_at += len(part)
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
