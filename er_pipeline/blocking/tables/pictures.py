"""What a step shows of its facts: numbers, texts, tables and pictures, as plain data.

Whoever shows them draws them: the Dagster half as small SVG drawings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Grid:
    """A table of texts."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Counts:
    """How many there are of each name, in their order."""

    title: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class BlockSizes:
    """Blocks and pairs by class of size; classes: class -> {"blocks": n, "pairs": n}."""

    classes: Mapping[str, Any]


@dataclass(frozen=True)
class Similarities:
    """Pairs by similarity; classes: range such as 0.3-0.4 -> pairs."""

    classes: Mapping[str, int]


@dataclass(frozen=True)
class LevelWeights:
    """Match weights of every comparison's levels, that of equal values first."""

    levels: Mapping[str, Sequence[Mapping[str, float]]]


@dataclass(frozen=True)
class LevelShares:
    """m and u of every comparison's levels, that of equal values first."""

    levels: Mapping[str, Sequence[Mapping[str, float]]]


@dataclass(frozen=True)
class WeightClasses:
    """Pairs by weight, made and kept; rows: weight (the lower end), pairs, kept; heaviest first."""

    rows: Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class MatchWeights:
    """Pairs by match weight; counts: weight in whole bits -> pairs."""

    counts: Mapping[int, int]


@dataclass(frozen=True)
class Curve:
    """Completeness by pairs per record; lines: name -> points (pairs per record, completeness)."""

    lines: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Quality:
    """Precision, recall and F1 by threshold; rows: lowest threshold first."""

    rows: Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Estimates:
    """Estimated shares with their intervals; estimates: name -> (low, estimate, high)."""

    estimates: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Overlap:
    """Which share of each strategy's pairs the others propose, too.

    shared_pairs: (n_strategies, n_strategies) counts; the diagonal holds a strategy's own pairs.
    """

    strategies: Sequence[str]
    shared_pairs: Sequence[Sequence[int]]


Picture = (
    Grid
    | Counts
    | BlockSizes
    | Similarities
    | LevelWeights
    | LevelShares
    | WeightClasses
    | MatchWeights
    | Curve
    | Quality
    | Estimates
    | Overlap
)
Shown = int | float | str | Picture


def numbers(facts: Mapping[str, Any]) -> dict[str, int | float]:
    """Take the plain numbers out of facts: those that a UI can plot over time."""
    return {
        name: value
        for name, value in facts.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
