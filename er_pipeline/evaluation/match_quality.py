"""How right the matches are, at the threshold and at the best one.

A match is a scored pair of at least the threshold; one-to-one, one that is taken as a link, too,
as `entity_links` takes them if nobody had answered. precision: share of the matches that are true.
recall: share of all true pairs that are matches, also of those that blocking missed. F1: their
harmonic mean.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from math import floor
from typing import TypedDict, cast

from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Grid, Shown
from er_pipeline.blocking.tables.pictures import Quality as QualityPicture
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
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.evaluation.known_odd_levels import known_odd_levels
from er_pipeline.matching.entity_links import choose_links
from er_pipeline.matching.matches import matches_facts
from er_pipeline.matching.odd_levels import NEAR_IS_A_SIGN, OddLevel, judge_odd_levels

# Thresholds of the curve, besides the best one.
CURVE = (0.01, 0.05, *(round(0.1 * i, 1) for i in range(1, 10)), 0.95, 0.99, 0.999, 0.9999)

ARE_TRUE = Check(
    "most_matches_are_true",
    "Wrong matches join strangers; where truth is known, nobody has to guess how many they are.",
    stops=False,
    limits=("checks.max_doubtful_matches",),
)


class Quality(TypedDict):
    """How right the matches of a threshold are; precision, recall and f1 as at the top."""

    threshold: float
    matches: int
    true_matches: int
    precision: float
    recall: float
    f1: float


class QualityFacts(TypedDict):
    """The facts kept beside match_quality; thresholds: lowest first.

    odd_levels: see `known_odd_levels`.
    """

    true_pairs: int
    thresholds: list[Quality]
    at_threshold: Quality
    at_best: Quality
    odd_levels: list[OddLevel]


QUALITY = Table(
    "match_quality",
    "Precision, recall and F1 of the matches by threshold.",
    [
        Column("threshold", "DOUBLE", "Least match probability of a match", minimum=0),
        Column("matches", "BIGINT", "Pairs that reach it", minimum=0),
        Column("true_matches", "BIGINT", "Those of them that are true", minimum=0),
        Column("precision", "DOUBLE", "Share of the matches that are true", minimum=0),
        Column("recall", "DOUBLE", "Share of all true pairs that are matches", minimum=0),
        Column("f1", "DOUBLE", "Harmonic mean of precision and recall", minimum=0),
    ],
    all_columns("match_quality"),
)


def quality_facts(lake: Lake) -> QualityFacts:
    """Read what is noted beside match_quality."""
    return cast(QualityFacts, lake.facts("match_quality"))


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that measures the matches, where truth is known."""
    if spec.truth is None or spec.matching is None:
        return []
    one_to_one = spec.matching.one_to_one
    return [
        Step(
            writes=[QUALITY],
            reads=["true_pairs", "matches", "cleaned_records"],
            settings=[spec.matching.threshold, one_to_one],
            run=partial(measure_matches, spec=spec),
            stage="evaluation",
            checks=(ARE_TRUE, NEAR_IS_A_SIGN),
            judge=partial(_judge, spec=spec),
            show=_show,
        )
    ]


