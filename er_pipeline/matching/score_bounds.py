"""Upper bounds of a model's match weight, so that hopeless pairs need not be scored at all.

A pair's weight is the prior's plus one term per comparison, and a term depends on the compared
values alone. Where a field has few distinct values, every term of one record is computed once per
distinct value and looked up for all others; where it has many, the term is bounded: by what the
level of equal values gives, or of a missing one, or else by the best of the other levels. What the
bound rules out could not have reached the wanted weight, so nothing is lost. Of the pairs that are
left the bounded values are compared, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import sqlglot
from numpy.typing import NDArray
from sqlglot import exp

from er_pipeline.blocking.engine_duckdb import DuckDBEngine, quoted

# Comparisons of up to so many distinct values are computed, or of up to such a share of the
# records; those of more are bounded. Of 100,000 people a bounded date of birth (23,000 values)
# leaves 36,000 pairs per record to be compared, a computed one 1,500.
MOST_VALUES, MOST_VALUES_PER_RECORD = 60_000, 0.2
# What a level without a u is taken to say, in bits: more than any evidence.
CERTAIN = 100.0


@dataclass(frozen=True)
class Level:
    """One level of a comparison: its condition over columns x_l, x_r, and its weight in bits.

    weight: log2(m / u); 0 for missing values and untrained levels. tf_column: column whose
    frequency replaces u, to the power of tf_weight; tf_base: that u; tf_least: least frequency.
    """

    condition: str
    weight: float
    is_null: bool
    is_equality: bool
    tf_column: str | None = None
    tf_weight: float = 0.0
    tf_base: float = 0.0
    tf_least: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """The levels of one comparison, and the columns that they read."""

    columns: tuple[str, ...]
    levels: tuple[Level, ...]

    def level_sql(self) -> str:
        """Write the expression of the number of the level that applies."""
        cases = "".join(
            f" when {level.condition} then {i}"
            for i, level in enumerate(self.levels)
            if level.condition.upper() != "ELSE"
        )
        other = next((i for i, lv in enumerate(self.levels) if lv.condition.upper() == "ELSE"), -1)
        return f"case{cases} else {other} end" if cases else str(other)


def read_comparisons(model: Mapping[str, Any]) -> list[Comparison]:
    """Read the comparisons of a model as Splink writes it into its JSON."""
    return [_comparison(told["comparison_levels"]) for told in model["comparisons"]]


def prior_weight(model: Mapping[str, Any]) -> float:
    """Give the prior's match weight, in bits."""
    share = float(model["probability_two_random_records_match"])
    return float(np.log2(share / (1 - share)))


def weight_of(probability: float) -> float:
    """Give the match weight of a probability, in bits."""
    return float(np.log2(probability / (1 - probability)))


def _comparison(told: Sequence[Mapping[str, Any]]) -> Comparison:
    conditions = [str(level["sql_condition"]) for level in told]
    columns = [
        column.name[:-2]
        for condition in conditions
        if condition.upper() != "ELSE"
        for column in sqlglot.parse_one(condition, dialect="duckdb").find_all(exp.Column)
        if column.name[-2:] in ("_l", "_r")
    ]
    equal = next(
        (
            level.get("u_probability")
            for level in told
            if _is_equality(str(level["sql_condition"])) and level.get("u_probability")
        ),
        None,
    )
    return Comparison(tuple(dict.fromkeys(columns)), tuple(_level(level, equal) for level in told))


def _level(told: Mapping[str, Any], equal_u: float | None) -> Level:
    condition, is_null = str(told["sql_condition"]), bool(told.get("is_null_level"))
    m, u = told.get("m_probability"), told.get("u_probability")
    weight = 0.0
    if not is_null and m is not None and u is not None:
        weight = CERTAIN if u == 0 else float(np.log2(max(m, 1e-300) / u))
    return Level(
        condition,
        weight,
        is_null,
        _is_equality(condition),
        told.get("tf_adjustment_column"),
        float(told.get("tf_adjustment_weight") or 0.0),
        float(equal_u or u or 0.0),
        float(told.get("tf_minimum_u_value") or 0.0),
    )


