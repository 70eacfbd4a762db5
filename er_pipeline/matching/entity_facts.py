"""What is noted beside entities: sizes, links, events, and what people see of it first."""

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Counts, Grid, Shown, numbers
from er_pipeline.blocking.tables.table import Facts
from er_pipeline.matching.entity_cuts import Contradiction
from er_pipeline.matching.weakest_links import Link

# The classes of the size report, by their largest size.
SIZE_CLASSES = (("1", 1), ("2", 2), ("3", 3), ("4-5", 5), ("6-10", 10), ("11-100", 100))
LARGER = "over 100"


class EntitiesFacts(TypedDict):
    """What is noted beside entities; see `join_matches`.

    sizes: class of size -> entities. weakest_links: of the largest one, see `weakest_links`.
    matches: pairs at the threshold. links: pairs that join. events: of this run, by kind.
    contradictions: answers that others contradict. paired_by: stands for the settings that make
    candidate pairs.
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
    links: int
    cuts: int
    bridges: int
    contradictions: list[Contradiction]
    events: dict[str, int]
    paired_by: str


def entities_facts(lake: Lake) -> EntitiesFacts:
    """Read what is noted beside entities."""
    return cast(EntitiesFacts, lake.facts("entities"))


def count_sizes(engine: Engine, threshold: float) -> dict[str, Any]:
    """Count entities and records by size; reads the engine's joined and entity_links."""
    sizes = engine.rows(
        "select n, count(*) from (select count(*) as n from joined group by entity_no)"
        " group by n order by n"
    )
    (matches,) = engine.row(
        f"select count(*) from matches where match_probability >= {threshold!r}"
    )
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


def show_entities(facts: Facts) -> Mapping[str, Shown]:
    """Give what people see first of entities."""
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
        "events": Counts("what happened to entities", facts["events"]),
        "sizes": Counts("entities by size", facts["sizes"]),
        **({"weakest_links_of_largest": Grid(header, rows)} if rows else {}),
    }
