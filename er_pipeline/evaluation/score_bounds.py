"""Upper bounds of a model's match weight, so that hopeless pairs need not be scored at all.

A pair's weight is the prior's plus one term per comparison, and a term depends on the compared
values alone. So of one record a bound of every term is found once per distinct value, from the
levels that the two values may reach (`possible_levels`), and looked up for all records. Of the
pairs whose sum of bounds reaches the wanted weight the values are compared, one comparison after
the other, as long as they still reach it. Nothing that could have reached it is lost.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.evaluation.possible_levels import PossibleLevels
from er_pipeline.matching.level_conditions import prior_weight, read_comparisons
from er_pipeline.matching.term_frequencies import frequency_sql


class ScoreBounds:
    """Bounds of the weights of some records against all.

    Reads the engine's table `records` (record_no from 0, without gaps, and the columns the model
    compares), and leaves values_<i> behind, the distinct values of each comparison. frequencies: of
    `read_frequencies`; None takes those of the records themselves.
    """

    def __init__(
        self, engine: Engine, model: Mapping[str, Any], records: str, frequencies: str | None = None
    ) -> None:
        """Number the values of every comparison, and look at their letters."""
        self.engine = engine
        self.frequencies = frequencies
        self.prior = prior_weight(model)
        self.comparisons = read_comparisons(model)
        self.codes: list[NDArray[np.int32]] = []
        self.missing: list[NDArray[np.bool_]] = []
        self.levels: list[PossibleLevels] = []
        self.shares: list[dict[str, NDArray[np.float64]]] = []
        (n_records,) = engine.row(f"select count(*) from {records}")
        self.n_records = int(n_records)
        for i, comparison in enumerate(self.comparisons):
            columns = ", ".join(quoted(column) for column in comparison.columns)
            engine.make_table(
                f"values_{i}",
                f"select cast(row_number() over (order by {columns}) - 1 as integer) as _code,"
                f" {columns}, count(*) as _n from {records} group by {columns}",
            )
            same = " and ".join(
                f"v.{quoted(column)} is not distinct from r.{quoted(column)}"
                for column in comparison.columns
            )
            found = engine.columns(
                f"select v._code as code from {records} as r join values_{i} as v on {same}"
                " order by r.record_no"
            )
            self.codes.append(np.asarray(found["code"], np.int32))
            self.missing.append(self._missing(i))
            between = [level.condition for level in comparison.levels[1:-1]]
            self.levels.append(PossibleLevels(engine, f"values_{i}", between))
            counted = {level.tf_column for level in comparison.levels if level.tf_column}
            self.shares.append({column: self._shares(i, column) for column in sorted(counted)})

    def at_least(
        self,
        sampled: NDArray[np.int64],
        weight: float,
        among: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Give the pairs of a sampled record and any other that may reach a weight, in bits.

        among: of every record, whether it may be the other one; None takes all.
        Returns two arrays, the sampled record of each pair and the other one, and, of each sampled
        record, in how many pairs the values had to be compared one by one. What is given can miss
        the weight only by what frequencies take from it. Peak memory: 4 bytes per sampled record
        and record, as much again per comparison and distinct value, and some 50 per pair compared;
        give it a few records at a time.
        """
        total = np.full((len(sampled), self.n_records), self.prior, np.float32)
        looked_up = np.empty(self.n_records, np.float32)
        bounds = []
        for i, codes in enumerate(self.codes):
            own, place = np.unique(codes[sampled], return_inverse=True)
            terms = self._terms_of_levels(i, own)
            most = self._most(i, own, terms)
            for n, at in enumerate(place):
                np.take(most[at], codes, out=looked_up, mode="clip")
                total[n] += looked_up
            bounds.append((i, own, place, terms, most))
        total[np.arange(len(sampled)), sampled] = -np.inf
        if among is not None:
            total[:, ~among] = -np.inf
        # Sums of 32 bits are off by less than this.
        weight -= 1e-3
        row, other = np.nonzero(total >= weight)
        n_compared = np.bincount(row, minlength=len(sampled))
        reached = total[row, other]
        del total
        # First what the bounds leave most open; by the levels alone, so that the last bits of a sum
        # do not depend on which records are looked at together.
        for i, own, place, terms, most in sorted(bounds, key=self._closeness):
            codes, at = self.codes[i][other], place[row]
            bound = most[at, codes]
            is_open = (bound > terms[at, -1]) & (own[at] != codes) & ~self.missing[i][codes]
            exact = self._terms_of_pairs(i, own, terms, at[is_open], codes[is_open])
            reached[is_open] += exact - bound[is_open]
            near = reached >= weight
            row, other, reached = row[near], other[near], reached[near]
        return sampled[row], other.astype(np.int64), n_compared

    def _closeness(self, bound: tuple[Any, ...]) -> float:
        weights = [level.weight for level in self.comparisons[bound[0]].levels]
        return float(min(weights) - max(weights))

    def _most(
        self, i: int, own: NDArray[np.int32], terms: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Give (n_own, n_values) bounds of the terms of some values of a comparison with all.

        terms: (n_own, n_levels), what each level would give.
        """
        missing = self.missing[i]
        most = np.repeat(terms[:, -1:], len(missing), axis=1)
        for row, code in enumerate(own):
            if missing[code]:
                most[row] = 0.0
                continue
            for n, possible in enumerate(self.levels[i].of(int(code))):
                where = True if possible is None else possible
                np.maximum(most[row], terms[row, n + 1], out=most[row], where=where)
            most[row, missing] = 0.0
        found = self.engine.columns(
            f"select code, {self.comparisons[i].level_sql()} as level from ({self._alike(i)})"
            f" where code in ({', '.join(map(str, own))}) order by code"
        )
        rows = np.arange(len(own))
        most[rows, own] = terms[rows, np.asarray(found["level"], np.int64)]
        return most

    def _missing(self, i: int) -> NDArray[np.bool_]:
        """Tell which values of a comparison are missing."""
        found = self.engine.columns(
            f"select coalesce({self.comparisons[i].levels[0].condition}, false) as missing"
            f" from ({self._alike(i)}) order by code"
        )
        return np.asarray(found["missing"], bool)

    def _alike(self, i: int) -> str:
        """Write the query that puts every value of a comparison beside itself."""
        return (
            f"select l._code as code, {self._sides(i)} from values_{i} as l"
            f" join values_{i} as r on r._code = l._code"
        )

    def _terms_of_pairs(
        self,
        i: int,
        own: NDArray[np.int32],
        terms: NDArray[np.float32],
        place: NDArray[Any],
        codes: NDArray[np.int32],
    ) -> NDArray[np.float32]:
        """Give the terms of pairs of values: own[place] and the one of each code."""
        n_values = len(self.missing[i])
        values, back = np.unique(place.astype(np.int64) * n_values + codes, return_inverse=True)
        left, right = np.divmod(values, n_values)
        self.engine.put("value_pairs", {"l": own[left], "r": right, "n": np.arange(len(values))})
        found = self.engine.columns(
            f"select n, {self.comparisons[i].level_sql()} as level from ("
            f"select p.n, {self._sides(i)} from value_pairs as p"
            f" join values_{i} as l on l._code = p.l join values_{i} as r on r._code = p.r)"
        )
        level = np.zeros(len(values), np.int64)
        level[np.asarray(found["n"])] = np.asarray(found["level"])
        exact: NDArray[np.float32] = terms[left, level][back]
        return exact

    def _sides(self, i: int) -> str:
        return ", ".join(
            f"l.{quoted(column)} as {quoted(column + '_l')},"
            f" r.{quoted(column)} as {quoted(column + '_r')}"
            for column in self.comparisons[i].columns
        )

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
                least = np.maximum(self.shares[i][level.tf_column][own], level.tf_least)
                terms[:, n] += level.tf_weight * np.log2(level.tf_base / least)
        return terms

    def _shares(self, i: int, column: str) -> NDArray[np.float64]:
        """Give, for each code, the share of its value among the records that have any."""
        least = 1 / self.n_records
        if self.frequencies:
            least_sql = f"select coalesce(min(frequency), 1.0) from {self.frequencies}"
            (least,) = self.engine.row(least_sql)
        if column not in self.comparisons[i].columns:
            return np.full(len(self.missing[i]), least)
        name = quoted(column)
        if self.frequencies:
            known = frequency_sql(column, f"values_{i}", self.frequencies)
            found = self.engine.columns(
                f"select coalesce(f.frequency, 1.0) as share from values_{i} as v"
                f" left join ({known}) as f on f.{name} = v.{name} order by v._code"
            )
            return np.asarray(found["share"], np.float64)
        found = self.engine.columns(
            f"select coalesce(sum(_n) over (partition by {name})"
            f" / cast(sum(_n) filter (where {name} is not null) over () as double), 1.0) as share"
            f" from values_{i} order by _code"
        )
        return np.maximum(np.asarray(found["share"], np.float64), least)
