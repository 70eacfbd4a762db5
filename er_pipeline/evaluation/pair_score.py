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
from er_pipeline.evaluation.score_bounds import Level, prior_weight, read_comparisons
from er_pipeline.matching.comparisons import compared_value


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


def score_pair(engine: Engine, model: Mapping[str, Any], left_no: int, right_no: int) -> PairScore:
    """Score one pair of the engine's cleaned_records.

    model: Splink's settings, trained.
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
    one = f"(select {cut} from cleaned_records where record_no = {{}})"
    levels = ", ".join(comparison.level_sql() for comparison in comparisons)
    found = engine.row(
        f"select {levels} from (select {sides} from {one.format(left_no)} as l"
        f" cross join {one.format(right_no)} as r)"
    )
    terms = []
    for comparison, written, number in zip(comparisons, described, found, strict=True):
        level = comparison.levels[int(number)]
        weight = level.weight
        if level.tf_column and level.tf_weight:
            weight += _by_frequency(engine, level, left_no, right_no)
        label = str(written["comparison_levels"][int(number)]["label_for_charts"])
        terms.append(Term(str(written["output_column_name"]), label, weight))
    prior = prior_weight(model)
    total = min(max(prior + sum(term.weight for term in terms), -1000.0), 1000.0)
    return PairScore(float(1 / (1 + np.exp2(-total))), prior, tuple(terms))


def _by_frequency(engine: Engine, level: Level, left_no: int, right_no: int) -> float:
    """Give what the frequencies of two values add to the weight of their level, in bits."""
    column = compared_value(str(level.tf_column))
    (most,) = engine.row(
        f"""
        with compared as (select record_no, {column} from cleaned_records),
        counted as (
            select {quoted(str(level.tf_column))} as value, count(*) as n from compared
            where value is not null and value in (
                select {quoted(str(level.tf_column))} from compared
                where record_no in ({left_no}, {right_no})
            ) group by value
        )
        select max(n) / (select count({quoted(str(level.tf_column))}) from compared)::double
        from counted
        """
    )
    if most is None:
        return 0.0
    share = max(float(most), level.tf_least)
    return float(np.log2(level.tf_base / share) * level.tf_weight)
