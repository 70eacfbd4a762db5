"""Weak labels: pairs of which a trained model is sure, kept apart from what people judged."""

from er_pipeline.blocking.learning.rule_evidence import GatheredEvidence
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, Table
from er_pipeline.blocking.tables.views import pairs_by_id

# A model's score of at least this is a weak label, and so is its opposite.
SURE = 0.99

WEAK_LABELS = Table(
    "weak_labels",
    "Pairs of which the model is sure; apart from judged ones.",
    [
        LEFT_NO,
        RIGHT_NO,
        Column("match_probability", "DOUBLE", "Near 0 or 1, as the model says", minimum=0),
    ],
    pairs_by_id("weak_labels", after=["p.match_probability"]),
)


def write_weak_labels(engine: Engine, lake: Lake, gathered: GatheredEvidence) -> None:
    """Write the pairs of which the model is sure, of those that were looked at.

    If nobody listened to it, there are none.
    """
    with lake.writing("weak_labels") as draft:
        engine.write(
            f"""
            select left_no, right_no, probability as match_probability from {gathered.probable}
            where {gathered.is_taught} and (probability >= {SURE} or probability <= {1 - SURE})
            order by left_no, right_no
            """,
            draft.file(),
        )
