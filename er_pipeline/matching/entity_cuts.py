"""Entity cuts: an entity that holds two records which people call no match is parted between them.

Of every such pair, in the order of the records, the links of a minimum cut between the two are
taken away: those that weigh least together, in bits. The weights are log odds, so that this is the
likeliest way to part the two. Pairs that people call a match are cut last of all, and only where
answers contradict each other: "no" holds, and as few of them as possible are cut. Of equal cuts it
is the one nearest to the record with the lower number. An entity of more than `MOST_RECORDS` or
`MOST_LINKS` is parted where the maximum spanning tree is weakest between the two.

Sources: Ford and Fulkerson, "Maximal Flow Through a Network", 1956 (the cut); Garg, Vazirani and
Yannakakis, "Approximate Max-Flow Min-(Multi)Cut Theorems", 1996 (several pairs: the exact problem
is NP-hard, so they are parted one after the other); Gower and Ross, 1969 (the tree).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, Table, arrow_of
from er_pipeline.matching.record_names import record_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Marks = NDArray[np.bool_]

# Above these an entity is parted by its tree. The flow through 2,000 records takes some seconds at
# worst, and the capacities of so many links add up within the 31 bits that scipy has for them.
MOST_RECORDS, MOST_LINKS = 2_000, 100_000
# Capacities are whole numbers: hundredths of a bit, up to 100 bits.
PER_BIT, MOST_BITS = 100, 100
# Contradictions that are named.
NAMED = 5

ENTITY_CUTS = Table(
    "entity_cuts",
    "Links that join no records any more, since people called a pair no match.",
    [
        LEFT_NO,
        RIGHT_NO,
        Column("match_probability", "DOUBLE", "Of the link", required=False),
        Column("answered", "BOOLEAN", "Whether people call the cut pair a match"),
        Column("because_left_no", "INTEGER", "Left record of the pair that was called no match"),
        Column("because_right_no", "INTEGER", "Right record of that pair"),
    ],
    lambda relations: _view(relations["entity_cuts"], relations["cleaned_records"]),
)


class Contradiction(TypedDict):
    """Two records called no match that answered matches join; cut: of these, as names."""

    left: str
    right: str
    cut: list[tuple[str, str]]


@dataclass
class Parted:
    """What is left of some links; cuts: (place of the link, place of the answer), in their order.

    kept: which links are left. contradicted: places of answers that others contradict.
    """

    kept: "Marks"
    cuts: list[tuple[int, int]] = field(default_factory=list)
    contradicted: list[int] = field(default_factory=list)


def cut_entities(engine: Engine, spec: PipelineSpec) -> list[Contradiction]:
    """Part every entity that holds a pair called no match; return answers that contradict others.

    Reads the engine's matches, answers, cleaned_records, entity_links and joined (record_no,
    entity_no), and changes the last two. Makes entity_cuts. Only links of entities that hold such a
    pair pass through Python.
    """
    engine.make_table(
        "refused",
        """
        select a.left_no, a.right_no, l.entity_no from answers as a
        join joined as l on l.record_no = a.left_no
        join joined as r on r.record_no = a.right_no and r.entity_no = l.entity_no
        where a.answer = 'no_match' order by a.left_no, a.right_no
        """,
    )
    links = engine.columns(
        """
        select l.left_no, l.right_no, coalesce(l.match_weight, 0) as match_weight, l.answered
        from entity_links as l join joined as j on j.record_no = l.left_no
        where j.entity_no in (select entity_no from refused) order by l.left_no, l.right_no
        """
    )
    refused = engine.columns("select left_no, right_no from refused order by left_no, right_no")
    if not len(refused["left_no"]):
        engine.put("cut_links", arrow_of([LEFT_NO, RIGHT_NO, *ENTITY_CUTS.columns[-2:]]))
        _note_cuts(engine, spec)
        return []
    left, right = (np.asarray(links[side], np.int64) for side in ("left_no", "right_no"))
    no_left, no_right = (np.asarray(refused[side], np.int64) for side in ("left_no", "right_no"))
    records = np.unique(np.concatenate([left, right]))
    ends, refusals = (
        np.searchsorted(records, np.stack(pair)) for pair in ((left, right), (no_left, no_right))
    )
    answered = np.asarray(links["answered"], bool)
    parted = part(len(records), ends, np.asarray(links["match_weight"]), answered, refusals)
    at, because = (np.asarray(side, np.int64) for side in _columns(parted.cuts))
    engine.put(
        "cut_links",
        {
            "left_no": left[at].astype(np.int32),
            "right_no": right[at].astype(np.int32),
            "because_left_no": no_left[because].astype(np.int32),
            "because_right_no": no_right[because].astype(np.int32),
        },
    )
    _note_cuts(engine, spec)
    _, part_of = _components(len(records), ends[:, parted.kept])
    engine.put(
        "parted", {"record_no": records.astype(np.int32), "part_no": part_of.astype(np.int64)}
    )
    engine.make_table(
        "joined",
        """
        select j.record_no, coalesce(
            min(p.record_no) over (partition by p.part_no), j.entity_no) as entity_no
        from joined as j left join parted as p on p.record_no = j.record_no
        """,
    )
    return _named(engine, spec, parted, (left, right), (no_left, no_right))


def _note_cuts(engine: Engine, spec: PipelineSpec) -> None:
    """Make entity_cuts and take the cut links out of entity_links.

    A match that people call no match is cut by that answer itself.
    """
    assert spec.matching is not None, "matching is on"
    engine.make_table(
        "entity_cuts",
        f"""
        select c.left_no, c.right_no, l.match_probability, l.answered,
            c.because_left_no, c.because_right_no
        from cut_links as c join entity_links as l using (left_no, right_no)
        union all
        select left_no, right_no, m.match_probability, false, left_no, right_no
        from answers as a join matches as m using (left_no, right_no)
        where a.answer = 'no_match' and m.match_probability >= {spec.matching.threshold!r}
        """,
    )
    engine.make_table(
        "entity_links", "from entity_links anti join cut_links using (left_no, right_no)"
    )


def part(
    n_records: int,
    ends: "Numbers",
    weights: "NDArray[np.floating]",
    answered: "Marks",
    refused: "Numbers",
) -> Parted:
    """Take links away until no refused pair is joined any more.

    ends: (2, n_links) places of records below n_records. weights: of the links, in bits. answered:
    which links people call a match. refused: (2, n_refused) places of the pairs that are to be
    parted, in the order in which that is done.
    """
    ends = ends.astype(np.int64)
    parted = Parted(np.ones(ends.shape[1], bool))
    ones = np.ones(ends.shape[1], np.int64)
    for turn in range(refused.shape[1]):
        cut = _crossing(n_records, ends, ones, parted.kept & answered, refused[:, turn])
        if cut.any():
            parted.contradicted.append(turn)
            parted.cuts += [(int(place), turn) for place in np.flatnonzero(cut)]
            parted.kept &= ~cut
    # What answers join is one from here on.
    n_groups, group = _components(n_records, ends[:, parted.kept & answered])
    of_groups, apart = group[ends], group[refused]
    capacity = np.clip(np.rint(weights * PER_BIT), 1, MOST_BITS * PER_BIT).astype(np.int64)
    for turn in range(refused.shape[1]):
        open_links = parted.kept & (of_groups[0] != of_groups[1])
        cut = _crossing(n_groups, of_groups, capacity, open_links, apart[:, turn])
        parted.cuts += [(int(place), turn) for place in np.flatnonzero(cut)]
        parted.kept &= ~cut
    return parted


def _crossing(
    n_nodes: int, ends: "Numbers", capacity: "Numbers", among: "Marks", pair: "Numbers"
) -> "Marks":
    """Mark the links, of those among which to choose, that are cut to part two nodes."""
    _, part_of = _components(n_nodes, ends[:, among])
    cut = np.zeros(ends.shape[1], bool)
    if part_of[pair[0]] != part_of[pair[1]]:
        return cut
    around = np.flatnonzero(among & (part_of[ends[0]] == part_of[pair[0]]))
    nodes = np.unique(ends[:, around])
    inner = np.searchsorted(nodes, ends[:, around])
    source, sink = (int(place) for place in np.searchsorted(nodes, pair))
    is_giant = len(nodes) > MOST_RECORDS or len(around) > MOST_LINKS
    side = (_tree_side if is_giant else _flow_side)(
        len(nodes), inner, capacity[around], source, sink
    )
    cut[around[side[inner[0]] != side[inner[1]]]] = True
    return cut


def _flow_side(
    n_nodes: int, ends: "Numbers", capacity: "Numbers", source: int, sink: int
) -> "Marks":
    """Mark the nodes that a maximum flow leaves reachable: the least source side of all cuts."""
    from scipy.sparse import coo_array, csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    both = np.concatenate([ends, ends[::-1]], axis=1).astype(np.int32)
    # Links between the same groups add up.
    graph = coo_array((np.tile(capacity, 2), (both[0], both[1])), shape=(n_nodes, n_nodes)).tocsr()
    whole = csr_array(graph.astype(np.int32))
    flow = maximum_flow(whole, source, sink).flow
    left = csr_array(whole - flow)
    left.eliminate_zeros()
    side = np.zeros(n_nodes, bool)
    side[breadth_first_order(left, source, return_predecessors=False)] = True
    return side


def _tree_side(
    n_nodes: int, ends: "Numbers", capacity: "Numbers", source: int, sink: int
) -> "Marks":
    """Mark the nodes on the source's side of the weakest link that the tree has between the two."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    # Ranks instead of weights: all differ, so there is one such tree; links stand in the order of
    # their records.
    order = np.lexsort((np.arange(len(capacity)), -capacity))
    low, high = ends.min(axis=0)[order], ends.max(axis=0)[order]
    _, first = np.unique(low * n_nodes + high, return_index=True)
    ranks = csr_array(
        (first + 1.0, (low[first].astype(np.int32), high[first].astype(np.int32))),
        shape=(n_nodes, n_nodes),
    )
    tree = csr_array(minimum_spanning_tree(ranks))
    _, before = breadth_first_order(tree, source, directed=False)
    weakest, at = -1.0, sink
    node = sink
    while node != source:
        above = int(before[node])
        rank = max(float(tree[above, node]), float(tree[node, above]))
        if rank > weakest:
            weakest, at = rank, node
        node = above
    rest = tree.copy()
    rest[int(before[at]), at] = 0
    rest[at, int(before[at])] = 0
    rest.eliminate_zeros()
    side = np.zeros(n_nodes, bool)
    side[breadth_first_order(rest, source, directed=False, return_predecessors=False)] = True
    return side


