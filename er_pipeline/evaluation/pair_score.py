"""The score of one pair, comparison by comparison, as the model of the lake gives it.

The same sum that Splink makes of a pair: the prior's weight and one term per comparison, in bits,
where the frequency of an equal value takes the place of its level's u.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.matching.comparisons import compared_value
from er_pipeline.matching.level_conditions import Level, prior_weight, read_comparisons
from er_pipeline.matching.term_frequencies import frequency_sql


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
    engine: Engine, model: Mapping[str, Any], frequencies: str, left_no: int, right_no: int
) -> PairScore:
    """Score one pair of the engine's cleaned_records.

    model: Splink's settings, trained. frequencies: of `read_frequencies`.
    """
    described = model["comparisons"]
    comparisons = read_comparisons(model)
    columns = sorted({column for comparison in comparisons for column in comparison.columns})
    sides = ", ".join(
        f"{side}.{quoted(column)} as {quoted(f'{column}_{side}')}"
        for side in ("l", "r")
        for column in columns
    )
    cut = ", ".join(["record_no", *(compared_value(column) for column in columns)])
    two = "two_compared"
    engine.make_table(
        two, f"select {cut} from cleaned_records where record_no in ({left_no}, {right_no})"
    )
    levels = ", ".join(comparison.level_sql() for comparison in comparisons)
    found = engine.row(
        f"select {levels} from (select {sides} from {two} as l join {two} as r"
        f" on l.record_no = {left_no} and r.record_no = {right_no})"
    )
    terms = []
    for comparison, written, number in zip(comparisons, described, found, strict=True):
        level = comparison.levels[int(number)]
        weight = level.weight
        if level.tf_column and level.tf_weight:
            weight += _by_frequency(engine, level, two, frequencies)
        label = str(written["comparison_levels"][int(number)]["label_for_charts"])
        terms.append(Term(str(written["output_column_name"]), label, weight))
    prior = prior_weight(model)
    total = min(max(prior + sum(term.weight for term in terms), -1000.0), 1000.0)
    return PairScore(float(1 / (1 + np.exp2(-total))), prior, tuple(terms))


def _by_frequency(engine: Engine, level: Level, records: str, frequencies: str) -> float:
    """Give what the frequencies of two records' values add to the weight of their level, in bits.

    records: engine table with the two, as they are compared.
    """
    known = frequency_sql(str(level.tf_column), records, frequencies)
    (most,) = engine.row(f"select max(frequency) from ({known})")
    if most is None:
        return 0.0
    share = max(float(most), level.tf_least)
    return float(np.log2(level.tf_base / share) * level.tf_weight)
