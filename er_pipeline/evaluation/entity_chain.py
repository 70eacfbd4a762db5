"""The chain of matches that joins two records of one entity: the one whose weakest link is best.

Source: Pollack, "The Maximum Capacity Through a Network", 1960; found as Dijkstra finds a shortest
path, with the weakest link of a path in place of its length.
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.matching.record_names import record_names

# Matches of an entity that are looked through; an entity of more is no chain.
MOST_MATCHES = 200_000


@dataclass(frozen=True)
class ChainLink:
    """One match of a chain, by the names of its records."""

    left: str
    right: str
    match_probability: float


def strongest_chain(
    engine: Engine, spec: PipelineSpec, entity_no: int, start: int, end: int
) -> list[ChainLink]:
    """Give the matches that lead from one record of an entity to another.

    Reads the engine's cleaned_records, entities and matches. Of two chains with an equally weak
    link the one with fewer links counts, then that of the lower numbers. Empty where the entity has
    more matches than `MOST_MATCHES`, or what joins the two is no match.
    """
    assert spec.matching, "matching is on"
    rows = engine.rows(
        f"""
        select m.left_no, m.right_no, m.match_probability from matches as m
        join (select record_no from entities where entity_no = {entity_no}) as e
            on e.record_no = m.left_no
        where m.match_probability >= {spec.matching.threshold!r} limit {MOST_MATCHES + 1}
        """
    )
    if len(rows) > MOST_MATCHES:
        return []
    beside: dict[int, list[tuple[int, float]]] = {}
    for left, right, probability in rows:
        beside.setdefault(left, []).append((right, probability))
        beside.setdefault(right, []).append((left, probability))
    waiting: list[tuple[float, int, tuple[int, ...]]] = [(-1.0, 0, (start,))]
    done: set[int] = set()
    while waiting:
        weakest, links, path = heappop(waiting)
        last = path[-1]
        if last == end:
            return _named(engine, spec, path, beside)
        if last in done:
            continue
        done.add(last)
        for other, probability in beside.get(last, ()):
            if other not in done:
                heappush(waiting, (max(weakest, -probability), links + 1, (*path, other)))
    return []


def _named(
    engine: Engine,
    spec: PipelineSpec,
    path: tuple[int, ...],
    beside: dict[int, list[tuple[int, float]]],
) -> list[ChainLink]:
    names = record_names(engine, spec, path)
    return [
        ChainLink(names[left], names[right], dict(beside[left])[right])
        for left, right in pairwise(path)
    ]
