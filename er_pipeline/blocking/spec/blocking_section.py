"""The sections that shape the candidate pairs: `blocks` to `budget`, and `labels`."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from er_pipeline.blocking.encoders import AnyEncoder
from er_pipeline.blocking.spec.settings import (
    Identifier,
    KeyExpressions,
    KeyExpressionsList,
    Settings,
    Share,
)
from er_pipeline.blocking.spec.sources_section import CsvFormat


class Blocks(Settings):
    """Which blocks are compared."""

    min_size: int = Field(2, ge=2, description="Smallest block compared, in records.")
    max_size: int | None = Field(
        500, ge=2, description="Cap: largest block compared, in records; null for no cap."
    )
    oversized: Literal["drop", "refine"] = Field(
        "drop",
        description="A strategy's block over the cap is dropped, or refined: divided by further"
        " keys until it fits. Those of learned and training rules and the second pass are dropped.",
    )
    refine_by: KeyExpressionsList | None = Field(
        None,
        min_length=1,
        description="Keys that divide oversized blocks, in this order; chosen from the fields' own"
        " if omitted.",
    )


def _encoder_named(value: Any) -> Any:
    """Read `embedding: true` and settings without an encoder as those of the default one."""
    if value is False:
        return None
    if value is True:
        return {"encoder": "lexical"}
    if isinstance(value, dict) and "encoder" not in value:
        return {"encoder": "lexical", **value}
    return value


# `dg check yaml` and editors read the JSON schema: it must know what the validators take besides.
Embedding = Annotated[
    AnyEncoder | None,
    BeforeValidator(
        _encoder_named, json_schema_input_type=AnyEncoder | dict[str, Any] | bool | None
    ),
]
# How many single-key strategies fit into the mask of a pair (a signed 64-bit integer).
MAX_STRATEGIES = 60
# The name under which neighbours propose pairs, in the first pass and in the second.
EMBEDDING, SECOND_EMBEDDING = "embedding", "second_embedding"


class SecondPass(Settings):
    """More lenient blocking, only for records that the first pass left without a candidate."""

    strategies: dict[Identifier, KeyExpressions] = Field(
        default_factory=dict, description="name: key, or list of keys, as in the first pass."
    )
    embedding: Embedding = Field(
        None, description="Neighbours; the same encoder as the first pass, with its own k and cuts."
    )
    max_size: int | None = Field(2_000, ge=2, description="Cap of its blocks, in records.")
    max_pairs: int = Field(5_000_000, ge=0, description="Most pairs of its strategies together.")


# Of each pair that a budget keeps, so many should be there to choose from.
PAIRS_TO_CHOOSE_FROM = 3


class Learning(Settings):
    """How blocking rules are learned, and when what a dataset has learned is replaced."""

    promote: Literal["by_hand", "always"] = Field(
        "by_hand",
        description="by_hand: rules, weights and the model stay as they were learned until"
        " er-pipeline promote puts others in force, or settings that shape them change; always:"
        " every run learns anew.",
    )
    rules: bool = Field(
        True, description="Learn rules beside the strategies; false if promote alone is wanted."
    )
    ranking: Literal["budgeted", "lexicographic"] = Field(
        "budgeted",
        description="budgeted: matches per pair within a budget; lexicographic: reduction ratio,"
        " then matches, then fewest non-matches (needs labels).",
    )
    k: int = Field(3, ge=1, le=5, description="Most keys of a conjunction.")
    pairs_per_record: float = Field(
        60,
        gt=0,
        description="Most pairs of all learned rules together, per record; where it is not set, at"
        " least three times the budget.",
    )
    rule_pairs_per_record: float = Field(
        6,
        gt=0,
        description="Most pairs of one learned rule, per record; where it is not set, at least the"
        " budget.",
    )
    max_pairs: int = Field(
        20_000_000,
        ge=0,
        description="Most potential pairs of the strategies and all learned rules together, before"
        " a budget.",
    )
    max_rules: int = Field(40, ge=1, le=50, description="Most learned rules.")
    recall_floor: Share = Field(
        0.99, description="Share of the known or probable matches to find before pairs are saved."
    )
    n_covered: int | None = Field(
        None,
        ge=1,
        description="lexicographic: distinct pairs after which no further rule is applied.",
    )
    sample: int = Field(
        20_000, ge=100, le=1_000_000, description="Records of the forward index, blocks_train."
    )
    seed: int = Field(20, ge=0, description="Of all samples; each round of labels has its own.")
    pin: KeyExpressionsList = Field(
        default_factory=list, description="Conjunctions chosen whatever they cost."
    )
    ban: KeyExpressionsList = Field(
        default_factory=list, description="Conjunctions, or single keys, never to be used."
    )

    def chosen_by(self) -> dict[str, Any]:
        """Give the settings that shape the rules, not when they are learned."""
        return self.model_dump(mode="json", exclude={"promote", "rules"})

    def within(self, pairs_per_record: float | None) -> Self:
        """Return these settings with room for a budget, in those that the user has not set.

        A ranking can only choose among pairs that are there: three times as many as it keeps.
        """
        if pairs_per_record is None:
            return self
        together = PAIRS_TO_CHOOSE_FROM * pairs_per_record
        room = {
            "rule_pairs_per_record": max(self.rule_pairs_per_record, pairs_per_record),
            "pairs_per_record": max(self.pairs_per_record, together),
        }
        is_open = room.keys() - self.model_fields_set
        return self.model_copy(update={name: room[name] for name in is_open})


class Budget(Settings):
    """How many pairs may remain: the best by weight."""

    pairs_per_record: float | None = Field(None, gt=0, description="Most pairs per record.")
    max_pairs: int | None = Field(None, ge=1, description="Most pairs in all.")
    floor_per_record: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Each record keeps so many of its best pairs before the rest is shared out;"
        " if omitted, 1 when two sources are linked, for the records of the smaller one where the"
        " other is more than twice as large; else 0.",
    )
    on_over_budget: Literal["trim", "fail"] = Field(
        "trim", description="trim: keep the best; fail: stop the run."
    )

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        if self.pairs_per_record is None and self.max_pairs is None:
            raise ValueError("a budget needs pairs_per_record or max_pairs")
        return self

    def pairs(self, n_records: int) -> int:
        """The most pairs that may remain of so many records."""
        limits = [] if self.max_pairs is None else [self.max_pairs]
        if self.pairs_per_record is not None:
            # 0.29 * 100 is 28.999999999999996
            limits.append(int(round(self.pairs_per_record * n_records, 6)))
        return min(limits)

    def per_record(self, n_records: int) -> float:
        """The most pairs per record that may remain of so many records."""
        return self.pairs(n_records) / max(1, n_records)


class Labels(Settings):
    """Pairs that people have judged, and will be asked about."""

    path: str = Field(
        "labels.jsonl",
        min_length=1,
        description="Journal of judged pairs, relative to defs.yaml; written by er-pipeline label.",
    )
    csv: CsvFormat = CsvFormat()