def measure_matches(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Hold the matches against the true pairs; write match_quality.

    Reads matches (left_no, right_no, match_probability, gamma_<field>) with its facts, true_pairs
    and cleaned_records. Writes match_quality
    (threshold, matches, true_matches BIGINT, precision, recall, f1 DOUBLE), a row for each of
    `CURVE`, the threshold and the best one, lowest first.
    Returns the facts kept beside it: true_pairs, "thresholds" with all rows, and those
    "at_threshold" and "at_best", and "odd_levels". The best threshold is the one of most F1 of all
    probabilities that occur, the highest among equals.
    """
    assert spec.matching is not None, "matching is on"
    threshold = spec.matching.threshold
    for table in ("matches", "true_pairs", "cleaned_records"):
        lake.open(engine, table)
    matches = _best_links(engine) if spec.matching.one_to_one else "matches"
    odd_levels = matches_facts(lake).get("odd_levels", [])
    odd_levels = known_odd_levels(engine, spec, odd_levels, matches, threshold)
    (n_true,) = engine.row("select count(*) from true_pairs")
    engine.make_table(
        "matches_of_probability",
        f"""
        with counted as (
            select m.match_probability as threshold, count(*) as matches,
                count(t.left_no) as true_matches
            from {matches} as m left join true_pairs as t
                on t.left_no = m.left_no and t.right_no = m.right_no
            group by m.match_probability
        ),
        running as (
            select threshold,
                cast(sum(matches) over (order by threshold desc) as bigint) as matches,
                cast(sum(true_matches) over (order by threshold desc) as bigint) as true_matches
            from counted
        )
        select *, 2.0 * true_matches / greatest(matches + {n_true}, 1) as f1 from running
        """,
    )
    best = engine.rows(
        "select threshold from matches_of_probability order by f1 desc, threshold desc limit 1"
    )
    best_threshold = float(best[0][0]) if best else threshold
    thresholds = sorted({*CURVE, threshold, best_threshold})
    rows = {at: _figures(engine, at, n_true) for at in thresholds}
    facts: QualityFacts = {
        "true_pairs": n_true,
        "thresholds": list(rows.values()),
        "at_threshold": rows[threshold],
        "at_best": rows[best_threshold],
        "odd_levels": odd_levels,
    }
    with lake.writing("match_quality", facts) as draft:
        engine.put("quality_rows", QUALITY.arrow(tuple(row.values()) for row in rows.values()))
        engine.write("select * from quality_rows order by threshold", draft.file())
    return dict(facts)


def _best_links(engine: Engine) -> str:
    """Make the links that are taken one-to-one, of any threshold at once; return their table.

    They are taken in the order of their weight, so those below a threshold take none from those
    above it: the links of a threshold are those of all that reach it.
    """
    engine.put("answers", arrow_of([LEFT_NO, RIGHT_NO, Column("answer", "VARCHAR", "")]))
    choose_links(engine, 0.0, one_to_one=True)
    return "entity_links"


def judge_quality(facts: QualityFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge how many of the matches are wrong, from the facts of `measure_matches`.

    It warns unless the 95% interval of the precision reaches what is wanted.
    """
    now, most = facts["at_threshold"], spec.checks.max_doubtful_matches
    _, high = interval(now["true_matches"], now["matches"])
    right = high >= 1 - most or not now["matches"]
    text = (
        f"{now['precision']:.2%} of {now['matches']:,} matches (of at least"
        f" {now['threshold']:.6g}) are true pairs (at least {1 - most:.1%} wanted)."
    )
    if not right:
        text += f" {_cure(facts, 1 - most)}"
    numbers = {"precision": now["precision"], "best_threshold": facts["at_best"]["threshold"]}
    yield Verdict(ARE_TRUE.name, right, "warn", text, numbers)
    yield judge_odd_levels(facts["odd_levels"], now["matches"], spec)


def _cure(facts: QualityFacts, wanted: float) -> str:
    """Name the best threshold, and the lowest that is precise enough where the best one is not."""
    now, best = facts["at_threshold"], facts["at_best"]
    higher = [of for of in facts["thresholds"] if of["threshold"] > now["threshold"] and of["f1"]]
    precise = next((of for of in higher if of["precision"] >= wanted), None)
    best_helps = best in higher and best["precision"] > now["precision"]
    if not best_helps and not precise:
        return (
            "No higher threshold parts them: compare a field in which such pairs differ, or label"
            " some of them."
        )
    named = []
    if best_helps:
        named.append(
            f"The best threshold is {_written(best, now)}, of precision {best['precision']:.2%},"
            f" recall {best['recall']:.2%} (now {now['recall']:.2%}) and F1 {best['f1']:.2%} (now"
            f" {now['f1']:.2%})"
        )
    if precise and not (best_helps and best["precision"] >= wanted):
        named.append(
            f"{_written(precise, now)} is precise enough: precision {precise['precision']:.2%},"
            f" recall {precise['recall']:.2%}, F1 {precise['f1']:.2%}"
        )
    first = best if best_helps else precise
    assert first is not None, "one of both helps"
    return f"{'; '.join(named)}. Write matching: threshold: {_written(first, now)}."


def _written(quality: Quality, now: Quality) -> str:
    """Write a threshold in six decimals, never above a match of it, where it is still a higher."""
    threshold = quality["threshold"]
    short = floor(threshold * 1e6) / 1e6
    return repr(short if short > now["threshold"] else threshold)


def quality_figures(facts: QualityFacts) -> Iterator[tuple[str, float]]:
    """Give the figures worth plotting over time, by name, from the facts of `measure_matches`."""
    for place, quality in (("at_threshold", facts["at_threshold"]), ("at_best", facts["at_best"])):
        yield f"precision_{place}", quality["precision"]
        yield f"recall_{place}", quality["recall"]
        yield f"f1_{place}", quality["f1"]
    yield "best_threshold", facts["at_best"]["threshold"]


def _figures(engine: Engine, threshold: float, n_true: int) -> Quality:
    """Count the matches of at least a threshold, and those of them that are true."""
    matches, true_matches = engine.row(
        "select coalesce(max(matches), 0), coalesce(max(true_matches), 0)"
        f" from matches_of_probability where threshold >= {threshold!r}"
    )
    return {
        "threshold": threshold,
        "matches": matches,
        "true_matches": true_matches,
        "precision": true_matches / matches if matches else 0.0,
        "recall": true_matches / n_true if n_true else 0.0,
        "f1": 2 * true_matches / (matches + n_true) if matches + n_true else 0.0,
    }


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    return judge_quality(quality_facts(lake), spec)


def _show(facts: Facts) -> Mapping[str, Shown]:
    thresholds: list[Quality] = facts["thresholds"]
    rows = [
        (
            f"{row['threshold']:.6g}",
            f"{row['matches']:,}",
            *(f"{share:.2%}" for share in (row["precision"], row["recall"], row["f1"])),
        )
        for row in thresholds
    ]
    return {
        **dict(quality_figures(cast(QualityFacts, facts))),
        "curve": QualityPicture(facts["thresholds"]),
        "thresholds": Grid(("threshold", "matches", "precision", "recall", "F1"), rows),
    }
