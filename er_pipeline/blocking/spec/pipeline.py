"""The settings of a dataset: every one with its default, unit and limits, in one place.

`PipelineSpec` is what stands below `attributes:` in a `defs.yaml`. Reading the file outside
Dagster: `read_spec(path)`. Either way an error says file, line and what to write instead.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails

from er_pipeline.blocking.encoders import AnyEncoder, Column, Encoder
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.values.cleaning import KINDS, CleaningOptions, cleaner
from er_pipeline.blocking.values.folded_text import fold
from er_pipeline.blocking.values.key_choices import KeyChoice, key_choices
from er_pipeline.blocking.values.key_parser import parse_conjunction
from er_pipeline.blocking.values.keys import Conjunction
from er_pipeline.blocking.values.pair_conditions import parse_condition

COMPONENT_TYPE = "er_pipeline.BlockingPipeline"

# Columns of our own tables that a field may not be called.
RESERVED_FIELDS = frozenset(
    {"record_no", "record_id", "source", "source_no", "block_key", "true_cluster", "user_vector"}
)
# How many single-key strategies fit into the mask of a pair (a signed 64-bit integer).
MAX_STRATEGIES = 60

# The six strategies of every person table, by name, then those that wait to be switched on.
DEFAULT_STRATEGIES: dict[str, list[str]] = {
    "email_exact": ["email"],
    "email_domain": ["email_domain(email)"],
    "name_key": ["left(last_name, 3)", "left(first_name, 1)"],
    "soundex": ["soundex(last_name)"],
    "company_word": ["company_word(company)"],
    "name_combo": ["left(first_name, 2)", "left(last_name, 2)"],
}
OPTIONAL_STRATEGIES: dict[str, list[str]] = {
    "first_name_soundex": ["soundex(first_name)"],
    "email_user": ["email_user(email)"],
    "phone": ["phone"],
    "nickname": ["nickname(first_name)", "last_name"],
}
NAMED_STRATEGIES = {**DEFAULT_STRATEGIES, **OPTIONAL_STRATEGIES}

# The first pattern found in a field's name tells its kind; text where none is.
KIND_PATTERNS: tuple[tuple[str, str], ...] = (
    (r"e_?mail", "email"),
    (r"phone|mobile|telephone|(^|_)tel($|_)|(^|_)fax($|_)", "phone"),
    (r"company|organi[sz]ation|(^|_)org($|_)|employer|firm", "company"),
    (r"birth|(^|_)dob($|_)|(^|_)date|date($|_)", "date"),
    (r"address|street|suburb|(^|_)addr", "address"),
    (r"post_?code|(^|_)zip|(^|_)ssn|soc_sec|passport|(^|_)id($|_)|_no$|number", "identifier"),
    (r"(first|last|given|family|middle|full|sur|fore|maiden)_?name|surname", "person_name"),
)

CRON_LIMITS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)

IDENTIFIER = r"^[A-Za-z][A-Za-z0-9_]{0,62}$"
Identifier = Annotated[str, Field(pattern=IDENTIFIER)]
Share = Annotated[float, Field(ge=0, le=1)]


def _whole_expressions(value: Any) -> Any:
    """Put expressions together again that YAML cut at their commas.

    `[left(last_name, 3), left(first_name, 1)]` without quotes is a YAML list of four texts; commas
    within parentheses or quotes belong to one expression.
    """
    if not isinstance(value, list) or not all(isinstance(v, str | int | float) for v in value):
        return value
    whole: list[str] = []
    pending = ""
    for item in value:
        text = str(item).lower() if isinstance(item, bool) else str(item)
        pending = f"{pending}, {text}" if pending else text
        bare = re.sub(r"'[^']*'", "", pending)
        if "'" not in bare and bare.count("(") <= bare.count(")"):
            whole.append(pending)
            pending = ""
    return [*whole, pending] if pending else whole


def _strategies_or_auto(value: Any) -> Any:
    if isinstance(value, str) and value != "auto":
        raise ValueError(
            f"{value!r} is neither auto nor a mapping of name: key; write strategies: auto, or"
            " strategies: {email: email, ...}"
        )
    return value


KeyExpressions = Annotated[str | list[str], BeforeValidator(_whole_expressions)]


def _validation_error(
    title: str, problems: Iterable[tuple[tuple[str | int, ...], str]]
) -> ValidationError:
    """Put problems, each with its place in the settings, into pydantic's error."""
    return ValidationError.from_exception_data(
        title,
        [
            # Dagster makes these errors again, to add their lines, and knows pydantic's own types.
            InitErrorDetails(type="value_error", loc=place, input=None, ctx={"error": text})
            for place, text in problems
        ],
    )


