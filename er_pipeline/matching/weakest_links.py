"""The links that an entity hangs on: those of its maximum spanning tree, the weakest first.

An entity falls apart at a higher threshold where the least sure link of that tree falls, however
many weaker matches lie beside it. So of a giant entity these are the links to look at.

Source: Gower and Ross, "Minimum Spanning Trees and Single Linkage Cluster Analysis", 1969.
"""

from typing import TypedDict

import numpy as np

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.matching.record_names import record_names

# Links that are kept; who has looked at these knows what joined the entity.
LINKS = 5
# Matches of an entity that are sorted: some 300 MB. An entity of more is no chain.
MOST_MATCHES = 5_000_000


class Link(TypedDict):
    """A link of an entity's tree; records_*: what it alone joins on either side in the tree."""

    left: str
    right: str
    match_probability: float
    records_left: int
    records_right: int


def weakest_links(
    engine: Engine, spec: PipelineSpec, matches: str, entities: str, entity_no: int
) -> list[Link]:
    """Return the weakest links of an entity's maximum spanning tree, weakest first.

    matches: engine table (left_no, right_no, match_probability) of the matches joined. entities:
    engine table (record_no, entity_no). Reads the engine's cleaned_records. Of equal probabilities
    the link of the greater numbers is the weaker one, so the same matches give the same links.
    Empty for one record, and for an entity of more than `MOST_MATCHES` matches.
    """
    of_entity = (
        f"{matches} as m join {entities} as e on e.record_no = m.left_no"
        f" where e.entity_no = {entity_no}"
    )
    (n_matches,) = engine.row(f"select count(*) from {of_entity}")
    if not 0 < n_matches <= MOST_MATCHES:
        return []
    found = engine.columns(
        f"select m.left_no, m.right_no, m.match_probability from {of_entity}"
        " order by m.match_probability desc, m.left_no, m.right_no"
    )
    left, right = (np.asarray(found[side], np.int64) for side in ("left_no", "right_no"))
    probability = np.asarray(found["match_probability"], np.float64)
    return _named(engine, spec, _tree_links(left, right), left, right, probability)


def _tree_links(
    left: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    right: "np.ndarray[tuple[int], np.dtype[np.int64]]",
) -> list[tuple[int, int, int]]:
    """Give the weakest links as (place, records on its left side, on its right), weakest first.

    left, right: of the matches, the surest first.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    records, codes = np.unique(np.concatenate([left, right]), return_inverse=True)
    # scipy's graphs have places of 32 bits; older ones refuse longer ones.
    ends = codes.reshape(2, -1).astype(np.int32)
    # Ranks instead of probabilities: all differ, so there is one such tree.
    ranks = np.arange(1, len(left) + 1, dtype=np.float64)
    shape = (len(records), len(records))
    tree = minimum_spanning_tree(csr_array((ranks, (ends[0], ends[1])), shape=shape))
    places = np.sort(tree.data.astype(np.int64) - 1)
    links = []
    for place in places[::-1][:LINKS]:
        kept = places[places != place]
        rest = csr_array((np.ones(len(kept)), (ends[0][kept], ends[1][kept])), shape=shape)
        _, side = connected_components(rest, directed=False)
        sizes = np.bincount(side)
        links.append(
            (int(place), int(sizes[side[ends[0][place]]]), int(sizes[side[ends[1][place]]]))
        )
    return links


def _named(
    engine: Engine,
    spec: PipelineSpec,
    links: list[tuple[int, int, int]],
    left: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    right: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    probability: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> list[Link]:
    numbers = [int(side[place]) for place, _, _ in links for side in (left, right)]
    names = record_names(engine, spec, numbers)
    return [
        {
            "left": names[int(left[place])],
            "right": names[int(right[place])],
            "match_probability": float(probability[place]),
            "records_left": n_left,
            "records_right": n_right,
        }
        for place, n_left, n_right in links
    ]


def link_text(link: Link) -> str:
    """Write a link for people: who, how sure, and what it joins."""
    return (
        f"{link['left']} and {link['right']} ({link['match_probability']:.6g}, joins"
        f" {link['records_left']:,} and {link['records_right']:,} records)"
    )
