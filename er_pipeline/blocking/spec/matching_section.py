"""The sections `comparisons` and `matching`: how pairs become matches and entities."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from er_pipeline.blocking.spec.settings import Identifier, Settings, Share, on_or_off


def comparisons_by_field(value: Any) -> Any:
    """Read a list of fields, `city: exact` and `phone: true` as full settings."""
    if isinstance(value, list):
        return {name: {} for name in value}
    if isinstance(value, dict):
        return {
            name: {} if how is True else {"levels": how} if isinstance(how, str) else how
            for name, how in value.items()
        }
    return value


class Comparison(Settings):
    """How a matching model compares one field; by the field's kind where nothing is said."""

    levels: (
        Literal[
            "exact",
            "jaro_winkler",
            "jaro",
            "levenshtein",
            "damerau_levenshtein",
            "jaccard",
            "words",
            "email",
            "any_value",
            "date",
            "relative",
        ]
        | None
    ) = Field(None, description="How alike values are graded; by the field's kind if omitted.")
    thresholds: list[Annotated[float, Field(gt=0)]] | None = Field(
        None,
        min_length=1,
        max_length=6,
        description="Similarities of 0 to 1, edits, or for relative the share of the larger number"
        " by which two differ, that a level takes; best first.",
    )
    term_frequency: bool | None = Field(
        None, description="Sharing a rare value says more; on for names, companies and texts."
    )
    sql: list[str] = Field(
        default_factory=list,
        description="Conditions of further levels below equality, such as email_l = email_r.",
    )

    @model_validator(mode="after")
    def _thresholds_fit_the_levels(self) -> Self:
        if self.thresholds is None:
            return self
        edits = self.levels in ("levenshtein", "damerau_levenshtein")
        differences = edits or self.levels == "relative"
        if self.levels not in ("jaro_winkler", "jaro", "jaccard", "words") and not differences:
            raise ValueError(
                f"thresholds belong to jaro_winkler, jaro, jaccard, words, levenshtein,"
                f" damerau_levenshtein or relative; levels is {self.levels or 'left out'}"
            )
        if edits and any(value != int(value) for value in self.thresholds):
            raise ValueError(f"{self.levels} counts edits: write whole numbers such as [1, 2]")
        if not edits and any(value > 1 for value in self.thresholds):
            such = "a difference: write shares such as [0.01, 0.1]"
            if not differences:
                such = "a similarity: write shares such as [0.92, 0.8]"
            raise ValueError(f"{self.levels} is {such}")
        if sorted(set(self.thresholds), reverse=not differences) != self.thresholds:
            order = "fewest edits first" if edits else "highest first"
            order = "smallest first" if self.levels == "relative" else order
            raise ValueError(f"thresholds {self.thresholds} must differ, {order}")
        return self


class RecallSample(Settings):
    """How recall is estimated without truth: some records are scored against all records."""

    records: int = Field(
        1_000, ge=1, le=100_000, description="Records drawn, the same ones every night."
    )
    comparisons: int = Field(
        5_000_000,
        ge=1_000,
        description="Most pairs whose values are compared; fewer records are drawn where it would"
        " take more.",
    )
    min_probability: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Least probability of a likely match; if omitted, matching: threshold.",
    )


Comparisons = Annotated[
    dict[Identifier, Comparison] | None,
    BeforeValidator(
        comparisons_by_field,
        json_schema_input_type=(
            list[Identifier] | dict[Identifier, Comparison | str | Literal[True]] | None
        ),
    ),
]


class Matching(Settings):
    """How pairs become matches and entities: a Splink model, trained by EM."""

    threshold: Share = Field(
        0.95, description="Least match probability of a match; matches join into entities."
    )
    min_probability: Share = Field(
        0.01, description="Pairs scored below it are counted, but not stored in matches."
    )
    max_u_pairs: int = Field(
        1_000_000, ge=1_000, description="Random pairs that u is estimated from."
    )
    max_iterations: int = Field(50, ge=1, le=1_000, description="Most iterations of a session.")
    convergence: float = Field(
        0.0001, gt=0, le=0.1, description="A session ends when no parameter changes by more."
    )
    recall: Annotated[
        RecallSample | None,
        BeforeValidator(on_or_off, json_schema_input_type=RecallSample | bool | None),
    ] = Field(RecallSample(), description="Estimate recall from a sample: settings, or false.")

    one_to_one: bool = Field(
        False,
        description="In mode link, take the best links alone: of every source at most one record"
        " in an entity.",
    )
    swapped_names: bool = Field(
        False,
        description="First and last name in each other's column are a level of their own, not two"
        " names that differ.",
    )
    teaches_blocking: bool = Field(
        True,
        description="The model's confident scores are weak labels for learned rules and weights.",
    )

    @model_validator(mode="after")
    def _matches_are_stored(self) -> Self:
        if self.min_probability > self.threshold:
            raise ValueError(
                f"min_probability {self.min_probability:g} is above threshold"
                f" {self.threshold:g}: matches would not be stored; lower it"
            )
        return self

    def trained_by(self) -> list[float]:
        """Give the settings that shape the model, not the matches."""
        return [self.max_u_pairs, self.max_iterations, self.convergence, self.swapped_names]
