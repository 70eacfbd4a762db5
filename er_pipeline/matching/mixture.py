"""Agreement patterns of pairs -> two classes, matches and others: how often each is on each level.

The model is that of Fellegi and Sunter, comparisons independent within a class, fitted by
expectation-maximization. What differs from the usual ways is u, the shares of the others: they are
neither fixed to those of random pairs nor free. Pairs that one rule brings together are no random
ones: among namesakes nearly every e-mail address that repeats the name looks alike, and EM with u
fixed takes that for proof. Left free, u falls to 0 where a rule brings hardly any others. So random
pairs stand for a small share of the pairs: where others are many they have their own u, where they
are few that of chance.

Sources: Fellegi and Sunter, "A Theory for Record Linkage", 1969; Winkler, "Using the EM Algorithm
for Weight Computation in the Fellegi-Sunter Model of Record Linkage", 1988; priors as pairs seen
before: Larsen and Rubin, "Iterative Automated Record Linkage Using Mixture Models", 2001.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Random pairs stand for so many pairs per pair of the rule.
PAIRS_OF_CHANCE = 0.3
# What EM starts from: nearly all matches have equal values.
EQUAL_AT_START = 0.95
# Shares stay this far from 0 and 1, so that every pair can still change its class.
LEAST_SHARE = 1e-9
LEAST = 1e-300


@dataclass(frozen=True)
class Patterns:
    """How many pairs agree how: (n_patterns, n_comparisons) levels, 0 equal, -1 missing; counts."""

    levels: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Mixture:
    """The two classes. match_share: of the pairs. m, u: per comparison the share on each level."""

    match_share: float
    m: tuple[Floats, ...]
    u: tuple[Floats, ...]
    iterations: int
    converged: bool


def fit_mixture(
    patterns: Patterns,
    chance: Sequence[Sequence[float]],
    start_share: float,
    max_iterations: int,
    convergence: float,
) -> Mixture:
    """Fit the two classes.

    chance: per comparison the shares of random pairs on its levels, none of them 0. start_share: of
    matches among the pairs. convergence: the change of a share below which EM ends.
    """
    places = [_places(column, len(u)) for column, u in zip(patterns.levels.T, chance, strict=True)]
    counts = patterns.counts.astype(np.float64)
    priors = [np.asarray(u) * PAIRS_OF_CHANCE * counts.sum() for u in chance]
    m = [_start(len(u)) for u in chance]
    u = [np.asarray(of, np.float64) for of in chance]
    share, moved, iteration = start_share, 1.0, 0
    while moved >= convergence and iteration < max_iterations:
        iteration += 1
        matches = counts * _probabilities(places, m, u, share)
        none = np.zeros(1)
        new_m = [
            _shares(place, matches, none, len(old)) for place, old in zip(places, m, strict=True)
        ]
        new_u = [
            _shares(place, counts - matches, prior, len(prior))
            for place, prior in zip(places, priors, strict=True)
        ]
        new_share = float(matches.sum() / counts.sum())
        moved = max(
            abs(new_share - share),
            *(float(np.abs(a - b).max()) for a, b in zip(new_m + new_u, m + u, strict=True)),
        )
        m, u, share = new_m, new_u, min(max(new_share, LEAST_SHARE), 1 - LEAST_SHARE)
    return Mixture(share, tuple(m), tuple(u), iteration, moved < convergence)


def _start(n_levels: int) -> Floats:
    rest = (1 - EQUAL_AT_START) / (n_levels - 1)
    return np.array([EQUAL_AT_START, *[rest] * (n_levels - 1)])


def _places(levels: NDArray[np.int64], n_levels: int) -> NDArray[np.int64]:
    """Give missing values a place of their own, behind the levels."""
    return np.where(levels < 0, n_levels, levels)


def _probabilities(
    places: Sequence[NDArray[np.int64]], m: Sequence[Floats], u: Sequence[Floats], share: float
) -> Floats:
    odds = np.full(len(places[0]), np.log(share) - np.log1p(-share))
    for place, of_m, of_u in zip(places, m, u, strict=True):
        bits = np.log(np.maximum(of_m, LEAST)) - np.log(np.maximum(of_u, LEAST))
        odds += np.append(bits, 0.0)[place]  # a missing value says nothing
    probabilities: Floats = 1 / (1 + np.exp(-np.clip(odds, -700, 700)))
    return probabilities


def _shares(place: NDArray[np.int64], weights: Floats, prior: Floats, n_levels: int) -> Floats:
    """Give the share of each level, what is missing left out."""
    held = np.bincount(place, weights, n_levels + 1)[:n_levels] + prior
    total = held.sum()
    shares: Floats = held / total if total > 0 else np.full(n_levels, 1 / n_levels)
    return shares
