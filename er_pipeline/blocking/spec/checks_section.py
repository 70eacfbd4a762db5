"""The sections `checks` and `truth`: what must hold, and what is known."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from er_pipeline.blocking.spec.settings import Settings, Share
from er_pipeline.blocking.spec.sources_section import CsvFormat


class Checks(Settings):
    """What must hold; a number's unit stands in its description."""

    min_key_coverage: Share = Field(
        0.95,
        description="Share of records with at least one key; below it the run stops. It only warns"
        " where the limit is not written down and rules are learned, neighbours found, or records"
        " too few to show it: the 95% interval of the share reaches the limit.",
    )
    max_coverage_lost: Share = Field(
        0.05,
        description="Share of records whose every shared block was dropped; above it, it stops.",
    )
    max_pairs: int = Field(
        20_000_000, ge=0, description="Most potential pairs of all strategies together."
    )
    max_pairs_per_strategy: int | dict[str, int] | None = Field(
        None, description="Most pairs of one strategy: one number, or strategy: number."
    )
    max_memberships: int = Field(
        50_000_000,
        ge=1,
        description="Most memberships of one many-valued strategy, its records times their keys;"
        " above it, the run stops before they are made.",
    )
    max_training_pairs: int = Field(
        10_000_000, ge=0, description="Most pairs of all training rules, summed."
    )
    max_matches_cut: Share = Field(
        0.02,
        description="Share of the expected matches, or of the known ones where there is truth, that"
        " a budget may cut; above it, a warning.",
    )
    max_largest_block_share: Share = Field(
        0.1, description="Share of all pairs that the largest block may hold; above it, a warning."
    )
    max_cleaned_away: Share = Field(
        0.2, description="Share of a field's values that cleaning may empty; above it, a warning."
    )
    min_block_pairs_for_share: int = Field(
        10_000, ge=0, description="Pairs the largest block must have for that warning."
    )
    match_share_warn: list[Share] = Field(
        [0.01, 0.99],
        min_length=2,
        max_length=2,
        description="Share of matches among a training rule's pairs, least and most; else a"
        " warning.",
    )
    match_share_fail: list[Share] = Field(
        [0.001, 0.999],
        min_length=2,
        max_length=2,
        description="The same; outside of it the run stops, since EM finds no two classes.",
    )
    max_m_difference: Share = Field(
        0.2, description="Most by which sessions may differ in an m; above it, a warning."
    )
    max_doubtful_matches: Share = Field(
        0.05,
        description="Share of the matches that may be wrong, as truth says or as estimated without"
        " it: two who are alike, such as twins, a second partner in a linked source, near values"
        " that are no sign of a match; above it, a warning. Where truth is known, no remedy lowers"
        " precision below the rest.",
    )
    max_entity_size: int = Field(
        100, ge=2, description="Records of the largest entity; above it, the run stops."
    )
    max_records_drop: Share = Field(
        0.5,
        description="Most by which the records may fall from one good run to the next; above it,"
        " the run stops.",
    )
    max_pairs_drop: Share = Field(
        0.5,
        description="Most by which the candidate pairs may fall from one good run to the next;"
        " above it, a warning. Where none is left, the run stops.",
    )
    max_without_candidate: Share | None = Field(
        None,
        description="Share of the records with a value that may have no candidate; above it, a"
        " warning. If omitted, 0.2 more than in the last good run.",
    )
    min_estimated_recall: Share = Field(
        0.9,
        description="Share of the likely matches that must be candidates, estimated from a sample,"
        " or of the known ones where there is truth; below it, a warning.",
    )
    max_recall_drop: Share = Field(
        0.02,
        description="Most by which that share may fall from one good run to the next; above it, a"
        " warning.",
    )

    @field_validator("match_share_warn", "match_share_fail")
    @classmethod
    def _least_before_most(cls, bounds: list[float]) -> list[float]:
        if bounds[0] > bounds[1]:
            raise ValueError(f"{bounds}: write the least first, then the most")
        return bounds


class Truth(Settings):
    """Known matches, where there are any: a file of pairs, or a column that names the entity."""

    path: str | None = Field(
        None, description="csv, parquet or json file of pairs, relative to defs.yaml."
    )
    format: Literal["csv", "parquet", "json"] | None = Field(
        None, description="If omitted, it follows from the ending of path."
    )
    csv: CsvFormat = CsvFormat()
    left_id: str = Field("left_id", description="Column of the first source's id.")
    right_id: str = Field("right_id", description="Column of the second source's id.")
    left_source: str | None = Field(None, description="Column that names the left id's source.")
    right_source: str | None = Field(None, description="Column that names the right id's source.")
    cluster_column: str | None = Field(
        None, description="Column of the sources: equal values are one entity."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.path) == bool(self.cluster_column):
            raise ValueError("truth needs either path or cluster_column")
        if bool(self.left_source) != bool(self.right_source):
            raise ValueError("left_source and right_source belong together: write both")
        return self
