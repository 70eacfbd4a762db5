"""Odd levels where truth is known: those whose matches are wrong, with a wrong one as the example.

Without truth a level is odd by what its matches look like, see `odd_levels`; people who moved look
so, too. Truth says which they are.
"""

from collections.abc import Sequence

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.matching.odd_levels import OddLevel
from er_pipeline.matching.record_names import record_names

# Matches of a level are right if so many of them are true.
RIGHT = 0.95


def known_odd_levels(
    engine: Engine, spec: PipelineSpec, found: Sequence[OddLevel], accepted: str, threshold: float
) -> list[OddLevel]:
    """Keep those odd levels of which truth says that their matches are wrong, most wrong first.

    accepted: engine table (left_no, right_no) of the matches that count, whatever the threshold.
    Reads the engine's matches, true_pairs and cleaned_records. Their differ stays as it was; wrong
    and matches are added, and the example is no true pair.
    """
    wrong_ones = []
    for odd in found:
        level, field = quoted(f"gamma_{odd['near']}"), quoted(f"gamma_{odd['field']}")
        of_level = (
            f"(select * from matches semi join {accepted} as a using (left_no, right_no)) as m"
            " left join true_pairs as t"
            " on t.left_no = m.left_no and t.right_no = m.right_no"
            f" where m.match_probability >= {threshold!r} and m.{level} = {odd['level']}"
        )
        n, n_wrong = engine.row(
            f"select count(*), count(*) filter (where t.left_no is null) from {of_level}"
        )
        if n_wrong <= (1 - RIGHT) * n:
            continue
        ((left, right),) = engine.rows(
            f"select m.left_no, m.right_no from {of_level} and t.left_no is null"
            f" order by m.{field} = 0 desc, m.match_probability desc, 1, 2 limit 1"
        )
        names = record_names(engine, spec, [left, right])
        kept: OddLevel = {
            **odd,
            "matches": n,
            "wrong": n_wrong,
            "example": [names[left], names[right]],
        }
        wrong_ones.append(kept)
    return sorted(wrong_ones, key=lambda odd: (-odd["wrong"], odd["near"], odd["field"]))
