"""Truth: known matches, where a dataset has any. They judge the result and never shape it."""

import logging
from functools import partial

from er_pipeline.blocking.records.sources import EXAMPLES
from er_pipeline.blocking.records.true_clusters import TRUE_CLUSTERS
from er_pipeline.blocking.records.truth_files import read_truth, truth_outside
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Facts, Table
from er_pipeline.blocking.tables.views import pairs_by_id

logger = logging.getLogger(__name__)

# A cluster column that puts half the table into one entity is a mistake, not a truth.
MAX_TRUE_PAIRS = 100_000_000


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that numbers the known matches, where there are any."""
    if spec.truth is None:
        return []
    clusters = [TRUE_CLUSTERS] if spec.truth.cluster_column else []
    return [
        Step(
            writes=[
                Table(
                    "true_pairs",
                    "Known matches; they judge the result, never shape it.",
                    [LEFT_NO, RIGHT_NO],
                    pairs_by_id("true_pairs"),
                    is_from_outside=True,
                )
            ],
            reads=["cleaned_records", *clusters],
            settings=[spec.truth, spec.link_mode, spec.source_labels],
            run=partial(write_true_pairs, spec=spec),
            count=partial(write_true_pairs, spec=spec),
            stage="records",
            outside=partial(truth_outside, spec),
        )
    ]


def write_true_pairs(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Write the known matches as pairs of record numbers.

    Reads cleaned_records and the spec's truth: a file of id pairs, or true_clusters. Writes
    true_pairs (left_no, right_no), each pair once, left_no < right_no; in link mode only pairs
    between sources. Pairs with an unknown id are counted, not silently lost.
    Returns the facts kept beside the table: true_pairs, pairs_with_unknown_ids.

    Raises InputError if the file is missing, unreadable or lacks a column, or if no pair fits.
    """
    assert spec.truth is not None
    lake.open(engine, "cleaned_records")
    across = "and l.source_no <> r.source_no" if spec.link_mode == "link" else ""
    unknown = 0
    if spec.truth.cluster_column:
        lake.open(engine, TRUE_CLUSTERS)
        pairs = _clusters_sql(engine, spec.truth.cluster_column, across)
    else:
        unknown = _read_pairs(engine, spec)
        pairs = f"""
            select distinct least(l.record_no, r.record_no) as left_no,
                greatest(l.record_no, r.record_no) as right_no
            from given_pairs as g
            join cleaned_records as l on l.record_id = g.left_id and l.source = g.left_source
            join cleaned_records as r on r.record_id = g.right_id and r.source = g.right_source
            where l.record_no <> r.record_no {across}
        """
    with lake.writing("true_pairs") as draft:
        engine.write(f"select * from ({pairs}) order by left_no, right_no", draft.file())
        engine.read_folder(draft.folder, "written_true_pairs")
        draft.content = engine.fingerprint("written_true_pairs", ["left_no", "right_no"])
        (n_pairs,) = engine.row("select count(*) from written_true_pairs")
        if n_pairs == 0:
            example = ""
            if unknown:
                example = f" (its ids: {example_pairs(engine, 'select * from unknown_pairs')})"
            raise InputError(
                f"truth: not one pair is of two different records that are there{example}; do its"
                " ids read as the records' ids do?"
            )
        draft.facts.update(true_pairs=n_pairs, pairs_with_unknown_ids=unknown)
        return dict(draft.facts)


def example_pairs(engine: Engine, pairs: str) -> str:
    """Name the first few pairs of a query of (left_id, right_id), for a message."""
    first = engine.rows(f"select left_id, right_id from ({pairs}) order by all limit {EXAMPLES}")
    return "; ".join(f"{left!r}, {right!r}" for left, right in first)


def _clusters_sql(engine: Engine, column: str, across: str) -> str:
    """Write the query of the pairs within clusters, if there are not absurdly many."""
    (expected,) = engine.row(
        "select coalesce(sum(n * (n - 1) // 2), 0)::bigint from"
        f" (select count(*) as n from {TRUE_CLUSTERS} group by true_cluster)"
    )
    if expected > MAX_TRUE_PAIRS:
        raise InputError(
            f"truth: column {column!r} makes {expected:,} true pairs, more than"
            f" {MAX_TRUE_PAIRS:,}; does it really name the entity?"
        )
    clustered = (
        "select c.record_no, r.source_no, c.true_cluster"
        f" from {TRUE_CLUSTERS} as c join cleaned_records as r on r.record_no = c.record_no"
    )
    return f"""
        with clustered as ({clustered})
        select l.record_no as left_no, r.record_no as right_no
        from clustered as l join clustered as r
            on l.true_cluster = r.true_cluster and l.record_no < r.record_no {across}
    """


def _read_pairs(engine: Engine, spec: PipelineSpec) -> int:
    """Read a file of pairs into given_pairs; count those with an id that no record has."""
    for note in read_truth(engine, spec, "given_pairs"):
        logger.warning("%s", note)
    engine.make_table(
        "unknown_pairs",
        """
        select g.left_id, g.right_id from given_pairs as g
        left join cleaned_records as l on l.record_id = g.left_id and l.source = g.left_source
        left join cleaned_records as r on r.record_id = g.right_id and r.source = g.right_source
        where l.record_no is null or r.record_no is null
        """,
    )
    given, unknown = engine.row(
        "select (select count(*) from given_pairs), (select count(*) from unknown_pairs)"
    )
    if unknown:
        logger.warning(
            "truth: %s of %s pairs name an id that no record has, such as %s; they are not counted",
            f"{unknown:,}",
            f"{given:,}",
            example_pairs(engine, "select * from unknown_pairs"),
        )
    return int(unknown)
