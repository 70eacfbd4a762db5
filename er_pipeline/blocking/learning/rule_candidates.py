"""Rule candidates: the conjunctions worth looking at, of the thousands that keys can make."""

from collections.abc import Callable, Iterator
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.learning.conjunction_costs import SLACK, Index, Keys, Sample
from er_pipeline.blocking.learning.rule_evidence import Evidence
from er_pipeline.blocking.learning.rule_limits import Limits

# A key that matches share less than so many times as often as any two records do says too little
# to be part of a rule: each value of a column of noise is as frequent in both.
LEAST_LIFT = 2.0
# Conjunctions looked at in full by a search: the best by evidence per estimated pair.
MOST_CANDIDATES = 1_500
# Of every set of fields, so many of the widest are among them.
WIDEST_OF_FIELDS = 4


def loosest_affordable(
    index: Index, sample: Sample, limit: int, k: int, banned: Callable[[Keys], bool]
) -> Iterator[Keys]:
    """Yield for every set of up to k fields the conjunction with the most pairs within the limit.

    Left out are conjunctions of which a part is affordable and whole already: they would find
    nothing new. That is Apriori's pruning, since pairs only fall with more keys.
    """
    by_field: dict[str, list[int]] = {}
    for i in index.searched:
        by_field.setdefault(index.choices[i].field, []).append(i)
    contained: set[Keys] = set()
    for size in range(1, k + 1):
        for fields in combinations(by_field, size):
            open_ = []
            for keys in product(*(by_field[name] for name in fields)):
                ordered = tuple(sorted(keys))
                if index.overlap(ordered) or banned(ordered):
                    continue
                if any(
                    part in contained for n in range(1, size) for part in combinations(ordered, n)
                ):
                    continue
                open_.append((sample.pairs(ordered), ordered))
            # From the loosest down; a sample may err by half, so what is near the limit is counted.
            chosen = False
            for estimate, keys in sorted(open_, key=lambda item: (-item[0], item[1])):
                if estimate > SLACK * limit or (chosen and estimate < 0.5 * limit):
                    if estimate <= limit and size < k:
                        contained.add(keys)
                    continue
                cost = index.cost(keys)
                if cost.pairs <= limit and cost.is_whole:
                    contained.add(keys)
                if not chosen and 0 < cost.pairs <= limit:
                    chosen = True
                    yield keys


def candidates(
    index: Index, sample: Sample, evidence: Evidence, limits: Limits, banned: Callable[[Keys], bool]
) -> list[Keys]:
    """Return the conjunctions of up to k keys that find some evidence and may be affordable.

    One key per field. What is found only falls with more keys, so what finds nothing is not
    extended. Keys that are noise, see `LEAST_LIFT`, are left out unless affordable alone. The best
    `MOST_CANDIDATES` by worth per estimated pair are kept.
    """
    fields = [choice.field for choice in index.choices]
    total = evidence.worth.sum() or 1.0
    least = 0.002 * total
    level: dict[Keys, NDArray[np.bool_]] = {}
    for key in index.searched:
        found = evidence.shared[:, key]
        worth, cost = float(evidence.worth[found].sum()), index.cost((key,))
        sharing = cost.pairs + cost.oversized_pairs
        by_chance = total * sharing / index.possible_pairs
        is_noise = sharing > limits.pairs_of_rule and worth < LEAST_LIFT * by_chance
        if worth >= least and not is_noise:
            level[(key,)] = found
    singles = list(level)
    worth_of: dict[Keys, float] = {}
    for size in range(1, limits.k + 1):
        for keys, found in level.items():
            worth = float(evidence.worth[found].sum())
            if not banned(keys) and sample.pairs(keys) <= SLACK * limits.pairs_of_rule:
                worth_of[keys] = worth
        if size == limits.k:
            break
        wider = sorted(level, key=lambda keys: (-float(evidence.worth[level[keys]].sum()), keys))
        extended: dict[Keys, NDArray[np.bool_]] = {}
        for keys in wider[:MOST_CANDIDATES]:
            known = index.costs.get(keys)
            if known and known.is_whole and known.pairs <= limits.pairs_of_rule // 4:
                continue  # cheap and whole: narrower ones find less and save little
            for (key,) in singles:
                if key <= keys[-1] or index.overlap((*keys, key)):
                    continue
                found = level[keys] & evidence.shared[:, key]
                if evidence.worth[found].sum() >= least:
                    extended[(*keys, key)] = found
        level = extended
    unit = index.n_records / 100  # so that a rule without pairs is not infinitely good
    ranked = sorted(
        worth_of, key=lambda keys: (-worth_of[keys] / (sample.pairs(keys) + unit), keys)
    )
    widest: dict[tuple[str, ...], list[Keys]] = {}
    for keys in sorted(worth_of, key=lambda keys: (-worth_of[keys], keys)):
        widest.setdefault(tuple(fields[key] for key in keys), []).append(keys)
    kept = [keys for options in widest.values() for keys in options[:WIDEST_OF_FIELDS]]
    return list(dict.fromkeys([*kept, *ranked]))[: max(MOST_CANDIDATES, len(kept))]
