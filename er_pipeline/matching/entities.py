"""Matches -> entities: records that matches join, directly or through others."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypedDict, cast

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Counts, Grid, Shown, numbers
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import RECORD_NO, Check, Column, Facts, Table
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.matching.match_doubts import HIGHEST_RAISED
from er_pipeline.matching.splink_linker import splink_api
from er_pipeline.matching.weakest_links import Link, link_text, weakest_links

# The classes of the size report, by their largest size.
SIZE_CLASSES = (("1", 1), ("2", 2), ("3", 3), ("4-5", 5), ("6-10", 10), ("11-100", 100))
LARGER = "over 100"


CHECKS = (
    Check("every_record_in_one_entity", "People count and look up entities by record."),
    Check(
        "no_entity_is_giant",
        "A chain of wrong matches joins strangers.",
        limits=("checks.max_entity_size",),
    ),
)


class EntitiesFacts(TypedDict):
    """What is noted beside entities; see `join_matches`.

    sizes: class of size -> entities. weakest_links: of the largest one, see `weakest_links`.
    """

    entities: int
    records: int
    singletons: int
    largest_entity: int
    matches: int
    pairs_joined: int
    threshold: float
    sizes: dict[str, int]
    weakest_links: list[Link]


def entities_facts(lake: Lake) -> EntitiesFacts:
    """Read what is noted beside entities."""
    return cast(EntitiesFacts, lake.facts("entities"))


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that joins matches into entities."""
    if spec.matching is None:
        return []
    return [
        Step(
            writes=[
                Table(
                    "entities",
                    "Every record with its entity: what matches join.",
                    [
                        RECORD_NO,
                        Column("entity_no", "INTEGER", "Least record_no of the entity", minimum=0),
                    ],
                    partial(_view, link_mode=spec.link_mode),
                )
            ],
            reads=["cleaned_records", "matches"],
            settings=spec.matching.threshold,
            run=partial(join_matches, spec=spec),
            stage="matching",
            checks=CHECKS,
            judge=partial(_judge, spec=spec),
            show=_show,
        )
    ]


def join_matches(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Find the connected components of all matches at the threshold, with Splink.

    Reads cleaned_records and matches. Writes entities (record_no INTEGER, entity_no INTEGER), every
    record once, also those without a match; entity_no is the least record_no of the entity.
    Returns the facts kept beside the table: entities, singletons, the largest with its weakest
    links, and sizes.
    """
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    assert spec.matching is not None, "matching is on"
    lake.open(engine, "cleaned_records")
    lake.open(engine, "matches")
    threshold = spec.matching.threshold
    engine.make_table("entity_records", "select record_no from cleaned_records")
    engine.make_table(
        "entity_matches",
        "select left_no, right_no, match_probability from matches"
        f" where match_probability >= {threshold!r}",
    )
    api = splink_api(engine)
    joined = cluster_pairwise_predictions_at_threshold(
        api.register("entity_records"),
        api.register("entity_matches"),
        db_api=api,
        node_id_column_name="record_no",
        edge_id_column_name_left="left_no",
        edge_id_column_name_right="right_no",
        threshold_match_probability=threshold,
    )
    with lake.writing("entities") as draft:
        engine.write(
            f"""
            select record_no,
                cast(min(record_no) over (partition by cluster_id) as integer) as entity_no
            from {joined.physical_name} order by record_no
            """,
            draft.file(),
        )
        engine.read_folder(draft.folder, "written_entities")
        draft.facts.update(_sizes(engine, threshold))
        draft.facts["weakest_links"] = _links_of_largest(engine, spec)
        return dict(draft.facts)


def judge_entities(
    engine: Engine, lake: Lake, spec: PipelineSpec, facts: EntitiesFacts
) -> Iterator[Verdict]:
    """Judge the entities, by reading them and from the facts of `join_matches`."""
    lake.open(engine, "cleaned_records")
    lake.open(engine, "entities")
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
            else " Chains of matches joined what does not belong together."
            + _chain_text(facts["weakest_links"])
            + _cure(facts["weakest_links"])
        ),
        {"largest_entity": largest, "max_entity_size": most},
    )


def _cure(links: list[Link]) -> str:
    """Advise what parts the largest entity: a threshold only where one can."""
    real = "or raise checks: max_entity_size if such entities are real."
    if links and links[0]["match_probability"] >= HIGHEST_RAISED:
        return (
            " The model is sure of all of them, so no threshold parts them: compare a field in"
            f" which such records differ, declare what they share a placeholder, {real}"
        )
    return f" Raise matching: threshold, {real}"


def _chain_text(links: list[Link]) -> str:
    if not links:
        return ""
    return f" Weakest link first, it hangs on {'; '.join(link_text(link) for link in links)}."


def _links_of_largest(engine: Engine, spec: PipelineSpec) -> list[Link]:
    """Give the weakest links of the largest entity, the first of equal ones; two have but one."""
    largest = engine.rows(
        "select entity_no from written_entities group by entity_no having count(*) > 2"
        " order by count(*) desc, entity_no limit 1"
    )
    if not largest:
        return []
    return weakest_links(engine, spec, "entity_matches", "written_entities", largest[0][0])


def _sizes(engine: Engine, threshold: float) -> dict[str, Any]:
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


def entity_id_sql(link_mode: str) -> str:
    """Write how people read an entity, over its record e, whose record_no is the entity_no."""
    # Names of sources hold no hyphen, so this names one record alone.
    return "e.record_id" if link_mode == "dedupe" else "e.source || '-' || e.record_id"


def _view(relations: Mapping[str, str], link_mode: str) -> str:
    records = relations["cleaned_records"]
    return (
        f"select r.record_id, r.source, {entity_id_sql(link_mode)} as entity_id"
        f" from {relations['entities']} as t"
        f" join {records} as r on r.record_no = t.record_no"
        f" join {records} as e on e.record_no = t.entity_no"
    )


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    return judge_entities(engine, lake, spec, entities_facts(lake))


def _show(facts: Facts) -> Mapping[str, Shown]:
    links: list[Link] = facts["weakest_links"]
    rows = [
        (
            link["left"],
            link["right"],
            f"{link['match_probability']:.6g}",
            f"{link['records_left']:,}",
            f"{link['records_right']:,}",
        )
        for link in links
    ]
    header = ("left", "right", "probability", "records it joins", "and")
    return {
        **numbers(facts),
        "sizes": Counts("entities by size", facts["sizes"]),
        **({"weakest_links_of_largest": Grid(header, rows)} if rows else {}),
    }
