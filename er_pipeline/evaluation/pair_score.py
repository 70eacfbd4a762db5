"""The scores of given pairs, comparison by comparison, as the model of the lake gives them.

The same sum that Splink makes of a pair: the prior's weight and one term per comparison, in bits,
where the frequency of an equal value takes the place of its level's u.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.matching.comparisons import compared_value
from er_pipeline.matching.level_conditions import (
    Comparison,
    prior_weight,
    read_comparisons,
)
from er_pipeline.matching.term_frequencies import frequency_sql

# Beyond so many bits a probability is 0 or 1 anyway, and its power would be no number.
MOST_BITS = 1000.0


@dataclass(frozen=True)
class Term:
    """What one comparison says of a pair.

    level: as the model calls it. weight: in bits, frequencies included.
    """

    comparison: str
    level: str
    weight: float


@dataclass(frozen=True)
class PairScore:
    """The score of a pair: probability follows from the prior and the terms, all in bits."""

    probability: float
    prior: float
    terms: tuple[Term, ...]


def score_pair(
    engine: Engine,
    model: Mapping[str, Any],
    frequencies: str,
    ends: tuple[int, int],
    records: str = "cleaned_records",
) -> PairScore:
    """Score one pair; see `score_pairs`."""
    return score_pairs(engine, model, frequencies, [ends], records)[0]


def score_pairs(
    engine: Engine,
    model: Mapping[str, Any],
    frequencies: str,
    pairs: Sequence[tuple[int, int]],
    of: str = "cleaned_records",
) -> list[PairScore]:
    """Score some pairs, in their order.

    model: Splink's settings, trained. frequencies: of `read_frequencies`. pairs: (left_no,
    right_no), a few. of: engine table with their records, as cleaned_records.
    """
    if not pairs:
        return []
    comparisons, described = read_comparisons(model), model["comparisons"]
    wanted = ", ".join(f"({place}, {left}, {right})" for place, (left, right) in enumerate(pairs))
    ends = ", ".join(str(no) for no in sorted({no for pair in pairs for no in pair}))
    records = "compared_ends"
    engine.make_table(
        records,
        f"select {_compared(comparisons)} from {of} where record_no in ({ends})",
    )
    placed = f"(select * from (values {wanted}) as v(place, left_no, right_no))"
    sides = _sides_of_pairs(comparisons, placed, records)
    weighed = weighed_sql(comparisons, frequencies, sides, records)
    columns = ", ".join(f"level_{i}, weight_{i}" for i in range(len(comparisons)))
    found = engine.rows(f"select {columns} from ({weighed}) order by place")
    prior = prior_weight(model)
    scores = []
    for row in found:
        terms = tuple(
            Term(
                str(written["output_column_name"]),
                str(written["comparison_levels"][int(level)]["label_for_charts"]),
                float(weight),
            )
            for written, level, weight in zip(described, row[::2], row[1::2], strict=True)
        )
        total = min(max(prior + sum(term.weight for term in terms), -MOST_BITS), MOST_BITS)
        scores.append(PairScore(float(1 / (1 + np.exp2(-total))), prior, terms))
    return scores


def scored_sql(
    engine: Engine,
    model: Mapping[str, Any],
    frequencies: str,
    pairs: str,
    of: str = "cleaned_records",
) -> str:
    """Write the query that scores pairs, however many.

    pairs: engine table (left_no, right_no), distinct. of: as for `score_pairs`. Gives left_no,
    right_no, match_probability. It needs no Splink, whose import takes a second.
    """
    comparisons = read_comparisons(model)
    ends, records = "numbered_ends", "compared_ends"
    engine.make_table(
        ends,
        "select row_number() over (order by left_no, right_no) as place, left_no, right_no"
        f" from {pairs}",
    )
    engine.make_table(
        records,
        f"select {_compared(comparisons)} from {of} where record_no in"
        f" (select left_no from {ends} union all select right_no from {ends})",
    )
    sides = _sides_of_pairs(comparisons, ends, records)
    weighed = weighed_sql(comparisons, frequencies, sides, records)
    total = " + ".join(
        [repr(prior_weight(model)), *(f"weight_{i}" for i in range(len(comparisons)))]
    )
    bounded = f"least(greatest({total}, -{MOST_BITS}), {MOST_BITS})"
    return (
        f"select e.left_no, e.right_no, 1 / (1 + pow(2, -({bounded}))) as match_probability"
        f" from ({weighed}) as w join {ends} as e on e.place = w.place"
    )


def self_weight_sql(engine: Engine, model: Mapping[str, Any], frequencies: str) -> str:
    """Write the query (record_no, weight) of what every record would score against itself.

    A record scores most against one that is equal, so one that stays below the threshold cannot
    match anything. Reads the engine's cleaned_records. weight: in bits, the prior included.
    """
    comparisons = read_comparisons(model)
    records = "compared_records"
    engine.make_view(records, f"select {_compared(comparisons)} from cleaned_records")
    sides = f"select record_no as place, {_sides(comparisons, 'r', 'r')} from {records} as r"
    weights = " + ".join(f"weight_{i}" for i in range(len(comparisons)))
    weighed = weighed_sql(comparisons, frequencies, sides, records)
    return (
        f"select place as record_no, {prior_weight(model)!r} + {weights} as weight from ({weighed})"
    )


def weighed_sql(
    comparisons: Sequence[Comparison], frequencies: str, sides: str, records: str
) -> str:
    """Write the query of the levels of pairs and what each says (place, level_<i>, weight_<i>).

    sides: query of a pair's place and both values of every compared column, as x_l and x_r.
    records: engine table with the values as they are compared. weight_<i>: in bits.
    """
    levels = ", ".join(f"{c.level_sql()} as level_{i}" for i, c in enumerate(comparisons))
    counted = sorted({lv.tf_column for c in comparisons for lv in c.levels if lv.tf_column})
    joins, shares = "", {}
    for n, column in enumerate(counted):
        for side in ("l", "r"):
            alias, name = f"f{n}_{side}", quoted(column)
            known = frequency_sql(column, records, frequencies)
            own = quoted(f"{column}_{side}")
            joins += f" left join ({known}) as {alias} on {alias}.{name} = v.{own}"
        shares[column] = f"greatest(f{n}_l.frequency, f{n}_r.frequency)"  # NULL only if both are
    weights = ", ".join(
        f"{_weight_sql(comparison, i, shares)} as weight_{i}"
        for i, comparison in enumerate(comparisons)
    )
    numbers = ", ".join(f"level_{i}" for i in range(len(comparisons)))
    return (
        f"select v.place, {numbers}, {weights} from (select *, {levels} from ({sides})) as v{joins}"
    )


def _weight_sql(comparison: Comparison, i: int, shares: Mapping[str, str]) -> str:
    cases = []
    for number, level in enumerate(comparison.levels):
        weight = repr(level.weight)
        if level.tf_column and level.tf_weight and level.tf_base:
            share = f"greatest({shares[level.tf_column]}, {level.tf_least!r})"
            term = f"{level.tf_weight!r} * log2({level.tf_base!r} / {share})"
            known = f"{shares[level.tf_column]} is not null"
            weight = f"{weight} + case when {known} then {term} else 0 end"
        cases.append(f" when {number} then {weight}")
    return f"cast(case level_{i}{''.join(cases)} end as double)"


def _columns(comparisons: Sequence[Comparison]) -> list[str]:
    return sorted({column for comparison in comparisons for column in comparison.columns})


def _compared(comparisons: Sequence[Comparison]) -> str:
    return ", ".join(["record_no", *map(compared_value, _columns(comparisons))])


def _sides_of_pairs(comparisons: Sequence[Comparison], pairs: str, records: str) -> str:
    """Write the query of both values of pairs; pairs: place, left_no, right_no."""
    return (
        f"select p.place, {_sides(comparisons, 'l', 'r')} from {pairs} as p"
        f" join {records} as l on l.record_no = p.left_no"
        f" join {records} as r on r.record_no = p.right_no"
    )


def _sides(comparisons: Sequence[Comparison], left: str, right: str) -> str:
    return ", ".join(
        f"{alias}.{quoted(column)} as {quoted(f'{column}_{side}')}"
        for side, alias in (("l", left), ("r", right))
        for column in _columns(comparisons)
    )
