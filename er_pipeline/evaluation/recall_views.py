"""Recall without truth: what views that do not share their blind spot say of the candidates.

Some records are compared with all others as whole texts, see `record_texts`, and by what their
fields agree in, as pair_weights weighs it; where pairs are matched, the model's estimate stands
beside them. `view_recall` says how they become one interval, and when recall is not known.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

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
)
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import pairs_by_id
from er_pipeline.blocking.weights.pair_weights import read_weights
from er_pipeline.evaluation.known_recall import (
    KnownRecall,
    count_known,
    known_sentence,
    truth_settles,
)
from er_pipeline.evaluation.recall import recall_facts
from er_pipeline.evaluation.record_texts import Likeness, RecordTexts
from er_pipeline.evaluation.sample_recall import draw_records
from er_pipeline.evaluation.view_recall import (
    MODEL,
    THRESHOLDS,
    WIDEST,
    SampledPairs,
    ViewOfRecall,
    interval_of_views,
    reasons,
    recall_by_views,
)

# Records looked at, and those they are compared with: pairs among records drawn by lot are a random
# sample of all pairs. Of more records more are looked at, as fewer of their matches are drawn.
SAMPLED, MOST_SAMPLED, MOST_RECORDS = 1_000, 5_000, 100_000
# A pair that a view calls likely stands in the table.
LIKELY = 0.5
DIFFERING_SHOWN = 2  # columns named where fields and whole records contradict each other


class ViewFacts(TypedDict):
    """The facts kept beside recall_views.

    recall_low, recall_high: the interval over all views. is_known: whether it says what recall is;
    why: the reasons if not. views: recall in each of them. unseen: share of the matches that is
    estimated, not seen. records: those compared with, of all drawn by lot. known: None without
    truth.
    """

    seed: int
    records: int
    records_sampled: int
    pairs: int
    recall_low: float
    recall_high: float
    is_known: bool
    why: list[str]
    unseen: float
    views: dict[str, ViewOfRecall]
    known: KnownRecall | None


MAY_SUFFICE = Check(
    "recall_may_suffice",
    "What is no candidate is lost; where views contradict each other nobody knows how much it is.",
    stops=False,
    limits=("checks.min_estimated_recall",),
)


def view_facts(lake: Lake) -> ViewFacts:
    """Read what is noted beside recall_views."""
    return cast(ViewFacts, lake.facts("recall_views"))


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that estimates recall from several views of a sample of records."""
    shown = ["p.similarity", "p.probability", "p.is_candidate"]
    return [
        Step(
            writes=[
                Table(
                    "recall_views",
                    "Likely matches of some records, as whole records or fields see them, and"
                    " whether they are candidates: recall without truth.",
                    [
                        LEFT_NO,
                        RIGHT_NO,
                        Column("similarity", "DOUBLE", "Of the whole records", minimum=0),
                        Column(
                            "probability",
                            "DOUBLE",
                            "Of a match, as fields agree; NULL without weights",
                            required=False,
                        ),
                        Column("is_candidate", "BOOLEAN", "Whether it stands in unified_pairs"),
                    ],
                    pairs_by_id("recall_views", after=shown),
                )
            ],
            reads=_reads(spec),
            settings=[spec.seed, spec.link_mode, spec.field_kinds, spec.weights],
            run=partial(estimate_by_views, spec=spec),
            stage="evaluation",
            checks=(MAY_SUFFICE,),
            judge=partial(_judge, spec=spec),
            show=_show,
        )
    ]


def _reads(spec: PipelineSpec) -> list[str]:
    tables = ["cleaned_records", "unified_pairs"]
    if spec.weights:
        tables += ["key_codes", "pair_weights"]
    if spec.matching and spec.matching.recall:
        tables.append("recall_sample")
    elif spec.truth:
        tables.append("true_pairs")
    return tables


