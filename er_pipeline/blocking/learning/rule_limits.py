"""Rule limits: what a search may spend, and what it must reach."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from er_pipeline.blocking.learning.conjunction_costs import Index, Keys, Sample
from er_pipeline.blocking.spec.blocking_section import MAX_STRATEGIES, Learning
from er_pipeline.blocking.spec.pipeline import PipelineSpec

logger = logging.getLogger(__name__)

# Where the narrowest rule makes more pairs than a rule may, one may make so many times as many,
# and there is room for so many of them.
ROOM, RULES_OF_ROOM = 1.5, 5


@dataclass(frozen=True)
class Limits:
    """What a search may spend: pairs in total, pairs of one rule, rules; and what it must reach."""

    pairs: int
    pairs_of_rule: int
    rules: int
    k: int
    recall_floor: float


def limits_of(
    spec: PipelineSpec, learning: Learning, index: Index, sample: Sample, declared: Sequence[Keys]
) -> Limits:
    """Return the limits of a dataset; declared: the strategies that are conjunctions of its keys.

    They leave room for the budget, where the user has set no others.
    `learning: max_pairs` must hold the pairs of these and of the rules together.
    """
    learning = learning.within(spec.kept_per_record(index.n_records))
    left = learning.max_pairs - sum(index.cost(keys).pairs for keys in declared)
    limits = Limits(
        pairs=max(0, min(int(learning.pairs_per_record * index.n_records), left)),
        pairs_of_rule=int(learning.rule_pairs_per_record * index.n_records),
        rules=min(learning.max_rules, MAX_STRATEGIES - len(spec.proposers)),
        k=learning.k,
        recall_floor=learning.recall_floor,
    )
    return _with_room(index, sample, limits, left)


def _with_room(index: Index, sample: Sample, limits: Limits, most: int) -> Limits:
    """Raise the limits, up to so many pairs, where the narrowest conjunction makes more of them.

    Where entities have a hundred records, equal values in any two fields make more pairs than a
    rule may, and to learn none would be to find nobody. The budget still decides what is kept.
    """
    choices = {i: index.choices[i] for i in index.searched if i not in index.listed}
    whole = [i for i, choice in choices.items() if choice.level == 0 and not choice.swaps]
    together = min(2, limits.k, len(whole))
    pairs = [sample.pairs(keys) for keys in combinations(whole, together)]
    narrowest = min((n for n in pairs if n), default=0.0)
    if narrowest <= limits.pairs_of_rule:
        return limits
    of_rule = min(most, round(ROOM * narrowest))
    logger.info("the narrowest rule makes %s pairs; allowing more", f"{round(narrowest):,}")
    of_all = min(most, max(limits.pairs, RULES_OF_ROOM * of_rule))
    return replace(limits, pairs_of_rule=of_rule, pairs=of_all)
