"""What is noted beside em_model: what training found, and how sure it is."""

from typing import NotRequired, TypedDict, cast

from er_pipeline.blocking.spec.learned import LearnedFrom
from er_pipeline.blocking.tables.lake import Lake


class SessionFacts(TypedDict):
    """What one session taught; see `Session`."""

    rule: str
    pairs: int
    match_share: float
    iterations: int
    converged: bool
    trained: list[str]
    left_out: list[str]
    m: dict[str, list[float | None]]


class ModelFacts(TypedDict):
    """What is noted beside em_model; see `train_model`.

    unusable: why nothing may be scored by it or learned from it; empty of a good model.
    """

    unusable: str

    prior: float
    expected_matches: float
    matches_by_rules: dict[str, float]
    sessions: list[SessionFacts]
    untrained: list[str]
    untrained_levels: int
    levels: dict[str, list[dict[str, float]]]
    learned_from: NotRequired[LearnedFrom]


def model_facts(lake: Lake) -> ModelFacts:
    """Read what is noted beside em_model."""
    return cast(ModelFacts, lake.facts("em_model"))