def estimate_by_views(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Estimate recall from whole records and from fields; write recall_views.

    Reads cleaned_records, unified_pairs, with weights key_codes and pair_weights, with matching the
    facts of recall_sample. Writes recall_views (left_no, right_no, similarity, probability,
    is_candidate), one row per likely match of a sampled record. Returns the facts, see `ViewFacts`.
    Peak memory: some 100 bytes per word of the records compared with; CPU: 1 s per 10,000 of them.
    """
    for table in ("cleaned_records", "unified_pairs", *(["key_codes"] if spec.weights else [])):
        lake.open(engine, table)
    drawn = draw_records(engine, spec.seed, MOST_RECORDS)
    (n_all,) = engine.row("select count(*) from cleaned_records")
    n_sampled = min(MOST_SAMPLED, round(SAMPLED * max(1.0, n_all / MOST_RECORDS)))
    engine.put("drawn_records", {"record_no": drawn.astype(np.int32)})
    texts = RecordTexts(engine, list(spec.field_kinds), "drawn_records")
    queries = np.searchsorted(texts.numbers, drawn[:n_sampled])
    is_link = spec.link_mode == "link"
    alike = texts.nearest(queries, across=is_link)
    if is_link:
        # A clean source holds one match of a record at most: the second best there is another's.
        place = alike.places_in(texts.sources)
        by_chance = alike.similarity[place == 1]
        is_compared = place == 0
    else:
        least = float(THRESHOLDS[0])
        by_chance = texts.of_strangers(queries, spec.seed, least).similarity
        is_compared = np.ones(len(alike.rank), bool)
    is_candidate, probability = _look_up(engine, lake, spec, texts, alike)
    suffices = True
    of_views = probability
    if spec.weights:
        weights = read_weights(lake)
        suffices = weights.of_matches >= weights.prior
        if is_link and probability is not None:
            probability = _one_match_each(alike, texts.sources, probability)
        # Fields that single out no match say nothing; of one column there is nothing else.
        of_views = probability if suffices or len(texts.fields) < 2 else None
    pairs = SampledPairs(
        alike.query,
        alike.similarity,
        is_compared,
        is_candidate,
        by_chance,
        len(queries),
        of_views,
    )
    views, unseen = recall_by_views(pairs)
    sample = known = None
    if spec.matching and spec.matching.recall:
        sample, known = recall_facts(lake)["sample"], recall_facts(lake)["known"]
    elif spec.truth:  # all candidates are looked through: once is enough
        known = count_known(engine, lake)
    if sample and sample["likely_matches"] >= 1:
        views[MODEL] = {
            "recall": sample["recall"],
            "recall_low": sample["recall_low"],
            "recall_high": sample["recall_high"],
            "likely_matches": sample["likely_matches"],
        }
    low, high = interval_of_views(views)
    is_known = high - low <= WIDEST and len(texts.fields) > 1
    strict, wide = pairs.thresholds()
    why = []
    if not is_known:
        differing = _differing(texts, alike, pairs, strict if strict is not None else wide)
        why = reasons(views, unseen, texts.fields, differing, fields_suffice=suffices)
    likely = is_compared & (alike.similarity >= (1.0 if wide is None else wide))
    if of_views is not None:
        likely |= of_views >= LIKELY
    _put_pairs(engine, texts, alike, is_candidate, probability)
    facts: ViewFacts = {
        "seed": spec.seed,
        "records": len(texts.numbers),
        "records_sampled": len(queries),
        "pairs": len(alike.query),
        "recall_low": low,
        "recall_high": high,
        "is_known": is_known,
        "why": why,
        "unseen": unseen,
        "views": views,
        "known": known,
    }
    engine.put("likely_rows", {"n": np.flatnonzero(likely)})
    with lake.writing("recall_views", cast(dict[str, Any], facts)) as draft:
        engine.write(
            "select distinct left_no, right_no, similarity,"
            f" {'probability' if probability is not None else 'null::double as probability'},"
            " is_candidate from viewed_pairs semi join likely_rows using (n)"
            " order by left_no, right_no",
            draft.file(),
        )
        return dict(draft.facts)


def _look_up(
    engine: Engine, lake: Lake, spec: PipelineSpec, texts: RecordTexts, alike: Likeness
) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
    """Say of each pair whether it is a candidate and, with weights, its probability."""
    _put_pairs(engine, texts, alike)
    columns = "u.left_no is not null as is_candidate"
    joins = "left join unified_pairs as u on u.left_no = p.left_no and u.right_no = p.right_no"
    if spec.weights:
        weights = read_weights(lake)
        columns += f", {weights.probability_sql(f'({weights.evidence_sql()})')} as probability"
        joins += (
            " join key_codes as l on l.record_no = p.left_no"
            " join key_codes as r on r.record_no = p.right_no"
        )
    found = engine.columns(f"select p.n, {columns} from viewed_pairs as p {joins} order by p.n")
    is_candidate = np.asarray(found["is_candidate"], bool)
    if not spec.weights:
        return is_candidate, None
    return is_candidate, np.asarray(found["probability"], np.float64)


def _put_pairs(engine: Engine, texts: RecordTexts, alike: Likeness, *more: Any) -> None:
    """Make viewed_pairs (n, left_no, right_no, similarity), and what is known more of the pairs."""
    query, other = texts.numbers[alike.query], texts.numbers[alike.other]
    columns: dict[str, NDArray[Any]] = {
        "n": np.arange(len(query)),
        "left_no": np.minimum(query, other).astype(np.int32),
        "right_no": np.maximum(query, other).astype(np.int32),
        "similarity": alike.similarity,
    }
    for name, values in zip(("is_candidate", "probability"), more, strict=False):
        if values is not None:
            columns[name] = values
    engine.put("viewed_pairs", columns)


def _one_match_each(
    alike: Likeness, sources: NDArray[np.int64], probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share one match at most among the pairs of a record and another source."""
    _, record = np.unique(alike.lists_in(sources), return_inverse=True)
    total = np.bincount(record, probability)
    return probability / np.maximum(1.0, total[record])


def _differing(
    texts: RecordTexts, alike: Likeness, pairs: SampledPairs, least: float | None
) -> list[str]:
    """Name the columns that differ most in pairs that whole records call matches, fields do not."""
    if least is None or pairs.probability is None:
        return []
    only_text = pairs.is_compared & (alike.similarity >= least) & (pairs.probability < LIKELY)
    counted = texts.differing_fields(alike.query[only_text], alike.other[only_text])
    most = sorted(counted, key=lambda name: (-counted[name], name))
    return [name for name in most if counted[name]][:DIFFERING_SHOWN]


def judge_views(facts: ViewFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge what is known of recall, from the facts of `estimate_by_views`.

    Where known matches settle it, missed_matches judges by them, and the views do not warn.
    """
    low, high = facts["recall_low"], facts["recall_high"]
    wanted = spec.checks.min_estimated_recall
    settled = truth_settles(facts["known"], wanted)
    if settled:
        text = (
            f"{len(facts['views'])} views of {facts['records_sampled']:,} sampled records, which do"
            f" not look at truth, reach from {low:.0%} to {high:.0%}."
        )
    elif facts["is_known"]:
        text = (
            f"Between {low:.1%} and {high:.1%} of all matches are candidates, as"
            f" {len(facts['views'])} views of {facts['records_sampled']:,} sampled records see it"
            f" (at least {wanted:.0%} wanted)."
        )
    else:
        text = (
            f"Which share of the matches are candidates is not known: views"
            f" reach from {low:.0%} to {high:.0%}. Why: {'; '.join(facts['why'])}."
            f" See the pairs of recall_views that are no candidates (up to {wanted:.0%} wanted)."
        )
    text += known_sentence(facts["known"], wanted)
    yield Verdict(
        MAY_SUFFICE.name,
        high >= wanted or settled,
        "warn",
        text,
        {"recall_low": low, "recall_high": high, "unseen": facts["unseen"]},
    )


def view_figures(facts: ViewFacts) -> dict[str, dict[str, Any]]:
    """Give the sections of the report: the interval, each view and, where it is not known, why."""
    of_views = {
        "recall_low": facts["recall_low"],
        "recall_high": facts["recall_high"],
        "recall_is_known": int(facts["is_known"]),
        "records_viewed": facts["records_sampled"],
    }
    figures: dict[str, dict[str, Any]] = {"recall_interval": of_views}
    figures["recall_views"] = {name: dict(view) for name, view in facts["views"].items()}
    if facts["why"]:
        figures["recall_unknown"] = {reason: {"holds": 1} for reason in facts["why"]}
    return figures


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    return judge_views(view_facts(lake), spec)


def _show(facts: Facts) -> Mapping[str, Shown]:
    views = facts["views"]
    rows = [
        (
            name,
            f"{view['recall']:.1%}",
            f"{view['recall_low']:.1%} to {view['recall_high']:.1%}",
            f"{view['likely_matches']:,.0f}",
        )
        for name, view in views.items()
    ]
    drawn = {
        name: (view["recall_low"], view["recall"], view["recall_high"])
        for name, view in views.items()
    }
    return {
        **{name: facts[name] for name in ("recall_low", "recall_high", "is_known")},
        "why": "; ".join(facts["why"]),
        "records_sampled": facts["records_sampled"],
        **({"interval": Estimates(drawn)} if drawn else {}),
        "views": Grid(("view", "recall", "95% interval", "likely matches"), rows),
    }