def plain_message(problem: ErrorDetails) -> str:
    """Say what pydantic found, in the words of who writes YAML."""
    text = problem["msg"].removeprefix("Value error, ")
    given = problem["input"]
    if problem["type"] in ("literal_error", "enum"):
        return f"{given!r} is unknown; there are {problem['ctx']['expected'].replace(' or ', ', ')}"
    if problem["type"] == "model_type":
        return f"settings stand under this one, as name: value; {given!r} is none"
    if problem.get("ctx", {}).get("pattern") == IDENTIFIER:
        return (
            f"{given!r} is no name here: a letter first, then letters a to z, digits and _, at most"
            " 63 in all"
        )
    if problem["type"] == "string_pattern_mismatch":
        return f"{given!r} does not fit: {text[0].lower()}{text[1:]}"
    if problem["loc"][-1:] == ("[key]",) and isinstance(given, bool):
        return f"YAML reads a name here as {str(given).lower()}; put it in quotes"
    return text


class Settings(BaseModel):
    """Base of all settings: an unknown word is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=False)

    @model_validator(mode="wrap")
    @classmethod
    def _say_which_word_was_meant(
        cls, settings: Any, read: ModelWrapValidatorHandler[Self]
    ) -> Self:
        """Say of an unknown word which ones there are; pydantic would only forbid it."""
        try:
            return read(settings)
        except ValidationError as error:
            problems = []
            for problem in error.errors():
                place, text = problem["loc"], plain_message(problem)
                if problem["type"] == "extra_forbidden" and len(place) == 1:
                    near = get_close_matches(str(place[0]), cls.model_fields, n=1)
                    text = f"unknown setting {place[0]!r}; " + (
                        f"did you mean {near[0]!r}?"
                        if near
                        else f"there are {', '.join(cls.model_fields)}"
                    )
                problems.append((place, text))
            raise _validation_error(cls.__name__, problems) from error


class CsvFormat(Settings):
    """How a csv file is written, where that cannot be told from its header line."""

    delimiter: str | None = Field(
        None, min_length=1, max_length=1, description="Guessed from the header: , ; tab or |."
    )
    quote: str = Field('"', min_length=1, max_length=1, description="Encloses values.")
    encoding: Literal["utf-8", "utf-16", "latin-1"] = Field("utf-8", description="Of the file.")


class GeneratedPeople(Settings):
    """People made up for demonstrations, with known duplicates (column person_id)."""

    records: int = Field(10_000, ge=1, le=10_000_000, description="Records to make.")
    seed: int = Field(20, ge=0, description="The same seed makes the same people.")


def _as_identifier(text: str) -> str:
    """Make a name for Dagster and SQL of any file's name: teil_* gives teil."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", fold(text)).strip("_")
    return name[:63] if name and name[0].isalpha() else f"source_{name}".strip("_")[:63]


