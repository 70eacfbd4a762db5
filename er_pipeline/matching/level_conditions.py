"""The levels of a trained model, and what of their conditions can be judged without comparing.

A pair's weight is the prior's plus one term per comparison: the weight of the level that applies,
corrected by how common the value is. A condition on edits or on Jaro's similarity needs both texts;
a look at their letters often says that it cannot hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sqlglot
from numpy.typing import NDArray
from sqlglot import exp

from er_pipeline.blocking.tables.engine import Engine

# Splink takes an m or u below this for it.
LEAST_SHARE = 1e-300
EDITS = ("levenshtein", "damerau_levenshtein")
# Winkler's bonus: for each of up to four equal letters at the start.
PREFIX, BONUS = 4, 0.1


@dataclass(frozen=True)
class Level:
    """One level of a comparison: its condition over columns x_l, x_r, and its weight in bits.

    weight: log2(m / u); 0 for missing values and untrained levels. tf_column: column whose
    frequency replaces u, to the power of tf_weight; tf_base: that u; tf_least: least frequency.
    """

    condition: str
    weight: float
    tf_column: str | None = None
    tf_weight: float = 0.0
    tf_base: float = 0.0
    tf_least: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """The levels of one comparison, and the columns that they read.

    The first level is that of missing values, the last takes all that the others leave.
    """

    columns: tuple[str, ...]
    levels: tuple[Level, ...]

    def level_sql(self) -> str:
        """Write the expression of the number of the level that applies."""
        cases = "".join(f" when {lv.condition} then {i}" for i, lv in enumerate(self.levels[:-1]))
        return f"case{cases} else {len(self.levels) - 1} end"


def read_comparisons(model: Mapping[str, Any]) -> list[Comparison]:
    """Read the comparisons of a model, as Splink writes it into its JSON.

    Raises ValueError if a comparison does not begin with missing values and end with all others.
    """
    return [_comparison(described["comparison_levels"]) for described in model["comparisons"]]


def prior_weight(model: Mapping[str, Any]) -> float:
    """Give the prior's match weight, in bits."""
    share = float(model["probability_two_random_records_match"])
    return float(np.log2(share / (1 - share)))


def weight_of(probability: float) -> float:
    """Give the match weight of a probability, in bits; of 0 and 1 that of their neighbours."""
    probability = min(max(probability, 1e-15), 1 - 1e-15)
    return float(np.log2(probability / (1 - probability)))


def _comparison(levels: Sequence[Mapping[str, Any]]) -> Comparison:
    conditions = [str(level["sql_condition"]) for level in levels]
    if not levels[0].get("is_null_level") or conditions[-1].upper() != "ELSE":
        raise ValueError(f"levels must begin with missing values and end with ELSE: {conditions}")
    columns = [column for condition in conditions[:-1] for column in _columns_of(condition)]
    equal = next(
        (
            level.get("u_probability")
            for level in levels
            if _is_equality(str(level["sql_condition"])) and level.get("u_probability")
        ),
        None,
    )
    return Comparison(
        tuple(dict.fromkeys(columns)), tuple(_level(level, equal) for level in levels)
    )


@cache
def _columns_of(condition: str) -> tuple[str, ...]:
    """List the columns x of which a condition reads x_l or x_r."""
    tree = sqlglot.parse_one(condition, dialect="duckdb")
    return tuple(c.name[:-2] for c in tree.find_all(exp.Column) if c.name[-2:] in ("_l", "_r"))


def _level(level: Mapping[str, Any], equal_u: float | None) -> Level:
    m, u = level.get("m_probability"), level.get("u_probability")
    weight = 0.0
    if not level.get("is_null_level") and m is not None and u is not None:
        weight = float(np.log2(max(m, LEAST_SHARE) / max(u, LEAST_SHARE)))
    tf_weight = level.get("tf_adjustment_weight")
    return Level(
        str(level["sql_condition"]),
        weight,
        level.get("tf_adjustment_column"),
        1.0 if tf_weight is None else float(tf_weight),  # Splink's own where nothing is said
        float(equal_u or u or 0.0),
        float(level.get("tf_minimum_u_value") or 0.0),
    )


@cache
def _is_equality(condition: str) -> bool:
    """Say whether a condition is that one column is equal on both sides."""
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


@dataclass(frozen=True)
class Part:
    """A part of a level's condition.

    kind: equal (both sides give the same value of an expression), edits, jaro or jaro_winkler.
    of: the expression, or the column. limit: most edits, or least similarity.
    """

    kind: str
    of: str
    limit: float = 0.0


def least_jaro(part: Part) -> NDArray[np.float64]:
    """Give the least of Jaro's similarity that fulfils a part, by how many first letters are equal.

    part: of kind jaro or jaro_winkler. Returns an array (PREFIX + 1).
    """
    if part.kind == "jaro":
        return np.full(PREFIX + 1, part.limit)
    bonus = BONUS * np.arange(PREFIX + 1)
    return (part.limit - bonus) / (1 - bonus)


def number_values(engine: Engine, values: str, expression: str) -> NDArray[np.int32]:
    """Number what an expression gives of an engine's table of values, by _code; -1 is NULL."""
    found = engine.columns(
        f"select cast(case when ({expression}) is null then -1"
        f" else dense_rank() over (order by {expression}) end as integer) as number"
        f" from {values} order by _code"
    )
    return np.asarray(found["number"], np.int32)


def read_parts(condition: str) -> tuple[Part, ...]:
    """Read the parts of a condition that can be judged without comparing; all of them must hold.

    condition: SQL over columns x_l and x_r. Empty where nothing can be judged.
    """
    if condition.upper() == "ELSE":
        return ()
    return tuple(_parts(sqlglot.parse_one(condition, dialect="duckdb")))


def _parts(tree: exp.Expr) -> list[Part]:
    tree = tree.unnest()
    if isinstance(tree, exp.And):
        return _parts(tree.this) + _parts(tree.expression)
    if isinstance(tree, exp.EQ):
        left, right = _one_sided(tree.this, "_l"), _one_sided(tree.expression, "_r")
        return [Part("equal", left)] if left and left == right else []
    limit = tree.args.get("expression")
    if not isinstance(tree, exp.LTE | exp.GTE) or not isinstance(limit, exp.Literal):
        return []
    call = tree.this
    name = call.name if isinstance(call, exp.Anonymous) else call.key
    sides = call.expressions if isinstance(call, exp.Anonymous) else list(call.args.values())
    sides = [side for side in sides if side is not None]
    if len(sides) != 2 or not all(isinstance(side, exp.Column) for side in sides):
        return []
    left, right = _one_sided(sides[0], "_l"), _one_sided(sides[1], "_r")
    if left is None or left != right or limit.is_string:
        return []
    if name.lower() in EDITS and isinstance(tree, exp.LTE):
        return [Part("edits", left, float(limit.this))]
    if name.lower().startswith("jaro") and isinstance(tree, exp.GTE):
        winkler = "winkler" in name.lower()
        return [Part("jaro_winkler" if winkler else "jaro", left, float(limit.this))]
    return []


def _one_sided(tree: exp.Expr, ending: str) -> str | None:
    """Write an expression over the columns without their ending; None if one has another."""
    columns = list(tree.find_all(exp.Column))
    if not columns or any(not column.name.endswith(ending) for column in columns):
        return None
    bare = tree.copy()
    for column in bare.find_all(exp.Column):
        column.set("this", exp.to_identifier(column.name.removesuffix(ending), quoted=True))
    return bare.sql(dialect="duckdb")
