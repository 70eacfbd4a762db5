"""The chain of links that joins two records of one entity: the one whose weakest link is best.

Source: Pollack, "The Maximum Capacity Through a Network", 1960; found as Dijkstra finds a shortest
path, with the weakest link of a path in place of its length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.matching.record_names import record_names

# Links of an entity that are looked through; in an entity of more no chain is sought.
MOST_LINKS = 200_000


@dataclass(frozen=True)
class ChainLink:
    """One link of a chain, by the names of its records.

    match_probability: None where nothing scored the pair. answered: whether people call it a match.
    """

    left: str
    right: str
    match_probability: float | None
    answered: bool = False


def strongest_chain(
    engine: Engine, spec: PipelineSpec, entity_no: int, start: int, end: int
) -> list[ChainLink]:
    """Give the links that lead from one record of an entity to another.

    Reads the engine's cleaned_records, entities and entity_links. What people call a match is as
    strong as can be. Of two chains with an equally weak link the one with fewer links counts, then
    that of the lower numbers. Empty where the entity has more links than `MOST_LINKS`.
    """
    rows = engine.rows(
        f"""
        select m.left_no, m.right_no, m.match_probability, m.answered from entity_links as m
        join (select record_no from entities where entity_no = {entity_no}) as e
            on e.record_no = m.left_no
        limit {MOST_LINKS + 1}
        """
    )
    if len(rows) > MOST_LINKS:
        return []
    beside: dict[int, list[tuple[int, float]]] = {}
    scored: dict[tuple[int, int], tuple[float | None, bool]] = {}
    for left, right, probability, answered in rows:
        strength = 1.0 if answered or probability is None else probability
        beside.setdefault(left, []).append((right, strength))
        beside.setdefault(right, []).append((left, strength))
        scored[left, right] = scored[right, left] = (probability, answered)
    waiting: list[tuple[float, int, tuple[int, ...]]] = [(-1.0, 0, (start,))]
    done: set[int] = set()
    while waiting:
        weakest, links, path = heappop(waiting)
        last = path[-1]
        if last == end:
            return _named(engine, spec, path, scored)
        if last in done:
            continue
        done.add(last)
        for other, strength in beside.get(last, ()):
            if other not in done:
                heappush(waiting, (max(weakest, -strength), links + 1, (*path, other)))
    return []


def _named(
    engine: Engine,
    spec: PipelineSpec,
    path: tuple[int, ...],
    scored: Mapping[tuple[int, int], tuple[float | None, bool]],
) -> list[ChainLink]:
    names = record_names(engine, spec, path)
    return [
        ChainLink(names[left], names[right], *scored[left, right]) for left, right in pairwise(path)
    ]
