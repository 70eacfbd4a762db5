"""Weak labels: pairs of which a trained model is sure, kept apart from what people judged."""

from er_pipeline.blocking.learning.rule_evidence import GatheredEvidence
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import Column, Table
from er_pipeline.blocking.tables.views import all_columns

# A model's score of at least this is a weak label, and so is its opposite.
SURE = 0.99

# By the records' ids: their numbers are of one night, and this table stays in force for many.
WEAK_LABELS = Table(
    "weak_labels",
    "Pairs of which the model is sure; apart from judged ones.",
    [
        Column("left_id", "VARCHAR", "Id of the left record"),
        Column("right_id", "VARCHAR", "Id of the right record"),
        Column("match_probability", "DOUBLE", "Near 0 or 1, as the model says", minimum=0),
        Column("left_source", "VARCHAR", "Source of the left record"),
        Column("right_source", "VARCHAR", "Source of the right record"),
    ],
    all_columns("weak_labels"),
)


def write_weak_labels(engine: Engine, lake: Lake, gathered: GatheredEvidence) -> None:
    """Write the pairs of which the model is sure, of those that were looked at.

    Reads the engine's cleaned_records.
    If nobody listened to it, there are none.
    """
    with lake.writing("weak_labels") as draft:
        engine.write(
            f"""
            select l.record_id as left_id, r.record_id as right_id,
                p.probability as match_probability, l.source as left_source,
                r.source as right_source
            from {gathered.probable} as p
            join cleaned_records as l on l.record_no = p.left_no
            join cleaned_records as r on r.record_no = p.right_no
            where {gathered.is_taught} and (probability >= {SURE} or probability <= {1 - SURE})
            order by p.left_no, p.right_no
            """,
            draft.file(),
        )
