"""The section `expectations`: what Great Expectations must find of the tables."""

from typing import Any, Literal

from pydantic import Field, model_validator

from er_pipeline.blocking.spec.known_expectations import snake_name
from er_pipeline.blocking.spec.settings import Settings, Share

# Tables that expectations can be of, as the catalog shows them, and the section that makes each.
EXPECTED_TABLES = {
    "cleaned_records": None,
    "unified_pairs": None,
    "matches": "matching",
    "entities": "matching",
    "golden_records": "survivorship",
}
RECORDS = "cleaned_records"
# What may stand beside the name of an expectation.
BESIDE = ("table", "severity")


class Expectation(Settings):
    """One expectation: NAME: {ARGUMENT: value}, or type and kwargs, as a suite's file has it."""

    type: str = Field(
        description="Its name, as expect_column_values_to_be_unique or"
        " ExpectColumnValuesToBeUnique; short for type and kwargs is `NAME: {ARGUMENT: value}`."
    )
    kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Its arguments; unknown ones are an error."
    )
    severity: Literal["critical", "warning", "info"] = Field(
        "critical",
        description="critical stops the run where it fails, warning warns, info is only shown.",
    )
    table: str = Field(
        RECORDS,
        description=f"The table it is of, as the catalog shows it: {', '.join(EXPECTED_TABLES)}.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_or_long(cls, value: Any) -> Any:
        """Read `NAME: {ARGUMENT: value}`, with the severity among the arguments or beside them."""
        if not isinstance(value, dict) or "type" in value:
            return value
        names = [name for name in value if name not in BESIDE]
        if len(names) != 1 or not isinstance(value[names[0]], dict | None):
            raise ValueError(
                "an expectation is written as NAME: {ARGUMENT: value}, one in each item, such as"
                " expect_column_values_to_be_unique: {column: email}; beside the name may stand"
                f" {' and '.join(BESIDE)}"
            )
        kwargs = dict(value[names[0]] or {})
        severity = {"severity": kwargs.pop("severity")} if "severity" in kwargs else {}
        beside = {name: value[name] for name in BESIDE if name in value}
        return {"type": names[0], "kwargs": kwargs, **severity, **beside}

    @property
    def name(self) -> str:
        """Its name as suites have it, whichever way it is written."""
        return snake_name(self.type)


class SuiteFile(Settings):
    """A suite in a file of its own; the path alone is short for it."""

    path: str = Field(
        description="json as Great Expectations writes it, or the same as yaml; relative to"
        " defs.yaml."
    )
    table: str = Field(RECORDS, description="The table it is of, as of an expectation.")

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value


class Expectations(Settings):
    """What Great Expectations must find of the tables."""

    max_null_rate: dict[str, Share] = Field(
        default_factory=dict, description="field: share of records that may lack it."
    )
    formats: dict[str, str] = Field(
        default_factory=dict, description="field: regular expression of its clean values."
    )
    expect: list[Expectation] = Field(
        default_factory=list,
        description="Any expectation of the library by its name, each with its arguments.",
    )
    suites: list[SuiteFile] = Field(
        default_factory=list, description="Suites in files, whose expectations are added."
    )
    sample: int = Field(
        200_000,
        ge=1,
        description="Rows of a table looked at; an evenly spread, repeatable sample. What only"
        " every row can show, such as uniqueness, is not judged of a longer table.",
    )
    data_docs: bool = Field(
        True,
        description="Whether Great Expectations' pages (Data Docs) are kept in the folder"
        " data_docs, beside the report.",
    )

    @property
    def tables(self) -> set[str]:
        """The tables of which anything is expected beyond what always is."""
        named = {one.table for one in self.expect} | {suite.table for suite in self.suites}
        return named | ({RECORDS} if self.max_null_rate or self.formats else set())
