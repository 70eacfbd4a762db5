"""Recall without truth: a sample of records against all, and what the strategies say of each other.

sample: a seeded random sample of records is scored against all records with the trained model;
recall is the share of the likely matches found so that are candidates. A pair counts by its match
probability, so the figure is right as far as the probabilities are.
families: strategies that read the same fields are one family of evidence. How often families find
the same matches shows how many none of them found (capture and recapture). It costs nothing, but
families are not independent: a record that is damaged everywhere is missed by all. So it is an
upper bound in practice, and stands beside the sample as a second opinion.

Source: Chao, "Estimating the Population Size for Capture-Recapture Data with Unequal
Catchability", Biometrics 43, 1987; Chapman's form of Lincoln and Petersen's estimate, 1951.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import floor
from typing import NotRequired, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.spec.learned import learned_conjunctions, learned_rules_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Estimates, Grid, Shown
from er_pipeline.blocking.tables.sql import literal
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
from er_pipeline.evaluation.score_bounds import ScoreBounds, weight_of
from er_pipeline.matching.scored_pairs import number_compared, score_table
from er_pipeline.matching.splink_linker import read_model

logger = logging.getLogger(__name__)

# Sampled records times all records whose bounds are looked at together: some 200 MB.
CELLS_PER_SLICE = 8_000_000
# Bounding a pair costs about a fiftieth of comparing its values.
BOUNDS_PER_COMPARISON = 50


class SampleRecall(TypedDict):
    """Recall as a sample of records shows it, with the ends of its 95% interval.

    likely_matches: of the sampled records, the sum of probabilities; likely_matches_found: those
    that are candidates. pairs, candidates: of at least the least probability. of: what the recall
    is a share of, for people.
    """

    recall: float
    recall_low: float
    recall_high: float
    likely_matches: float
    likely_matches_found: float
    pairs: int
    candidates: int
    records_with_likely_matches: int
    of: str


class FamilyRecall(TypedDict):
    """Recall as the overlap of families of evidence shows it.

    families: the strategies of each. found_by_families: likely matches by the number of families
    that find them. of: what the recall is a share of, for people.
    """

    recall: float
    likely_matches_found: float
    likely_matches_unseen: float
    families: dict[str, list[str]]
    found_by_families: dict[str, float]
    of: str


class RecallFacts(TypedDict):
    """The facts kept beside recall_sample; families: where there are at least two of them."""

    seed: int
    records_sampled: int
    records: int
    pairs_bounded: int
    pairs_compared: int
    pairs_scored: int
    min_probability: float
    sample: SampleRecall
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
                "unified_pairs",
                "matches",
                *(["learned_rules"] if spec.learns else []),
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
    bounds = ScoreBounds(engine, model, records)
    sampled = _sampled_records(engine, bounds.n_records, max_records, max_comparisons, seed)
    n_sampled, n_compared = _bound_pairs(
        engine, spec, bounds, sampled, bounded, min_probability, max_comparisons
    )
    n_scored = score_table(engine, model, records, bounded, scored, min_probability=min_probability)
    with lake.writing("recall_sample", {"seed": seed}) as draft:
        engine.write(
            f"""
            select p.record_no, p.left_no, p.right_no, s.match_probability,
                u.left_no is not null as is_candidate
            from {bounded} as p
            join {scored} as s on s.left_no = p.left_no and s.right_no = p.right_no
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
            sample=_sample_recall(engine, n_sampled, min_probability),
        )
        families = evidence_families(spec, lake)
        if len(families) > 1:
            draft.facts["families"] = _recall_of_families(engine, lake, families)
        return dict(draft.facts)