class Source(Settings):
    """One table of records: a file, a table of a DuckDB file, or a query on a database."""

    name: Identifier | None = Field(
        None, description="Shown in column source; the file's or table's name where left out."
    )
    path: str | None = Field(
        None, description="csv, parquet or json file (glob allowed), relative to the defs.yaml."
    )
    format: Literal["csv", "parquet", "json"] | None = Field(
        None, description="Told from the ending of path where left out."
    )
    csv: CsvFormat = CsvFormat()
    database: str | None = Field(None, description="A DuckDB file, relative to the defs.yaml.")
    table: str | None = Field(None, description="A table or view of `database`.")
    url: str | None = Field(None, description="SQLAlchemy URL; write secrets as {{ env.NAME }}.")
    query: str | None = Field(None, description="SQL run at `url`.")
    generate: GeneratedPeople | None = Field(None, description="Made-up people, for a trial.")
    record_id: str = Field("id", min_length=1, description="Column with the record's id.")
    columns: dict[str, str | None] = Field(
        default_factory=dict,
        description="field: column of this source; null where the source has no such column.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = [name for name in ("path", "database", "url", "generate") if getattr(self, name)]
        if len(places) != 1:
            raise ValueError(
                "a source needs exactly one of path, database (with table), url (with query) and"
                f" generate; found {', '.join(places) or 'none'}"
            )
        for place, companion in (("database", "table"), ("url", "query")):
            if bool(getattr(self, place)) != bool(getattr(self, companion)):
                raise ValueError(f"{place} and {companion} belong together: write both")
        return self

    @property
    def label(self) -> str:
        """The source's name as records show it."""
        if self.name:
            return self.name
        if self.path:
            return _as_identifier(Path(self.path).stem)
        if self.database and self.table:
            return _as_identifier(self.table.split(".")[-1])
        return "people" if self.generate else "query"


class Cleaning(Settings):
    """How raw values become clean ones."""

    phone_region: str = Field(
        "US", description="Country of numbers without +, two letters of ISO 3166: US, DE, GB."
    )
    gmail_dots: bool = Field(True, description="Remove dots from Gmail users.")
    plus_tags: bool = Field(True, description="Remove +tags from e-mail users.")
    day_first: bool = Field(False, description="Read 03/04/2020 as the 3rd of April.")
    placeholders: list[str] = Field(
        default_factory=list, description="Values that mean 'no value', besides the built-in ones."
    )
    free_mail_domains: list[str] = Field(
        default_factory=list, description="Domains that give no email_domain key, besides ours."
    )
    max_reject_rate: Share = Field(
        0.0, description="Share of unreadable rows that may go to rejected_records."
    )

    @field_validator("phone_region")
    @classmethod
    def _region_is_known(cls, region: str) -> str:
        try:
            cleaner("phone", CleaningOptions(phone_region=region))
        except ValueError as error:
            known = "; the United Kingdom is GB" if region == "UK" else ""
            raise ValueError(
                f"{region!r} is no phone region; write two letters of ISO 3166, such as DE{known}"
            ) from error
        return region

    @property
    def options(self) -> CleaningOptions:
        """The same as the cleaning functions take it."""
        return CleaningOptions(
            phone_region=self.phone_region,
            gmail_dots=self.gmail_dots,
            plus_tags=self.plus_tags,
            day_first=self.day_first,
            placeholders=frozenset(self.placeholders),
        )


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
    refine_by: Annotated[list[KeyExpressions], BeforeValidator(_whole_expressions)] | None = Field(
        None,
        min_length=1,
        description="Keys that divide oversized blocks, in this order; chosen from the fields' own"
        " where left out.",
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


def _comparisons_by_field(value: Any) -> Any:
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
            "date",
        ]
        | None
    ) = Field(None, description="How alike values are graded; by the field's kind if left out.")
    thresholds: list[Annotated[float, Field(gt=0)]] | None = Field(
        None,
        min_length=1,
        max_length=6,
        description="Similarities of 0 to 1, or edits, that a level takes; best first.",
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
        if self.levels not in ("jaro_winkler", "jaro", "jaccard", "words") and not edits:
            raise ValueError(
                f"thresholds belong to jaro_winkler, jaro, jaccard, words, levenshtein or"
                f" damerau_levenshtein; levels is {self.levels or 'left out'}"
            )
        if edits and any(value != int(value) for value in self.thresholds):
            raise ValueError(f"{self.levels} counts edits: write whole numbers such as [1, 2]")
        if not edits and any(value > 1 for value in self.thresholds):
            raise ValueError(f"{self.levels} is a similarity: write shares such as [0.92, 0.8]")
        if sorted(set(self.thresholds), reverse=not edits) != self.thresholds:
            order = "fewest edits first" if edits else "highest first"
            raise ValueError(f"thresholds {self.thresholds} must differ, {order}")
        return self


def _on_or_off(value: Any) -> Any:
    return {} if value is True else None if value is False else value


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
        description="Least probability of a likely match; matching: threshold where left out.",
    )


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
        BeforeValidator(_on_or_off, json_schema_input_type=RecallSample | bool | None),
    ] = Field(RecallSample(), description="Estimate recall from a sample: settings, or false.")

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
        return [self.max_u_pairs, self.max_iterations, self.convergence]


