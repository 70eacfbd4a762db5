"""Upper bounds of pairs' match weights: which pairs cannot be likely, without comparing texts.

Distinct values of every comparison are numbered once. Then a pair is two numbers per comparison:
equal ones give the term of the value itself, missing ones nothing, and of others a bound of the
levels is found by look-ups of what each value alone gives (numbers of expressions, letters as
bits). A level whose condition cannot be judged is taken to hold: it costs sharpness, never a pair.

This is arithmetic on arrays, some 130 ns of one core per pair of seven comparisons. In SQL the two
joins copy every column for every pair: the seven equalities alone took 227 ns, here 23.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.matching.letter_bits import LetterBits
from er_pipeline.matching.level_conditions import (
    Comparison,
    Level,
    Part,
    number_values,
    prior_weight,
    read_comparisons,
    read_parts,
)
from er_pipeline.matching.term_frequencies import frequency_sql

# Sums of 32 bits are off by less than this, in bits of weight.
SLACK = 1e-2
# Levels that could add no more than this to the others are not looked at: it costs more than it
# rules out.
LEAST_GAIN = 4.0
MISSING = -1
Codes = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """A level that two different values may reach: its weight, in bits, and what it asks."""

    weight: float
    parts: tuple[Part, ...]


class ComparisonBounds:
    """Bounds of the terms of one comparison.

    codes: (n_records) the number of each record's value, `MISSING` without one. alike: (n_values +
    1) the term of two equal values, 0 for missing ones, which stand last. other: the most that two
    different values say where no judged level holds. judged: levels that say more.
    """

    def __init__(
        self, engine: Engine, comparison: Comparison, records: str, frequencies: str
    ) -> None:
        """Number the values and look at each once; leaves no table behind."""
        self.comparison = comparison
        self._number(engine, records)
        least = self._read_terms(engine, frequencies)
        self._judge(engine, least)
        engine.drop("distinct_values")

    def _number(self, engine: Engine, records: str) -> None:
        columns = ", ".join(quoted(column) for column in self.comparison.columns)
        engine.make_table(
            "distinct_values",
            f"select cast(row_number() over (order by {columns}) - 1 as integer) as _code,"
            f" {columns} from (select distinct {columns} from {records})",
        )
        same = " and ".join(
            f"v.{quoted(column)} is not distinct from r.{quoted(column)}"
            for column in self.comparison.columns
        )
        found = engine.columns(
            f"select v._code as code from {records} as r join distinct_values as v on {same}"
            " order by r.record_no"
        )
        self.codes: Codes = np.asarray(found["code"], np.int32)

    def _read_terms(self, engine: Engine, frequencies: str) -> list[float]:
        """Find the term of every value with itself; give each level's most by frequencies."""
        levels = self.comparison.levels
        counted = {level.tf_column for level in levels if level.tf_column}
        sides, joins, shares = "", "", {}
        for column in self.comparison.columns:
            sides += f", v.{quoted(column)} as {quoted(column + '_l')}"
            sides += f", v.{quoted(column)} as {quoted(column + '_r')}"
        for i, column in enumerate(sorted(counted)):
            known = frequency_sql(column, "distinct_values", frequencies)
            sides += f", f{i}.frequency as _share_{i}"
            joins += f" left join ({known}) as f{i} on f{i}.{quoted(column)} = v.{quoted(column)}"
            shares[column] = f"_share_{i}"
        found = engine.columns(
            f"select {self.comparison.level_sql()} as level"
            + "".join(f", {share}" for share in shares.values())
            + f" from (select v._code{sides} from distinct_values as v{joins}) order by _code"
        )
        of_self = np.asarray(found["level"], np.int64)
        alike = np.zeros(len(of_self) + 1, np.float32)
        most = []
        for n, level in enumerate(levels):
            terms = np.full(len(of_self), level.weight)
            if level.tf_column and level.tf_base:
                share = np.ma.filled(found[shares[level.tf_column]].astype(np.float64), np.nan)
                terms += _by_frequency(level, share)
            alike[:-1][of_self == n] = terms[of_self == n]
            most.append(float(terms.max(initial=level.weight)))
        self.alike: Floats = alike
        self.is_missing = of_self == 0
        alike[:-1][self.is_missing] = 0
        self.codes = np.where(self.is_missing[self.codes], MISSING, self.codes).astype(np.int32)
        return most

    def _judge(self, engine: Engine, most: Sequence[float]) -> None:
        """Sort the levels between equal and other values by what can be judged of them."""
        self.numbers: dict[str, Codes] = {}
        self.letters: dict[str, LetterBits] = {}
        self.other = most[-1]
        judged = []
        for level, weight in zip(self.comparison.levels[1:-1], most[1:-1], strict=True):
            parts = _strictest(read_parts(level.condition))
            for part in parts:
                if part.kind == "equal" and part.of not in self.numbers:
                    self.numbers[part.of] = number_values(engine, "distinct_values", part.of)
            if any(part.kind == "equal" and self._are_distinct(part.of) for part in parts):
                continue  # as of two equal values: others never share it
            if parts:
                judged.append(Judged(weight, parts))
            else:
                self.other = max(self.other, weight)
        self.other = max(
            [self.other, *(lv.weight for lv in judged if lv.weight <= self.other + LEAST_GAIN)]
        )
        # The best first: what it may hold of, others need not be asked about.
        self.judged = sorted(
            (level for level in judged if level.weight > self.other),
            key=lambda level: -level.weight,
        )
        for part in dict.fromkeys(part for level in self.judged for part in level.parts):
            if part.kind != "equal" and part.of not in self.letters:
                self.letters[part.of] = LetterBits(engine, "distinct_values", part.of)

    def _are_distinct(self, expression: str) -> bool:
        known = self.numbers[expression]
        known = known[known >= 0]
        return len(np.unique(known)) == len(known)

    @property
    def most(self) -> float:
        """The most that two different values may say."""
        return max([self.other, *(level.weight for level in self.judged)])

    def most_of_records(self) -> Floats:
        """Give (n_records) the most that each can get of this comparison with any other."""
        most = np.maximum(self.alike, np.float32(self.most))
        most[MISSING] = 0.0
        return most.take(self.codes, mode="wrap")

    def terms(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> Floats:
        """Bound the terms of pairs of records."""
        one, two = self.codes.take(left), self.codes.take(right)
        terms = np.full(len(one), self.other, np.float32)
        if self.judged:
            differing = {of: letters.differing(one, two) for of, letters in self.letters.items()}
            for level in reversed(self.judged):
                holds = self._may_hold(level.parts[0], one, two, differing)
                for part in level.parts[1:]:
                    holds &= self._may_hold(part, one, two, differing)
                np.putmask(terms, holds, np.float32(level.weight))
        same = np.flatnonzero(one == two)
        terms[same] = self.alike.take(one.take(same), mode="wrap")
        np.putmask(terms, np.minimum(one, two) == MISSING, np.float32(0))
        return terms

    def _may_hold(
        self, part: Part, one: Codes, two: Codes, differing: Mapping[str, NDArray[np.uint8]]
    ) -> NDArray[np.bool_]:
        if part.kind == "equal":
            numbers = self.numbers[part.of].take(one, mode="wrap")
            equal: NDArray[np.bool_] = numbers == self.numbers[part.of].take(two, mode="wrap")
            return equal & (numbers >= 0)
        return self.letters[part.of].may_hold(part, one, two, differing[part.of])


class PairBounds:
    """Which pairs of some records may reach a weight.

    Reads the engine's table `records` (record_no from 0 without gaps, and the columns the model
    compares). frequencies: of `read_frequencies`. Holds some 150 bytes per record.
    """

    def __init__(
        self, engine: Engine, model: Mapping[str, Any], records: str, frequencies: str, least: float
    ) -> None:
        """Look at all values once; least: the weight to reach, in bits."""
        self.least = np.float32(least - SLACK)
        bounds = [
            ComparisonBounds(engine, comparison, records, frequencies)
            for comparison in read_comparisons(model)
        ]
        # First what costs least to look at, then what is most open.
        self.bounds = sorted(bounds, key=lambda one: (len(one.letters), one.other - one.most))
        self.prior = np.float32(prior_weight(model))
        self.rest = self._rest()

    def _rest(self) -> list[Floats | None]:
        """Give, after each comparison, the most that each record may get of those to come.

        None where hardly any pair could be ruled out then.
        """
        rest: list[Floats | None] = []
        known = np.float32(sum(one.other for one in self.bounds)) + self.prior
        to_come: Floats | None = None
        for one in reversed(self.bounds):
            some = to_come is not None and known + np.median(to_come) < self.least
            rest.append(to_come if some else None)
            most = one.most_of_records()
            to_come = most if to_come is None else to_come + most
            known -= np.float32(one.other)
        return rest[::-1]

    def likely(
        self, left: NDArray[np.int32], right: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Give the pairs that may reach the weight, in their order."""
        total = np.full(len(left), self.prior, np.float32)
        for one, rest in zip(self.bounds, self.rest, strict=True):
            total += one.terms(left, right)
            bound = total if rest is None else total + np.minimum(rest.take(left), rest.take(right))
            if rest is not None or one is self.bounds[-1]:
                kept = np.flatnonzero(bound >= self.least)
                left, right, total = left.take(kept), right.take(kept), total.take(kept)
        return left, right


def _strictest(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Leave out parts that another one implies: fewer edits of the same values."""
    edits = {
        of: min(p.limit for p in parts if (p.kind, p.of) == ("edits", of))
        for of in {p.of for p in parts if p.kind == "edits"}
    }
    return tuple(
        dict.fromkeys(Part(p.kind, p.of, edits[p.of]) if p.kind == "edits" else p for p in parts)
    )


def _by_frequency(level: Level, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give what frequencies add to a level's weight, of each share; NaN is an unknown one."""
    bits = level.tf_weight * np.log2(level.tf_base / np.maximum(share, level.tf_least))
    return np.where(np.isnan(share), 0.0, bits)
