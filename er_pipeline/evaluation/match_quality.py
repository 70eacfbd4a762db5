"""How right the matches are, at the threshold and at the best one.

A match is a scored pair of at least the threshold; one-to-one, one that is taken as a link, too,
as `entity_links` takes them if nobody had answered. precision: share of the matches that are true.
recall: share of all true pairs that are matches, also of those that blocking missed. F1: their
harmonic mean.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TypedDict, cast

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Grid, Shown
from er_pipeline.blocking.tables.pictures import Quality as QualityPicture
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, Facts, Table, arrow_of
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.matching.entity_links import choose_links

# Thresholds of the curve, besides the best one.
CURVE = (0.01, 0.05, *(round(0.1 * i, 1) for i in range(1, 10)), 0.95, 0.99, 0.999, 0.9999)


class Quality(TypedDict):
    """How right the matches of a threshold are; precision, recall and f1 as at the top."""

    threshold: float
    matches: int
    true_matches: int
    precision: float
    recall: float
    f1: float


class QualityFacts(TypedDict):
    """The facts kept beside match_quality; thresholds: lowest first."""

    true_pairs: int
    thresholds: list[Quality]
    at_threshold: Quality
    at_best: Quality


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
            reads=["true_pairs", "matches", *(["cleaned_records"] if one_to_one else [])],
            settings=[spec.matching.threshold, one_to_one],
            run=partial(measure_matches, threshold=spec.matching.threshold, one_to_one=one_to_one),
            stage="evaluation",
            show=_show,
        )
    ]


def measure_matches(engine: Engine, lake: Lake, *, threshold: float, one_to_one: bool) -> Facts:
    """Hold the matches against the true pairs; write match_quality.

    Reads matches (left_no, right_no, match_probability), true_pairs and, one-to-one,
    cleaned_records. Writes match_quality
    (threshold, matches, true_matches BIGINT, precision, recall, f1 DOUBLE), a row for each of
    `CURVE`, the threshold and the best one, lowest first.
    Returns the facts kept beside it: true_pairs, "thresholds" with all rows, and those
    "at_threshold" and "at_best". The best threshold is the one of most F1 of all probabilities that
    occur, the highest among equals.
    """
    for table in ("matches", "true_pairs"):
        lake.open(engine, table)
    matches = _best_links(engine, lake) if one_to_one else "matches"
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
    }
    with lake.writing("match_quality", facts) as draft:
        engine.put("quality_rows", QUALITY.arrow(tuple(row.values()) for row in rows.values()))
        engine.write("select * from quality_rows order by threshold", draft.file())
    return dict(facts)


def _best_links(engine: Engine, lake: Lake) -> str:
    """Make the links that are taken one-to-one, of any threshold at once; return their table.

    They are taken in the order of their weight, so those below a threshold take none from those
    above it: the links of a threshold are those of all that reach it.
    """
    lake.open(engine, "cleaned_records")
    engine.put("answers", arrow_of([LEFT_NO, RIGHT_NO, Column("answer", "VARCHAR", "")]))
    choose_links(engine, 0.0, one_to_one=True)
    return "entity_links"


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