class Checks(Settings):
    """What must hold; a number's unit stands in its description."""

    min_key_coverage: Share = Field(
        0.95, description="Share of records with at least one key; below it the run stops."
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
    max_training_pairs: int = Field(
        10_000_000, ge=0, description="Most pairs of all training rules, summed."
    )
    max_matches_cut: Share = Field(
        0.02, description="Share of the expected matches a budget may cut; above it, a warning."
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
    max_entity_size: int = Field(
        100, ge=2, description="Records of the largest entity; above it, the run stops."
    )
    min_estimated_recall: Share = Field(
        0.9,
        description="Share of the likely matches that must be candidates, as far as a sample tells;"
        " below it, a warning.",
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


class Expectations(Settings):
    """The Great Expectations suite on cleaned_records."""

    max_null_rate: dict[str, Share] = Field(
        default_factory=dict, description="field: share of records that may lack it."
    )
    formats: dict[str, str] = Field(
        default_factory=dict, description="field: regular expression of its clean values."
    )
    sample: int = Field(
        200_000, ge=1, description="Records looked at; an evenly spread, repeatable sample."
    )


def _known_timezone(name: str) -> str:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Berlin") from error
    return name


class Schedule(Settings):
    """When the job runs by itself."""

    cron: str = Field("0 2 * * *", description="Minute, hour, day, month, weekday.")
    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        "UTC", description="IANA name, such as Europe/Berlin."
    )
    enabled: bool = Field(True, description="Whether the schedule is on when the project loads.")


class Truth(Settings):
    """Known matches, where there are any: a file of pairs, or a column that names the entity."""

    path: str | None = Field(None, description="csv or parquet of pairs, relative to defs.yaml.")
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


class Learning(Settings):
    """How blocking rules are learned, from labels or from the data alone."""

    ranking: Literal["budgeted", "lexicographic"] = Field(
        "budgeted",
        description="budgeted: matches per pair within a budget; lexicographic: reduction ratio,"
        " then matches, then fewest non-matches (needs labels).",
    )
    k: int = Field(3, ge=1, le=5, description="Most keys of a conjunction.")
    pairs_per_record: float = Field(
        60, gt=0, description="Most pairs of all learned rules together, per record."
    )
    rule_pairs_per_record: float = Field(
        6, gt=0, description="Most pairs of one learned rule, per record."
    )
    max_rules: int = Field(40, ge=1, le=50, description="Most learned rules.")
    recall_floor: Share = Field(
        0.99, description="Share of the known or probable matches to find before pairs are saved."
    )
    n_covered: int | None = Field(
        None, ge=1, description="lexicographic: pairs after which no further rule is applied."
    )
    sample: int = Field(
        20_000, ge=100, le=1_000_000, description="Records of the forward index, blocks_train."
    )
    seed: int = Field(20, ge=0, description="Of all samples; each round of labels has its own.")
    pin: Annotated[list[KeyExpressions], BeforeValidator(_whole_expressions)] = Field(
        default_factory=list, description="Conjunctions chosen whatever they cost."
    )
    ban: Annotated[list[KeyExpressions], BeforeValidator(_whole_expressions)] = Field(
        default_factory=list, description="Conjunctions, or single keys, never to be used."
    )


class Budget(Settings):
    """How many pairs may remain: the best by weight."""

    pairs_per_record: float | None = Field(None, gt=0, description="Most pairs per record.")
    max_pairs: int | None = Field(None, ge=1, description="Most pairs in all.")
    floor_per_record: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Each record keeps so many of its best pairs before the rest is shared out;"
        " 1 when linking, else 0, where left out.",
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


class Labels(Settings):
    """Pairs that people have judged, and will be asked about."""

    path: str = Field(
        "labels.jsonl",
        min_length=1,
        description="Journal of judged pairs, relative to defs.yaml; written by er-pipeline label.",
    )


class PipelineSpec(Settings):
    """One dataset: where its records are, how they are blocked, and what must hold."""

    dataset: Identifier = Field(description="Prefix of every asset and name of the schema.")
    description: str = Field("", description="Shown on every asset of the dataset.")
    owners: list[str] = Field(
        default_factory=list, description="E-mail addresses, or team:name, shown on every asset."
    )
    mode: Literal["dedupe", "link", "link_and_dedupe"] | None = Field(
        None, description="dedupe for one source, link for several, where left out."
    )
    sources: list[Source] = Field(min_length=1, description="The tables of records.")
    fields: dict[Identifier, Literal[KINDS]] = Field(  # type: ignore[valid-type]
        default_factory=dict,
        description="field: kind; a field of `columns` without a kind gets one from its name.",
    )
    cleaning: Cleaning = Cleaning()
    strategies: Annotated[
        Literal["auto"] | dict[Identifier, KeyExpressions | bool] | None,
        BeforeValidator(_strategies_or_auto),
    ] = Field(
        None,
        description="name: key, or list of keys that must all be equal; true for a built-in one;"
        " auto: all of them learned.",
    )
    learning: Learning | None = Field(
        None, description="Learn rules beside the strategies; {} for the defaults."
    )
    weights: bool = Field(True, description="Weigh every pair; needed for a budget.")
    budget: Budget | None = Field(None, description="Keep the best pairs within it.")
    blocks: Blocks = Blocks()
    embedding: Embedding = Field(
        None, description="Neighbours of the records as pairs: true, or an encoder's settings."
    )
    second_pass: SecondPass | None = Field(
        None, description="A pass for records without a candidate; off where left out."
    )
    training_rules: dict[Identifier, KeyExpressions] | None = Field(
        None, description="name: key, or list of keys, for one EM session each."
    )
    comparisons: Annotated[
        dict[Identifier, Comparison] | None,
        BeforeValidator(
            _comparisons_by_field,
            json_schema_input_type=(
                list[Identifier] | dict[Identifier, Comparison | str | Literal[True]] | None
            ),
        ),
    ] = Field(
        None,
        description="Fields the matching model compares: a list, or field: how, true for the way"
        " of its kind; all where left out.",
    )
    matching: Annotated[
        Matching | None,
        BeforeValidator(_on_or_off, json_schema_input_type=Matching | bool | None),
    ] = Field(None, description="Train a model, score the pairs, find entities: true, or settings.")
    checks: Checks = Checks()
    expectations: Expectations = Expectations()
    schedule: Schedule = Schedule()
    truth: Truth | None = Field(None, description="Known matches, for evaluation only.")
    labels: Labels | None = Field(
        None, description="Pairs judged by people; off where left out, {} for the defaults."
    )
    engine: Literal["duckdb"] = Field("duckdb", description="What runs the SQL.")
    threads: int | None = Field(None, ge=1, description="Threads per asset; one per core if null.")
    memory_limit: str | None = Field(
        None, pattern=r"^\d+(\.\d+)? ?(MB|GB|TB|MiB|GiB|TiB)$", description='Per asset: "4GB".'
    )
    executor: Literal["in_process", "multiprocess"] = Field(
        "in_process", description="multiprocess runs assets side by side, on larger machines."
    )

    @field_validator("schedule")
    @classmethod
    def _schedule_is_readable(cls, schedule: Schedule) -> Schedule:
        parts = schedule.cron.split()
        if len(parts) != len(CRON_LIMITS):
            raise ValueError(f"cron {schedule.cron!r} must have five parts, such as 0 2 * * *")
        for part, (name, low, high) in zip(parts, CRON_LIMITS, strict=True):
            numbers = [int(n) for n in re.findall(r"\d+", part.split("/")[0])]
            if not re.fullmatch(r"[\w*/,\-#]+", part) or any(not low <= n <= high for n in numbers):
                raise ValueError(
                    f"cron {schedule.cron!r}: {part!r} is no {name} ({low} to {high}, * for every)"
                )
        return schedule

    @model_validator(mode="after")
    def _everything_fits(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise _validation_error("PipelineSpec", problems)
        return self

    def _problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Find what pydantic cannot see: names that do not fit each other."""
        labels = self.source_labels
        for i, label in enumerate(labels):
            if label in labels[:i]:
                yield (("sources", i), f"two sources are called {label!r}; give one a `name`")
        if self.mode == "dedupe" and len(self.sources) > 1:
            yield (("mode",), "dedupe takes one source; write link or link_and_dedupe")
        if self.mode in ("link", "link_and_dedupe") and len(self.sources) == 1:
            yield (("mode",), f"{self.mode} needs two sources; write dedupe")
        if not self.field_kinds:
            yield (
                ("fields",),
                "no field is declared; write fields: {first_name: person_name, ...} or map them"
                " with columns",
            )
            return
        for name in self.field_kinds:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name):
                yield (
                    ("sources",),
                    f"field {name!r} must be letters, digits and _; keep the source's own name on"
                    " the right: columns: {my_name: 'the source name'}",
                )
            if name.lower() in RESERVED_FIELDS:
                yield (("fields", name), f"field {name!r} is a column of our own; rename it")
        names = [name.lower() for name in self.field_kinds]
        if len(set(names)) < len(names):
            yield (("fields",), "two fields differ in case only; rename one")
            return  # no table could hold them, so no key can be tried
        for place, mapping in (
            (("expectations", "max_null_rate"), self.expectations.max_null_rate),
            (("expectations", "formats"), self.expectations.formats),
            (("comparisons",), self.comparisons or {}),
        ):
            for name in mapping:
                if name not in self.field_kinds:
                    yield (
                        (*place, name) if len(place) > 1 else place,
                        f"unknown field {name!r}; the fields are {', '.join(self.field_kinds)}",
                    )
        for name, pattern in self.expectations.formats.items():
            try:
                re.compile(pattern)
            except re.error as error:
                yield (("expectations", "formats", name), f"not a regular expression: {error}")
        conjunctions: list[Conjunction] = []
        yield from self._refining_problems()
        yield from self._embedding_problems()
        yield from self._learning_problems()
        yield from self._comparison_problems()
        second = self.second_pass.strategies if self.second_pass else {}
        for section, declared in (
            ("strategies", self._declared_strategies()),
            ("training_rules", self._declared_training_rules()),
            *([("second_pass", second)] if second else []),
        ):
            where: tuple[str, ...] = (section,)
            if section == "second_pass":
                where = ("second_pass", "strategies")
            for name, keys in declared.items():
                if not keys:
                    yield (
                        (*where, name),
                        f"{name!r} has no key; write an expression such as left(last_name, 3)."
                        f" Built in, to be switched on by true, are {', '.join(NAMED_STRATEGIES)}",
                    )
                    continue
                try:
                    conjunction = self._parse(name, keys)
                except SpecError as error:
                    yield ((*where, name), str(error))
                    continue
                if section == "strategies":
                    conjunctions.append(conjunction)
                elif section == "training_rules" and conjunction.is_list:
                    yield (
                        (*where, name),
                        f"training rule {name!r} is many-valued; EM needs one key per record",
                    )
            if len({name.lower() for name in declared}) < len(declared):
                yield (where, f"two {section} differ in case only; rename one")
            if not declared and not (section == "strategies" and (self.encoder or self.learns)):
                yield (
                    where,
                    "none of the six usual ones fits these fields, so declare a strategy; write"
                    " strategies: auto to have rules learned from the data, a mapping of your own,"
                    " or embedding: true"
                    if section == "strategies"
                    else f"there are no {section.replace('_', ' ')}; declare at least one",
                )
        if len(conjunctions) + len(second) + 2 > MAX_STRATEGIES:
            yield (("strategies",), f"at most {MAX_STRATEGIES} strategies fit into one mask")
        if isinstance(self.checks.max_pairs_per_strategy, dict):
            for name in self.checks.max_pairs_per_strategy:
                if name not in self._declared_strategies():
                    yield (
                        ("checks", "max_pairs_per_strategy", name),
                        f"unknown strategy {name!r}; there are"
                        f" {', '.join(self._declared_strategies())}",
                    )

    def _refining_problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        if self.blocks.refine_by and self.blocks.oversized != "refine":
            yield (
                ("blocks", "refine_by"),
                "no block is divided while oversized ones are dropped; write oversized: refine",
            )
        for i, keys in enumerate(self.blocks.refine_by or []):
            place = ("blocks", "refine_by", i)
            try:
                conjunction = self._parse(f"refine_{i}", keys)
            except SpecError as error:
                yield (place, str(error))
                continue
            if conjunction.is_list:
                yield (
                    place,
                    f"key {conjunction.expression!r} is many-valued; a block is divided by keys"
                    " with one value per record",
                )

    def _learning_problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        learning = self.learns
        if self.budget and not self.weights:
            yield (("weights",), "a budget keeps the pairs of most weight: leave weights on")
        if learning is None:
            return
        if learning.ranking == "lexicographic" and self.labels is None:
            yield (
                ("learning", "ranking"),
                "lexicographic needs labels: write labels: {path: labels.jsonl}, or budgeted",
            )
        for name in self._declared_strategies():
            if name.lower() == "train":
                yield (("strategies", name), "'train' names the forward index; choose another")
        places = MAX_STRATEGIES - len(self._declared_strategies())
        places -= len(self.second_pass.strategies if self.second_pass else {}) + 2
        if len(learning.pin) > places:
            yield (("learning", "pin"), f"at most {places} pinned rules fit beside the strategies")
        for place in ("pin", "ban"):
            for i, keys in enumerate(getattr(learning, place)):
                try:
                    self._parse("rule", keys)
                except SpecError as error:
                    yield (("learning", place, i), str(error))

    def _comparison_problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        if self.comparisons is not None and not self.comparisons:
            yield (("comparisons",), "no field is left to compare; leave it out to compare all")
        for name, comparison in (self.comparisons or {}).items():
            for i, condition in enumerate(comparison.sql):
                try:
                    parse_condition(condition, tuple(self.field_kinds))
                except SpecError as error:
                    yield (("comparisons", name, "sql", i), str(error))

    def _embedding_problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        second = self.second_pass
        for place, encoder in (
            (("embedding",), self.embedding),
            (("second_pass", "embedding"), second.embedding if second else None),
        ):
            for name in (encoder.fields or []) if encoder else []:
                if name not in self.field_kinds:
                    yield (
                        (*place, "fields"),
                        f"unknown field {name!r}; the fields are {', '.join(self.field_kinds)}",
                    )
        if second and not second.strategies and not second.embedding:
            yield (("second_pass",), "a second pass needs strategies, or embedding, or both")
        if second and second.embedding and self.embedding:
            same = second.embedding.vectors_of() == self.embedding.vectors_of()
            if not same:
                yield (
                    ("second_pass", "embedding"),
                    "both passes must use the same vectors: give it the encoder, fields and model"
                    " of `embedding`; k and the cuts may differ",
                )
        first = self._declared_strategies()
        taken = {name.lower() for name in (*first, EMBEDDING, SECOND_EMBEDDING)}
        for name in second.strategies if second else {}:
            if name.lower() in taken:
                yield (("second_pass", "strategies", name), f"{name!r} is taken; name it anew")
        for name in first:
            if name.lower() in (EMBEDDING, SECOND_EMBEDDING):
                yield (("strategies", name), f"{name!r} is the name of neighbours; choose another")

    @cached_property
    def field_kinds(self) -> dict[str, str]:
        """Every field with its kind, declared or guessed from its name, in order of mention."""
        names = dict.fromkeys([*self.fields, *(n for s in self.sources for n in s.columns)])
        return {name: self.fields.get(name) or guess_kind(name) for name in names}

    @property
    def source_labels(self) -> list[str]:
        """The sources' names, in their order."""
        return [source.label for source in self.sources]

    @property
    def link_mode(self) -> str:
        """What is compared with what: dedupe, link or link_and_dedupe."""
        return self.mode or ("dedupe" if len(self.sources) == 1 else "link")

    @cached_property
    def strategy_conjunctions(self) -> tuple[Conjunction, ...]:
        """The strategies, in order; the order decides which one a pair is filed under."""
        return tuple(self._parse(n, k) for n, k in self._declared_strategies().items())

    @cached_property
    def refine_conjunctions(self) -> tuple[Conjunction, ...] | None:
        """The keys that divide oversized blocks, in order; None where they are chosen."""
        if self.blocks.refine_by is None:
            return None
        given = enumerate(self.blocks.refine_by)
        return tuple(self._parse(f"refine_{i}", keys) for i, keys in given)

    @cached_property
    def training_conjunctions(self) -> tuple[Conjunction, ...]:
        """The training rules, in order."""
        return tuple(self._parse(n, k) for n, k in self._declared_training_rules().items())

    @cached_property
    def second_conjunctions(self) -> tuple[Conjunction, ...]:
        """The strategies of the second pass, in order."""
        declared = self.second_pass.strategies if self.second_pass else {}
        return tuple(self._parse(name, keys) for name, keys in declared.items())

    @property
    def learns(self) -> Learning | None:
        """How rules are learned, where they are."""
        return self.learning or (Learning() if self.strategies == "auto" else None)

    @property
    def has_two_passes(self) -> bool:
        """Whether the second pass comes after the matches of the first, for who has none."""
        return self.second_pass is not None and self.matching is not None

    @property
    def is_taught_by_model(self) -> bool:
        """Whether a trained model tells learned rules and weights which pairs match."""
        return self.matching is not None and self.matching.teaches_blocking

    @property
    def seed(self) -> int:
        """The seed of all samples."""
        return (self.learning or Learning()).seed

    @cached_property
    def key_choices(self) -> tuple[KeyChoice, ...]:
        """Every single-valued key that learning, refining and weighing choose among."""
        free_mail = tuple(self.cleaning.free_mail_domains)
        return key_choices(self.field_kinds, free_mail)

    @property
    def encoder(self) -> Encoder | None:
        """What turns records into vectors, for either pass."""
        second = self.second_pass.embedding if self.second_pass else None
        return self.embedding or second

    @property
    def embedding_fields(self) -> list[str]:
        """The fields that texts are made of."""
        return (self.encoder.fields if self.encoder else None) or list(self.field_kinds)

    @property
    def vector_column(self) -> str | None:
        """The column of the sources that holds the user's own vectors."""
        return self.encoder.column if isinstance(self.encoder, Column) else None

    @property
    def proposers(self) -> list[str]:
        """Everything that proposes pairs, by its bit in a pair's mask."""
        names = [strategy.name for strategy in self.strategy_conjunctions]
        if self.embedding:
            names.append(EMBEDDING)
        names += [strategy.name for strategy in self.second_conjunctions]
        if self.second_pass and self.second_pass.embedding:
            names.append(SECOND_EMBEDDING)
        return names

    @property
    def comparison_fields(self) -> list[str]:
        """The fields a matching model will compare."""
        return list(self.field_kinds if self.comparisons is None else self.comparisons)

    @cached_property
    def compared_columns(self) -> dict[str, tuple[str, ...]]:
        """For every compared field the fields that its comparison reads, itself included."""
        fields = tuple(self.field_kinds)
        declared = self.comparisons or {}
        read = {
            name: {
                column
                for condition in (declared[name].sql if name in declared else [])
                for column in parse_condition(condition, fields)[1]
            }
            for name in self.comparison_fields
        }
        return {name: tuple(sorted({name, *columns})) for name, columns in read.items()}

    def max_pairs_of(self, strategy: str) -> int | None:
        """The budget of one strategy, in pairs, where it has one of its own."""
        budget = self.checks.max_pairs_per_strategy
        return budget.get(strategy) if isinstance(budget, dict) else budget

    def _parse(self, name: str, keys: KeyExpressions) -> Conjunction:
        return parse_conjunction(
            name, keys, tuple(self.field_kinds), tuple(self.cleaning.free_mail_domains)
        )

    def _declared_strategies(self) -> dict[str, KeyExpressions]:
        if self.strategies == "auto":
            return {}
        if self.strategies is None:
            # The six, as far as the fields they read exist.
            fitting: dict[str, KeyExpressions] = {}
            for name, keys in DEFAULT_STRATEGIES.items():
                try:
                    self._parse(name, keys)
                except SpecError:
                    continue
                fitting[name] = keys
            return fitting
        return {
            name: NAMED_STRATEGIES.get(name, []) if keys is True else keys
            for name, keys in self.strategies.items()
            if keys is not False
        }

    def _declared_training_rules(self) -> dict[str, KeyExpressions]:
        if self.training_rules is not None:
            return dict(self.training_rules)
        return default_training_rules(self.field_kinds)


def guess_kind(field: str) -> str:
    """Tell a field's kind from its name: birth_date is a date; text where nothing fits."""
    for pattern, kind in KIND_PATTERNS:
        if re.search(pattern, field.lower()):
            return kind
    return "text"


def default_training_rules(field_kinds: Mapping[str, str]) -> dict[str, KeyExpressions]:
    """Choose training rules by kind: the full name, then an identifying field on its own.

    Two rules on different fields leave every comparison free in one of them, as EM needs. A date of
    birth is best: some strangers share it, so that EM sees both matches and others.
    """
    names = [name for name, kind in field_kinds.items() if kind == "person_name"][:2]
    rules: dict[str, KeyExpressions] = {"same_name": names} if names else {}
    for kind in ("date", "email", "phone", "identifier"):
        fields = [name for name, found in field_kinds.items() if found == kind]
        if len(rules) > 1:
            break
        rules.update({f"same_{fields[0]}": fields[0]} if fields else {})
    if len(rules) < 2:
        free = [name for name in field_kinds if name not in names]
        rules.update({f"same_{name}": name for name in free[:2]})
    return rules or {f"same_{name}": name for name in list(field_kinds)[:2]}


def resolved(value: str, folder: Path) -> Path:
    """Read a path of the settings: relative ones lie beside the defs.yaml."""
    return (folder / Path(value).expanduser()).absolute()
