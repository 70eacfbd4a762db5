"""Entity links: which pairs join records into entities.

They are the matches at the threshold and the pairs that people call a match, without those that
people call no match. One-to-one, of the matches only the best are taken: in the order of their
weight, each if no two records of one source come together by it. People's answers hold there, too.

Source: the order is that of Unique Mapping Clustering, Lacoste-Julien et al., "SIGMa", 2013; for
two sources it is the greedy maximum weight matching. Splink's own single best links know a link's
rounded probability alone, and take ties by the order in which the database gives them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, Table, arrow_of
from er_pipeline.blocking.tables.views import pairs_by_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Links that pass through Python at once, some 100 MB.
LINKS_AT_ONCE = 500_000

ENTITY_LINKS = Table(
    "entity_links",
    "The pairs that join records into entities: matches, and what people said.",
    [
        LEFT_NO,
        RIGHT_NO,
        Column("match_probability", "DOUBLE", "Of the scored pair", required=False),
        Column("match_weight", "FLOAT", "The same as log2 of the odds, in bits", required=False),
        Column("answered", "BOOLEAN", "Whether people call it a match"),
    ],
    pairs_by_id("entity_links", after=["p.match_probability", "p.match_weight", "p.answered"]),
)


def choose_links(engine: Engine, threshold: float, *, one_to_one: bool) -> None:
    """Make entity_links, a table of the engine, from what was scored and what was answered.

    Reads the engine's matches and answers (left_no, right_no, answer) and, one-to-one,
    cleaned_records. threshold: the least probability of a match.
    """
    engine.make_table(
        "entity_links",
        f"""
        select m.left_no, m.right_no, m.match_probability, m.match_weight,
            a.answer is not null as answered
        from matches as m left join answers as a
            on a.left_no = m.left_no and a.right_no = m.right_no
        where coalesce(a.answer = 'match', m.match_probability >= {threshold!r})
        union all
        select left_no, right_no, null, null, true
        from answers anti join matches using (left_no, right_no) where answer = 'match'
        """,
    )
    if one_to_one:
        _keep_best(engine)


def _keep_best(engine: Engine) -> None:
    """Take the links out of entity_links that are not the best of both records.

    A link is taken as it stands where neither record has another; the others are walked through in
    the order of their weight, of equal ones in that of the records.
    """
    engine.make_table(
        "linked_often",
        """
        select record_no from (
            select left_no as record_no from entity_links
            union all select right_no from entity_links
        ) group by record_no having count(*) > 1
        """,
    )
    contested = (
        "from entity_links where left_no in (from linked_often) or right_no in (from linked_often)"
    )
    engine.make_table(
        "contested_links",
        "select *, row_number() over"
        f" (order by answered desc, match_weight desc, left_no, right_no) as turn {contested}",
    )
    clusters = _Clusters(engine)
    engine.put("links_passed_over", arrow_of([Column("turn", "BIGINT", "")]))
    (n_links,) = engine.row("select count(*) from contested_links")
    for start in range(0, n_links, LINKS_AT_ONCE):
        found = engine.columns(
            "select left_no, right_no, answered, turn from contested_links"
            f" where turn > {start} and turn <= {start + LINKS_AT_ONCE} order by turn"
        )
        engine.put("some_links", {"turn": clusters.passed_over(found)})
        engine.append("links_passed_over", "select turn from some_links")
    engine.make_table(
        "best_links",
        """
        select left_no, right_no, match_probability, match_weight, answered
        from contested_links anti join links_passed_over using (turn)
        union all
        select * from entity_links where not (
            left_no in (from linked_often) or right_no in (from linked_often)
        )
        """,
    )
    engine.make_table("entity_links", "from best_links")


class _Clusters:
    """Records that links join, as they are taken; no two of one source, but by an answer."""

    def __init__(self, engine: Engine) -> None:
        """Let every record stand alone, with its source."""
        found = engine.columns("select source_no from cleaned_records order by record_no")
        sources = np.asarray(found["source_no"], np.int64)
        self.parent = list(range(len(sources)))
        self.sources = [1 << int(source) for source in sources]

    def passed_over(self, links: "Mapping[str, NDArray[Any]]") -> "NDArray[np.int64]":
        """Take links in their order; return the turns of those that cannot be taken."""
        sides = (links[name].tolist() for name in ("left_no", "right_no", "answered", "turn"))
        turns = [
            turn
            for left, right, answered, turn in zip(*sides, strict=True)
            if not self._takes(left, right, answered)
        ]
        return np.asarray(turns, np.int64)

    def _takes(self, left: int, right: int, answered: bool) -> bool:
        low, high = sorted((self._root(left), self._root(right)))
        if low == high:
            return True
        if not answered and self.sources[low] & self.sources[high]:
            return False
        self.parent[high] = low
        self.sources[low] |= self.sources[high]
        return True

    def _root(self, record: int) -> int:
        while self.parent[record] != record:
            self.parent[record] = self.parent[self.parent[record]]
            record = self.parent[record]
        return record
