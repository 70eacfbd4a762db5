"""Entity bridges: links that alone hold two groups of records together as one entity.

A wrong match between two people of several records each is such a link, as those of either are
matched among themselves and nothing else joins them. A single record that hangs on one link is no
bridge: most records have but one match.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, Table
from er_pipeline.blocking.tables.views import pairs_by_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

# Entities of fewer records have no two groups; of larger ones, which the check on giant entities
# reports, the weakest links are shown in any case.
LEAST_RECORDS, MOST_RECORDS = 4, 200
# The weakest links that are looked at, about a second, and the bridges that are listed: more than
# anybody judges in a night.
MOST_LOOKED_AT, MOST_LISTED = 3_000, 1_000

ENTITY_BRIDGES = Table(
    "entity_bridges",
    "Links that alone hold an entity of several groups together, the weakest first.",
    [
        Column("bridge_no", "INTEGER", "Place, the weakest first", minimum=0),
        LEFT_NO,
        RIGHT_NO,
        Column("match_probability", "DOUBLE", "Of the link"),
        Column("match_weight", "FLOAT", "The same as log2 of the odds, in bits"),
        Column("records_left", "INTEGER", "Records on its left side", minimum=2),
        Column("records_right", "INTEGER", "Records on its right side", minimum=2),
    ],
    pairs_by_id(
        "entity_bridges",
        before=["p.bridge_no"],
        after=["p.match_probability", "p.match_weight", "p.records_left", "p.records_right"],
    ),
)


def find_bridges(engine: Engine) -> None:
    """Make entity_bridges, from the engine's entity_links and joined (record_no, entity_no).

    A pair that people call a match is no weak link. Only links of entities that hold one of the
    weakest links without a common neighbour pass through Python.
    """
    engine.make_table(
        "links_within",
        f"""
        select l.left_no, l.right_no, l.match_probability, l.match_weight, l.answered, j.entity_no
        from entity_links as l join joined as j on j.record_no = l.left_no
        where j.entity_no in (
            select entity_no from joined group by entity_no
            having count(*) between {LEAST_RECORDS} and {MOST_RECORDS}
        )
        """,
    )
    engine.make_table(
        "neighbours_within",
        "select left_no as record_no, right_no as other_no from links_within"
        " union all select right_no, left_no from links_within",
    )
    several = "select record_no from neighbours_within group by record_no having count(*) > 1"
    # A link whose records share a neighbour lies on a circle; one at the end of a chain joins but
    # one record.
    engine.make_table(
        "looked_at",
        f"""
        select * from links_within
        anti join (
            select l.left_no, l.right_no from links_within as l
            join neighbours_within as a on a.record_no = l.left_no
            join neighbours_within as b on b.record_no = l.right_no and b.other_no = a.other_no
        ) using (left_no, right_no)
        where not answered
            and left_no in ({several}) and right_no in ({several})
        order by match_weight, left_no, right_no limit {MOST_LOOKED_AT}
        """,
    )
    found = engine.columns("select left_no, right_no, entity_no from looked_at")
    around = engine.columns(
        "select left_no, right_no, entity_no from links_within"
        " where entity_no in (select entity_no from looked_at) order by entity_no"
    )
    left, right, entity = (_numbers(found, name) for name in COLUMNS)
    sides = _sides(left, right, entity, _of_entities(around))
    engine.put(
        "sides",
        {
            "left_no": left.astype(np.int32),
            "right_no": right.astype(np.int32),
            "records_left": sides[0].astype(np.int32),
            "records_right": sides[1].astype(np.int32),
        },
    )
    engine.make_table(
        "entity_bridges",
        f"""
        select cast(row_number() over (order by match_weight, left_no, right_no) - 1 as integer)
                as bridge_no,
            left_no, right_no, match_probability, match_weight, records_left, records_right
        from looked_at join sides using (left_no, right_no)
        where records_left >= 2 and records_right >= 2
        order by bridge_no limit {MOST_LISTED}
        """,
    )


COLUMNS = ("left_no", "right_no", "entity_no")


def _of_entities(around: "Mapping[str, NDArray[Any]]") -> "dict[int, Numbers]":
    """Give the links of every entity, (2, n_links) numbers of records."""
    left, right, entity = (_numbers(around, name) for name in COLUMNS)
    starts = np.flatnonzero(np.diff(entity, prepend=-1))
    ends = np.append(starts, len(entity))[1:]
    return {
        int(entity[start]): np.stack([left[start:end], right[start:end]])
        for start, end in zip(starts, ends, strict=True)
    }


def _sides(
    left: "Numbers", right: "Numbers", entity: "Numbers", links: "dict[int, Numbers]"
) -> "tuple[Numbers, Numbers]":
    """Count the records that each link has on either side; 0 and 0 where it is no bridge."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n_left, n_right = np.zeros(len(left), np.int64), np.zeros(len(left), np.int64)
    for i, (a, b, entity_no) in enumerate(zip(left, right, entity, strict=True)):
        all_links = links[int(entity_no)]
        rest = all_links[:, (all_links[0] != a) | (all_links[1] != b)]
        records = np.unique(all_links)
        ends = np.searchsorted(records, rest).astype(np.int32)
        graph = csr_array(
            (np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(len(records), len(records))
        )
        _, part_of = connected_components(graph, directed=False)
        of_a, of_b = (part_of[np.searchsorted(records, end)] for end in (a, b))
        if of_a != of_b:
            sizes = np.bincount(part_of)
            n_left[i], n_right[i] = sizes[of_a], sizes[of_b]
    return n_left, n_right


def _numbers(columns: "Mapping[str, NDArray[Any]]", name: str) -> "Numbers":
    return np.asarray(columns[name], np.int64)
