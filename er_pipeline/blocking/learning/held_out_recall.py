"""Held-out recall: what rules find of the judged matches of entities that they had not seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.learning.conjunction_costs import Index, Keys
from er_pipeline.blocking.learning.rule_evidence import Evidence
from er_pipeline.blocking.learning.rule_search import Rule

FOLDS = 5

# Chooses rules, given which of the judged pairs may be looked at: (n_judged,).
Learner = Callable[[NDArray[np.bool_]], list[Rule]]


@dataclass(frozen=True)
class HeldOut:
    """Recall on entities that the rules had not seen.

    found, entities: of all rules together, in entities. by_rule: the same of each rule, over the
    folds whose learning chose it.
    """

    found: float
    entities: int
    by_rule: dict[Keys, tuple[float, int]]

    @property
    def recall(self) -> float:
        """Share of the entities found."""
        return self.found / self.entities if self.entities else 0.0


def hold_out(index: Index, judged: Evidence, learn: Learner, seed: int) -> HeldOut:
    """Learn on four fifths of the entities, test on the fifth, five times."""
    fold = folds(judged.entity, FOLDS, seed)
    found, entities = 0.0, 0
    by_rule: dict[Keys, tuple[float, int]] = {}
    for n in range(FOLDS):
        test = fold == n
        if not test.any() or test.all():
            continue
        rules = learn(~test)
        names, place = np.unique(judged.entity[test], return_inverse=True)
        size = np.bincount(place)

        def share_of(hit: NDArray[np.bool_]) -> float:
            # An entity of many pairs is one draw, not many.
            return float((np.bincount(place, weights=hit) / size).sum())  # noqa: B023

        union = np.zeros(int(test.sum()), bool)
        for rule in rules:
            hit: NDArray[np.bool_] = np.asarray(judged.shared[:, rule.keys].all(axis=1))
            lost = index.beyond_cap(rule.keys, judged.table)
            hit[lost[lost < len(hit)]] = False
            union |= hit[test]
            before = by_rule.get(rule.keys, (0.0, 0))
            by_rule[rule.keys] = (before[0] + share_of(hit[test]), before[1] + len(names))
        found += share_of(union)
        entities += len(names)
    return HeldOut(found, entities, by_rule)


def folds(entity: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """Deal entities into n folds, all pairs of one into the same; (n_pairs,) from 0."""
    names, place = np.unique(entity, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    fold: Any = np.empty(len(names), np.int64)
    fold[order] = np.arange(len(names)) % n
    dealt: NDArray[np.int64] = fold[place]
    return dealt
