"""Who is who by the truth's cluster column; it stands apart, so that truth shapes nothing else."""

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import RECORD_NO, Column, Table
from er_pipeline.blocking.values.null_marks import is_null_mark

TRUE_CLUSTERS = "true_clusters"
_KNOWN = "known_clusters"


def clusters_tables(spec: PipelineSpec) -> list[Table]:
    """Declare true_clusters, where the truth is a column of the sources."""
    if not (spec.truth and spec.truth.cluster_column):
        return []
    return [
        Table(
            TRUE_CLUSTERS,
            "The known entity of every record that has one.",
            [RECORD_NO, Column("true_cluster", "VARCHAR", "The known entity")],
            view=None,
            is_internal=True,
            shape=spec.truth.cluster_column,
            is_from_outside=True,
        )
    ]


def write_clusters(engine: Engine, lake: Lake, raw: str, written: str) -> None:
    """Write true_clusters (record_no, true_cluster).

    raw: engine table of the raw records, with true_cluster. written: that of the clean ones.
    """
    _find_known(engine, lake, raw)
    with lake.writing(TRUE_CLUSTERS) as draft:
        engine.write(
            f"""
            select w.record_no, k.result as true_cluster
            from {written} as w
            join {raw} as r on r.source_no = w.source_no and r.record_id = w.record_id
            join {_KNOWN} as k on k.value = r.true_cluster
            where k.result is not null
            order by w.record_no
            """,
            draft.file(),
        )
        engine.read_folder(draft.folder, "written_clusters")
        draft.content = engine.fingerprint("written_clusters", ["record_no", "true_cluster"])


def _find_known(engine: Engine, lake: Lake, raw: str) -> None:
    """Make known_clusters (value, result): the entity that a raw value names; NULL and NaN none.

    What stands in the table of the night before names an entity, and need not be looked at.
    """
    folders = lake.before(TRUE_CLUSTERS)
    values = f"select true_cluster from {raw}"
    if folders and lake.takes_over and lake.is_made_alike(TRUE_CLUSTERS, folders[TRUE_CLUSTERS]):
        engine.read_folder(folders[TRUE_CLUSTERS], "clusters_before")
        engine.make_table(
            "same_clusters",
            f"select distinct true_cluster from {raw}"
            " semi join (select true_cluster from clusters_before) using (true_cluster)",
        )
        values += " anti join same_clusters using (true_cluster)"
        engine.map_distinct(_KNOWN, values, _named)
        engine.append(_KNOWN, "select true_cluster, true_cluster from same_clusters")
        return
    engine.map_distinct(_KNOWN, values, _named)


def _named(text: str) -> str | None:
    cluster = text.strip()
    return None if cluster == "" or is_null_mark(cluster) else cluster
