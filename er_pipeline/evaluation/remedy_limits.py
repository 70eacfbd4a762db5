"""What the checks leave of the remedies: none may propose what a check would then complain of."""

from dataclasses import dataclass

from er_pipeline.blocking.blocks.filtered_facts import filtered_facts
from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching.entity_facts import entities_facts
from er_pipeline.matching.matches import matches_facts
from er_pipeline.matching.precision_doubts import judge_precision


@dataclass(frozen=True)
class RemedyLimits:
    """How far remedies may go.

    block_pairs: most pairs that another strategy or larger blocks may add. strategy_pairs: most
    pairs of one new strategy. pairs: most pairs that any change but a larger budget may add.
    None is no limit. least_precision: what a lower threshold must leave; None forbids it.
    """

    block_pairs: int | None = None
    strategy_pairs: int | None = None
    pairs: int | None = None
    least_precision: float | None = 0.0


def remedy_limits(lake: Lake, spec: PipelineSpec) -> RemedyLimits:
    """Find how far remedies may go, from the settings and what the run has made.

    Reads the facts of filtered_blocks and unified_pairs, and with matching those of matches and
    entities.
    """
    checks = spec.checks
    per_strategy = checks.max_pairs_per_strategy
    budget = unified_facts(lake).get("budget_pairs")
    return RemedyLimits(
        block_pairs=max(0, checks.max_pairs - filtered_facts(lake)["pairs"]),
        strategy_pairs=per_strategy if isinstance(per_strategy, int) else None,
        pairs=None if budget is None else int(budget),
        least_precision=_least_precision(lake, spec),
    )


def _least_precision(lake: Lake, spec: PipelineSpec) -> float | None:
    """Say what precision a lower threshold must leave; None if more matches are out of place."""
    most = spec.checks.max_doubtful_matches
    if spec.matching is None:
        return 1 - most
    matches = matches_facts(lake)
    if not all(judged.passed for judged in judge_precision(matches, matches["matches"], spec)):
        return None
    if entities_facts(lake)["largest_entity"] > spec.checks.max_entity_size:
        return None
    return 1 - most
