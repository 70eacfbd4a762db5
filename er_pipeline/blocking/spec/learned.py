"""Learned: what a dataset has learned, as the facts of its tables, and the rules in it as keys.

The tables are made in `learning`; the rooms below it read these facts, so they are typed here.
"""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict, cast

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.keys import Conjunction


class SeenValues(TypedDict):
    """Which values a field had, see `seen_values`.

    step: of the hashes that count. buckets: bits of those that held a value, in hexadecimal.
    """

    step: int
    buckets: str


class LearnedFrom(TypedDict):
    """What was learned from, noted beside all that is learned.

    records: how many there were. filled: field -> share of them that had a value. seen: field ->
    which values; earlier releases did not note it.
    """

    records: int
    filled: dict[str, float]
    seen: NotRequired[dict[str, SeenValues]]


class LearnedRule(TypedDict):
    """One rule in the facts of learned_rules.

    origin: learned or pinned. matches_found, non_matches_made: of the judged pairs. evidence_found,
    evidence_new: share of the evidence it finds, and that no rule before it finds. recall: on
    held-out entities, with both ends of its 95% interval; None if it was tested on none.
    new_pairs: those that no rule before it makes, estimated.
    """

    rule: str
    expressions: list[str]
    sql: str
    source_columns: list[str]
    origin: str
    matches_found: int
    non_matches_made: int
    evidence_found: float
    evidence_new: float
    recall: Sequence[float] | None
    pairs: int
    new_pairs: int
    largest_block: int


class LearnedFacts(TypedDict):
    """The facts of learned_rules; rules: best first."""

    rules: list[LearnedRule]
    ranking: str
    seed: int
    pairs: int
    max_pairs_of_rule: int
    taught_by_model: bool
    conjunctions_counted: int
    labelled_matches: int
    labelled_non_matches: int
    learned_from: LearnedFrom
    evidence_found: float
    held_out_entities: int
    recall: float | None
    recall_low: float | None
    recall_high: float | None


class LearnedBlocksFacts(TypedDict):
    """The facts of learned_blocks.

    single, listed: names of the rules with one key per record and with several. rules: what
    `sum_blocks` counts of each. pairs: of all rules.
    """

    single: list[str]
    listed: list[str]
    rules: dict[str, dict[str, Any]]
    pairs: int


def learned_rules_facts(lake: Lake) -> LearnedFacts:
    """Read the facts of learned_rules."""
    return cast(LearnedFacts, lake.facts("learned_rules"))


def learned_blocks_facts(lake: Lake) -> LearnedBlocksFacts:
    """Read the facts of learned_blocks."""
    return cast(LearnedBlocksFacts, lake.facts("learned_blocks"))


def learned_conjunctions(spec: PipelineSpec, facts: LearnedFacts) -> tuple[Conjunction, ...]:
    """Parse the learned rules back into conjunctions."""
    return tuple(spec.parse(rule["rule"], rule["expressions"]) for rule in facts["rules"])