def _is_equality(condition: str) -> bool:
    """Tell whether a condition is that one column is equal on both sides."""
    if condition.upper() == "ELSE":
        return False
    tree = sqlglot.parse_one(condition, dialect="duckdb")
    if not isinstance(tree, exp.EQ):
        return False
    sides = [tree.this, tree.expression]
    if not all(isinstance(side, exp.Column) for side in sides):
        return False
    left, right = sorted(side.name for side in sides)
    return left[:-2] == right[:-2] and (left[-2:], right[-2:]) == ("_l", "_r")


class ScoreBounds:
    """Bounds of the weights of some records against all.

    Reads the engine's table `records` (record_no from 0, without gaps, and the columns the model
    compares), and leaves values_<i> behind, the distinct values of each comparison.
    """

    def __init__(self, engine: DuckDBEngine, model: Mapping[str, Any], records: str) -> None:
        """Number the values of every comparison."""
        self.engine = engine
        self.prior = prior_weight(model)
        self.comparisons = read_comparisons(model)
        self.codes: list[NDArray[np.int32]] = []
        self.n_values: list[int] = []
        for i, comparison in enumerate(self.comparisons):
            columns = ", ".join(quoted(column) for column in comparison.columns)
            engine.make_table(
                f"values_{i}",
                f"select cast(row_number() over (order by {columns}) - 1 as integer) as code,"
                f" {columns}, count(*) as n from {records} group by {columns}",
            )
            same = " and ".join(
                f"v.{quoted(column)} is not distinct from r.{quoted(column)}"
                for column in comparison.columns
            )
            found = engine.con.execute(
                f"select v.code from {records} as r join values_{i} as v on {same}"
                " order by r.record_no"
            ).fetchnumpy()
            self.codes.append(np.asarray(found["code"], np.int32))
            (n_values,) = engine.row(f"select count(*) from values_{i}")
            self.n_values.append(int(n_values))
        (n_records,) = engine.row(f"select count(*) from {records}")
        self.n_records = int(n_records)

    def at_least(
        self, sampled: NDArray[np.int64], weight: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Give the pairs of a sampled record and any other that may reach a weight, in bits.

        Returns two arrays, the sampled record of each pair and the other one, and of how many pairs
        the values had to be compared one by one. What is given can miss the weight only by what
        frequencies take from it. Peak memory: 4 bytes per sampled record and record, and some 50
        per pair compared; give it a few dozens of records at a time.
        """
        total = np.full((len(sampled), self.n_records), self.prior, np.float32)
        bounded = []
        for i, codes in enumerate(self.codes):
            own, place = np.unique(codes[sampled], return_inverse=True)
            most = max(MOST_VALUES, MOST_VALUES_PER_RECORD * self.n_records)
            computed = self.n_values[i] <= most
            weights = self._weights(i, own, computed)
            total += weights[place][:, codes]
            if not computed:
                bounded.append((i, own, place, weights))
        total[np.arange(len(sampled)), sampled] = -np.inf
        # Sums of 32 bits are off by less than this.
        weight -= 1e-3
        row, other = np.nonzero(total >= weight)
        n_compared = len(row)
        reached = total[row, other]
        del total
        for i, own, place, weights in bounded:
            codes = self.codes[i][other]
            terms = self._terms_of_pairs(i, own, place[row], codes)
            reached += terms - weights[place[row], codes]
            near = reached >= weight
            row, other, reached = row[near], other[near], reached[near]
        return sampled[row], other.astype(np.int64), n_compared

    def _terms_of_pairs(
        self, i: int, own: NDArray[np.int32], place: NDArray[Any], codes: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        """Give the terms of pairs of values: own[place] and the one of each code."""
        values, back = np.unique(
            place.astype(np.int64) * self.n_values[i] + codes, return_inverse=True
        )
        left, right = np.divmod(values, self.n_values[i])
        con = self.engine.con
        con.register(
            "value_pairs", pa.table({"l": own[left], "r": right, "n": np.arange(len(values))})
        )
        found = con.execute(
            f"select n, {self.comparisons[i].level_sql()} as level from ("
            f"select p.n, {self._sides(i)} from value_pairs as p"
            f" join values_{i} as l on l.code = p.l join values_{i} as r on r.code = p.r)"
        ).fetchnumpy()
        con.unregister("value_pairs")
        level = np.zeros(len(values), np.int64)
        level[np.asarray(found["n"])] = np.asarray(found["level"])
        terms: NDArray[np.float32] = self._terms_of_levels(i, own)[left, level][back]
        return terms

    def _sides(self, i: int) -> str:
        return ", ".join(
            f"l.{quoted(column)} as {quoted(column + '_l')},"
            f" r.{quoted(column)} as {quoted(column + '_r')}"
            for column in self.comparisons[i].columns
        )

    def _weights(self, i: int, own: NDArray[np.int32], computed: bool) -> NDArray[np.float32]:
        """Give (n_own, n_values) bounds of the terms of some values of a comparison with all.

        computed: whether the levels of different values are computed, or only bounded.
        """
        comparison = self.comparisons[i]
        missing = " and ".join(f"r.{quoted(column)} is null" for column in comparison.columns)
        found = self.engine.con.execute(
            f"""
            select own, code, {comparison.level_sql()} as level from (
                select l.code as own, r.code as code, {self._sides(i)}
                from (select * from values_{i} where code in ({", ".join(map(str, own))})) as l
                cross join values_{i} as r
                where {"true" if computed else f"l.code = r.code or ({missing})"}
            )
            """
        ).fetchnumpy()
        terms = self._terms_of_levels(i, own)
        # Two values may be different and one of their columns equal.
        single = len(comparison.columns) == 1
        others = [
            terms[:, n]
            for n, level in enumerate(comparison.levels)
            if not level.is_null and not (single and level.is_equality)
        ]
        most = np.maximum(np.max(others, axis=0), 0.0) if others else np.zeros(len(own))
        weights = np.repeat(most.astype(np.float32)[:, None], self.n_values[i], axis=1)
        rows = np.searchsorted(own, np.asarray(found["own"]))
        level = np.asarray(found["level"], np.int64)
        weights[rows, np.asarray(found["code"])] = terms[rows, level]
        return weights

    def _terms_of_levels(self, i: int, own: NDArray[np.int32]) -> NDArray[np.float32]:
        """Give (n_own, n_levels) weights, with the most that frequencies may add to each.

        The frequency counted is the larger one of the two values, so it is at least the own one's.
        """
        levels = self.comparisons[i].levels
        terms = np.repeat(
            np.array([[level.weight for level in levels]], np.float32), len(own), axis=0
        )
        for n, level in enumerate(levels):
            if level.tf_column and level.tf_weight and level.tf_base:
                least = np.maximum(self._frequency(i, level.tf_column)[own], level.tf_least)
                terms[:, n] += level.tf_weight * np.log2(level.tf_base / least)
        return terms

    def _frequency(self, i: int, column: str) -> NDArray[np.float64]:
        """Give the share of the records with a value that have the one of each code."""
        if column not in self.comparisons[i].columns:
            return np.full(self.n_values[i], 1 / self.n_records)
        name = quoted(column)
        found = self.engine.con.execute(
            f"select coalesce(sum(n) over (partition by {name})"
            f" / cast(sum(n) filter (where {name} is not null) over () as double), 1.0) as share"
            f" from values_{i} order by code"
        ).fetchnumpy()
        return np.maximum(np.asarray(found["share"], np.float64), 1 / self.n_records)
