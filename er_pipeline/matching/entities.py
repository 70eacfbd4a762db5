"""Matches -> entities: records that matches join, directly or through others."""

from collections.abc import Iterator
from typing import TypedDict

from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict

# The classes of the size report, by their largest size.
SIZE_CLASSES = (("1", 1), ("2", 2), ("3", 3), ("4-5", 5), ("6-10", 10), ("11-100", 100))
LARGER = "over 100"


class EntitySizes(TypedDict):
    """How large the entities are that matches at a threshold join.

    matches: the pairs that join. pairs_joined: all pairs within entities. sizes: entities by class.
    """

    entities: int
    records: int
    singletons: int
    largest_entity: int
    matches: int
    pairs_joined: int
    threshold: float
    sizes: dict[str, int]


class EntityFacts(EntitySizes):
    """The facts kept beside entities."""

    fingerprint: str


def join_matches(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> EntityFacts:
    """Find the connected components of all matches at the threshold, with Splink.

    Reads cleaned_records and matches. Writes entities (record_no INTEGER, entity_no INTEGER), every
    record once, also those without a match; entity_no is the least record_no of the entity.
    Returns the facts kept beside the table: entities, singletons, the largest, and sizes.

    Raises LakeError if a table is missing or was made from other records.
    """
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    assert spec.matching is not None, "matching is on"
    fingerprint = read_records(engine, lake)
    read_numbered(engine, lake, "matches", fingerprint)
    threshold = spec.matching.threshold
    engine.make_table("entity_records", "select record_no from cleaned_records")
    engine.make_table(
        "entity_matches",
        "select left_no, right_no, match_probability from matches"
        f" where match_probability >= {threshold!r}",
    )
    api = DuckDBAPI(connection=engine.con)
    joined = cluster_pairwise_predictions_at_threshold(
        api.register("entity_records"),
        api.register("entity_matches"),
        db_api=api,
        node_id_column_name="record_no",
        edge_id_column_name_left="left_no",
        edge_id_column_name_right="right_no",
        threshold_match_probability=threshold,
    )
    with lake.writing("entities", {"fingerprint": fingerprint}) as draft:
        engine.write(
            f"""
            select record_no,
                cast(min(record_no) over (partition by cluster_id) as integer) as entity_no
            from {joined.physical_name} order by record_no
            """,
            draft.file(),
        )
        engine.read_folder(draft.folder, "written_entities")
        sizes = _sizes(engine, threshold)
        draft.facts.update(sizes)
        return {"fingerprint": fingerprint, **sizes}


def judge_entities(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, facts: EntityFacts
) -> Iterator[Verdict]:
    """Judge the entities, by reading them and from the facts of `join_matches`."""
    fingerprint = read_records(engine, lake)
    read_numbered(engine, lake, "entities", fingerprint)
    (n_records,) = engine.row("select count(*) from cleaned_records")
    rows, distinct, known = engine.row(
        "select count(*), count(distinct e.record_no), count(r.record_no)"
        " from entities as e left join cleaned_records as r on r.record_no = e.record_no"
    )
    whole = rows == distinct == known == n_records
    yield Verdict(
        "every_record_in_one_entity",
        whole,
        "error",
        f"{distinct:,} of {n_records:,} records stand in {rows:,} rows."
        + ("" if whole else " Materialize entities again."),
        {"records": n_records, "rows": rows, "records_in_entities": distinct},
    )
    largest, most = facts["largest_entity"], spec.checks.max_entity_size
    yield Verdict(
        "no_entity_is_giant",
        largest <= most,
        "error",
        f"The largest entity has {largest:,} records (at most {most:,} wanted)."
        + (
            ""
            if largest <= most
            else " Chains of matches joined what does not belong together: raise matching:"
            " threshold, or checks: max_entity_size if such entities are real."
        ),
        {"largest_entity": largest, "max_entity_size": most},
    )


def _sizes(engine: DuckDBEngine, threshold: float) -> EntitySizes:
    sizes = engine.rows(
        "select n, count(*) from (select count(*) as n from written_entities group by entity_no)"
        " group by n order by n"
    )
    (matches,) = engine.row("select count(*) from entity_matches")
    classes = dict.fromkeys([*(name for name, _ in SIZE_CLASSES), LARGER], 0)
    for size, n in sizes:
        classes[next((name for name, most in SIZE_CLASSES if size <= most), LARGER)] += n
    return {
        "entities": sum(n for _, n in sizes),
        "records": sum(size * n for size, n in sizes),
        "singletons": classes["1"],
        "largest_entity": max((size for size, _ in sizes), default=0),
        "matches": matches,
        "pairs_joined": sum(n * (size * (size - 1) // 2) for size, n in sizes),
        "threshold": threshold,
        "sizes": classes,
    }