def _components(n_nodes: int, ends: "Numbers") -> "tuple[int, Numbers]":
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    places = ends.astype(np.int32)
    graph = csr_array((np.ones(places.shape[1]), (places[0], places[1])), shape=(n_nodes, n_nodes))
    n_parts, part_of = connected_components(graph, directed=False)
    return int(n_parts), part_of.astype(np.int64)


def _columns(rows: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [row[0] for row in rows], [row[1] for row in rows]


def _named(
    engine: Engine,
    spec: PipelineSpec,
    parted: Parted,
    links: "tuple[Numbers, Numbers]",
    refused: "tuple[Numbers, Numbers]",
) -> list[Contradiction]:
    some = parted.contradicted[:NAMED]
    cuts = [(at, turn) for at, turn in parted.cuts if turn in some]
    numbers = [int(side[turn]) for turn in some for side in refused]
    numbers += [int(side[at]) for at, _ in cuts for side in links]
    names = record_names(engine, spec, numbers)

    def of(sides: "tuple[Numbers, Numbers]", at: int) -> tuple[str, str]:
        return names[int(sides[0][at])], names[int(sides[1][at])]

    return [
        Contradiction(
            left=of(refused, turn)[0],
            right=of(refused, turn)[1],
            cut=[of(links, at) for at, by in cuts if by == turn],
        )
        for turn in some
    ]


def _view(cuts: str, records: str) -> str:
    names = ("left", "right", "because_left", "because_right")
    ids = ", ".join(f"{name}_r.record_id as {name}_id" for name in names)
    sources = ", ".join(f"{name}_r.source as {name}_source" for name in names)
    joins = " ".join(
        f"join {records} as {name}_r on {name}_r.record_no = c.{name}_no" for name in names
    )
    return f"select {ids}, c.match_probability, c.answered, {sources} from {cuts} as c {joins}"
