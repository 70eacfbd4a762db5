"""Lexicographic search: rank conjunctions by one number, then by the next, and take the best."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.learning.conjunction_costs import Index, Keys, Sample
from er_pipeline.blocking.learning.distinct_pairs import DistinctPairs
from er_pipeline.blocking.learning.rule_evidence import Evidence
from er_pipeline.blocking.learning.rule_limits import Limits
from er_pipeline.blocking.learning.rule_search import Rule


def search_lexicographically(
    index: Index,
    sample: Sample,
    evidence: Evidence,
    known: NDArray[np.bool_],
    negatives: NDArray[np.bool_],
    limits: Limits,
    n_covered: int,
    banned: Callable[[Keys], bool],
    pinned: Sequence[Keys] = (),
) -> list[Rule]:
    """Rank conjunctions by reduction ratio, then matches found, then non-matches avoided.

    From every key the best conjunction of up to k keys is built greedily; those that find no match
    are out. They are applied from the best on until they make `n_covered` distinct pairs, or the
    next one would make too many; both are counted on the full data. One that makes no new pair is
    left out. The reduction ratio is the sample's.
    known: (n_pairs,) which pairs of the evidence may be looked at. negatives: (n, n_keys).
    pinned: applied first, whatever they cost.
    Source: the forward-index learner of oagdedupe (Chansoo Song and others), "Blocking".
    """

    def found_by(keys: Keys) -> NDArray[np.bool_]:
        return evidence.shared[:, keys].all(axis=1) & known

    def rank(keys: Keys) -> tuple[float, int, int, Keys]:
        wrong = int(negatives[:, keys].all(axis=1).sum()) if len(negatives) else 0
        # Fewer pairs of the sample are a higher reduction ratio; smaller is better throughout.
        return (sample.pairs(keys), -int(found_by(keys).sum()), wrong, keys)

    def finds(keys: Keys) -> bool:
        return bool(found_by(keys).any()) and not banned(keys)

    best: set[Keys] = set()
    for start in index.searched:
        keys: Keys = (start,)
        reached = [keys] if finds(keys) else []
        while len(keys) < limits.k:
            options = [
                tuple(sorted((*keys, key)))
                for key in index.searched
                if not index.overlap((*keys, key))
            ]
            options = [option for option in options if finds(option)]
            if not options:
                break
            keys = min(options, key=rank)
            reached.append(keys)
        if reached:
            best.add(min(reached, key=rank))
    rules: list[Rule] = []
    covered = np.zeros(len(evidence.worth), bool)
    spent, total = 0, float(known.sum()) or 1.0
    distinct = DistinctPairs(index)
    for keys in dict.fromkeys([*pinned, *sorted(best, key=rank)]):
        cost = index.cost(keys)
        if keys not in pinned:
            if distinct.total >= n_covered or len(rules) >= limits.rules:
                break
            if cost.pairs > limits.pairs_of_rule or spent + cost.pairs > limits.pairs:
                break
        new_pairs = distinct.count(keys)
        if not new_pairs and keys not in pinned:
            continue
        distinct.apply(keys, new_pairs)
        found = found_by(keys)
        lost = index.beyond_cap(keys, evidence.table)
        found[lost[lost < len(found)]] = False
        new = float((found & ~covered).sum()) / total
        rules.append(
            Rule(
                keys,
                cost.pairs,
                cost.largest,
                new_pairs=new_pairs,
                worth=float(found.sum()) / total,
                new_worth=new,
                origin="pinned" if keys in pinned else "learned",
            )
        )
        covered |= found
        spent += cost.pairs
    return rules