def judge_recall(
    facts: RecallFacts, last_facts: RecallFacts | None, spec: PipelineSpec
) -> Iterator[Verdict]:
    """Judge the estimate, from the facts of `estimate_recall`.

    last_facts: those of the last good run, None where there is none.
    """
    checks, sample = spec.checks, facts["sample"]
    recall, low, high = sample["recall"], sample["recall_low"], sample["recall_high"]
    before = last_facts["sample"]["recall"] if last_facts else recall
    drop = max(0.0, before - recall)
    enough, kept = high >= checks.min_estimated_recall, drop <= checks.max_recall_drop
    text = (
        f"About {recall:.1%} (95%: {low:.1%} to {high:.1%}) of {sample['of']} are candidates"
        f" (at least {checks.min_estimated_recall:.0%} wanted)."
    )
    if not kept:
        text += (
            f" It was {before:.1%} in the last good run (a warning when it falls by more than"
            f" {checks.max_recall_drop:.1%}): what changed?"
        )
    if not enough or not kept:
        text += " See recall_sample; add a strategy, or raise the cap or the budget."
    yield Verdict(
        IS_KEPT.name,
        enough and kept,
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


def _sampled_records(
    engine: Engine, n_records: int, max_records: int, max_comparisons: int, seed: int
) -> NDArray[np.int64]:
    """Draw records in the order of a hash of their id and the seed.

    A record that is drawn today is drawn tomorrow, too, whatever comes in beside it; so two nights
    differ by what was found, not by whom was asked.
    """
    affordable = max(1, floor(BOUNDS_PER_COMPARISON * max_comparisons / max(1, n_records)))
    found = engine.columns(
        "select record_no from cleaned_records order by"
        f" md5(concat({literal(str(seed))}, ' ', source_no, ' ', record_id)), record_no"
        f" limit {min(max_records, affordable)}"
    )
    return np.asarray(found["record_no"], np.int64)


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


def _sample_recall(engine: Engine, n_sampled: int, min_probability: float) -> SampleRecall:
    """Estimate recall as a ratio, the sampled records being clusters of pairs."""
    found = engine.columns(
        "select sum(match_probability) as likely,"
        " coalesce(sum(match_probability) filter (where is_candidate), 0.0) as found"
        " from written_sample group by record_no order by record_no"
    )
    likely = np.asarray(found["likely"], np.float64)
    hit = np.asarray(found["found"], np.float64)
    (n_pairs, n_candidates) = engine.row(
        "select count(*), count(*) filter (where is_candidate) from written_sample"
    )
    total = float(likely.sum())
    recall = float(hit.sum()) / total if total else 0.0
    low, high = _cluster_interval(likely, hit, n_sampled)
    return {
        "recall": recall,
        "recall_low": low,
        "recall_high": high,
        "likely_matches": round(total, 2),
        "likely_matches_found": round(float(hit.sum()), 2),
        "pairs": n_pairs,
        "candidates": n_candidates,
        "records_with_likely_matches": len(likely),
        "of": f"the likely matches of {n_sampled:,} sampled records with all records"
        f" ({total:,.1f}: the sum of the probabilities of {n_pairs:,} pairs of at least"
        f" {min_probability:g})",
    }


def _cluster_interval(
    likely: NDArray[np.float64], found: NDArray[np.float64], n_sampled: int
) -> tuple[float, float]:
    """Give the 95% interval of sum(found) / sum(likely): Wilson's, for as many independent trials.

    The pairs of one record are found or missed together; so their number is replaced by that of
    independent ones with the same variance, the ratio estimate's. Records without pairs add none.
    Source: Cochran, "Sampling Techniques", 1977, chapter 6.
    """
    total = float(likely.sum())
    if n_sampled < 2 or total <= 0:
        return 0.0, 1.0
    share = float(found.sum()) / total
    residual = found - share * likely
    variance = float((residual**2).sum()) * n_sampled / (n_sampled - 1) / total**2
    # Never more trials than likely matches; where all were found, a cluster is one.
    trials = min(total, float(len(likely)))
    if variance > 0:
        trials = min(total, share * (1 - share) / variance)
    return interval(share * trials, trials)


def _recall_of_families(
    engine: Engine, lake: Lake, families: Mapping[str, Sequence[str]]
) -> FamilyRecall:
    """Estimate recall from how often families of evidence find the same matches.

    Every pair of matches counts by its probability. With S likely matches found, Q1 of them by one
    family and Q2 by two, Chao's lower bound of those that none finds is (K-1)/K * Q1^2 / (2 Q2);
    with two families it is Lincoln and Petersen's.
    """
    bits = unified_facts(lake)["strategy_bits"]
    masks = [sum(1 << bits[name] for name in names if name in bits) for names in families.values()]
    n_families = " + ".join(
        f"case when u.strategy_mask & {mask}::bigint <> 0 then 1 else 0 end" for mask in masks
    )
    counted = dict(
        engine.rows(
            f"""
            select n_families, sum(match_probability) from (
                select m.match_probability, {n_families} as n_families
                from matches as m join unified_pairs as u
                    on u.left_no = m.left_no and u.right_no = m.right_no
            ) group by n_families
            """
        )
    )
    found = float(sum(counted.values()))
    once, twice = float(counted.get(1, 0.0)), float(counted.get(2, 0.0))
    k = len(families)
    # The form without division by zero.
    unseen = (k - 1) / k * once * max(0.0, once - 1) / (2 * (twice + 1))
    return {
        "recall": found / (found + unseen) if found else 0.0,
        "likely_matches_found": round(found, 2),
        "likely_matches_unseen": round(unseen, 2),
        "families": {name: list(members) for name, members in families.items()},
        "found_by_families": {str(n): round(float(p), 2) for n, p in sorted(counted.items())},
        "of": f"the likely matches found ({found:,.1f}: the sum of the probabilities in matches)"
        f" and those that {k} families of evidence seem to miss",
    }


def evidence_families(spec: PipelineSpec, lake: Lake) -> dict[str, tuple[str, ...]]:
    """Group what proposes pairs by the fields it reads: those that share one are one family.

    Neighbours read all their fields, so they would join all families to one: they are left out,
    and so is the second pass, which looks only where the first found nothing.
    """
    conjunctions = list(spec.strategy_conjunctions)
    if spec.learns:
        conjunctions += learned_conjunctions(spec, learned_rules_facts(lake))
    families: list[tuple[set[str], list[str]]] = []
    for conjunction in conjunctions:
        columns, names = set(conjunction.source_columns), [conjunction.name]
        apart = []
        for fields, members in families:
            if fields & columns:
                columns |= fields
                names = members + names
            else:
                apart.append((fields, members))
        families = [*apart, (columns, names)]
    places = [conjunction.name for conjunction in conjunctions]
    return {
        " and ".join(sorted(fields)): tuple(sorted(names, key=places.index))
        for fields, names in families
    }


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
