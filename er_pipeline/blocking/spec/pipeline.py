"""The settings of a dataset: every one with its default, unit and limits, in one place.

`PipelineSpec` is what stands below `attributes:` in a `defs.yaml`. Reading the file outside
Dagster: `read_spec(path)`. Either way an error says file, line and what to write instead.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from er_pipeline.blocking.encoders import Column, Encoder
from er_pipeline.blocking.spec.blocking_section import (
    EMBEDDING,
    SECOND_EMBEDDING,
    Blocks,
    Budget,
    Embedding,
    Labels,
    Learning,
    SecondPass,
)
from er_pipeline.blocking.spec.checks_section import Checks, Truth
from er_pipeline.blocking.spec.expectations_section import Expectations
from er_pipeline.blocking.spec.kinds import FIELD_KINDS, FULL_NAME, NamePart, guess_kind, name_parts
from er_pipeline.blocking.spec.lake_section import LakeSettings
from er_pipeline.blocking.spec.matching_section import Comparisons, Matching
from er_pipeline.blocking.spec.named_strategies import (
    DEFAULT_STRATEGIES,
    NAMED_STRATEGIES,
    strategies_or_auto,
)
from er_pipeline.blocking.spec.notify_section import Notify
from er_pipeline.blocking.spec.problems import problems
from er_pipeline.blocking.spec.publish_section import PublishPlace
from er_pipeline.blocking.spec.report_section import ReportSettings
from er_pipeline.blocking.spec.schedule_section import Runs, Schedule
from er_pipeline.blocking.spec.settings import (
    Identifier,
    KeyExpressions,
    MemorySize,
    Settings,
    on_or_off,
    resolved,
    validation_error,
)
from er_pipeline.blocking.spec.sources_section import Cleaning, KeyPrefix, Source
from er_pipeline.blocking.spec.spark_section import Spark
from er_pipeline.blocking.spec.survivorship_section import Survivorship
from er_pipeline.blocking.tables.cluster import Cluster
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.values.key_choices import KeyChoice, key_choices
from er_pipeline.blocking.values.key_parser import parse_conjunction
from er_pipeline.blocking.values.keys import Conjunction
from er_pipeline.blocking.values.pair_conditions import parse_condition

# DuckDB starts every thread at once; no machine has more.
MOST_THREADS = 1_024


class PipelineSpec(Settings):
    """One dataset: where its records are, how they are blocked, and what must hold."""

    dataset: Identifier = Field(description="Prefix of every asset and name of the schema.")
    description: str = Field("", description="Shown on every asset of the dataset.")
    key_prefix: KeyPrefix | None = Field(
        None,
        description="Put before all keys of the dataset's assets in Dagster: crm, or [crm, eu]; the"
        " lake and the catalog know nothing of it.",
    )
    owners: list[str] = Field(
        default_factory=list, description="E-mail addresses, or team:name, shown on every asset."
    )
    mode: Literal["dedupe", "link", "link_and_dedupe"] | None = Field(
        None, description="If omitted, dedupe for one source, link for several."
    )
    sources: list[Source] = Field(min_length=1, description="The tables of records.")
    fields: dict[Identifier, Literal[FIELD_KINDS]] = Field(  # type: ignore[valid-type]
        default_factory=dict,
        description="field: kind; a field of `columns` without a kind gets one from its name; a"
        " full_name is taken apart into first_name and last_name.",
    )
    cleaning: Cleaning = Cleaning()
    strategies: Annotated[
        Literal["auto"] | dict[Identifier, KeyExpressions | bool] | None,
        BeforeValidator(strategies_or_auto),
    ] = Field(
        None,
        description="name: key, or list of keys that must all be equal; true for a built-in one;"
        " auto: all of them learned.",
    )
    learning: Learning | None = Field(
        None,
        description="Learn rules beside the strategies; {} for the defaults.",
    )
    weights: bool = Field(
        True, description="Weigh pairs: all of them for a budget, else when they are read."
    )
    budget: Budget | None = Field(None, description="Keep the best pairs within it.")
    blocks: Blocks = Blocks()
    embedding: Embedding = Field(
        None, description="Neighbours of the records as pairs: true, or an encoder's settings."
    )
    second_pass: SecondPass | None = Field(
        None, description="A pass for records without a candidate; off if omitted."
    )
    training_rules: dict[Identifier, KeyExpressions] | None = Field(
        None,
        description="name: key, or list of keys, for one EM session each; if omitted, those that"
        " `er-pipeline training-rules` would propose for the records of the run.",
    )
    comparisons: Comparisons = Field(
        None,
        description="Fields the matching model compares: a list, or field: how, true for the way"
        " of its kind; all if omitted.",
    )
    matching: Annotated[
        Matching | None,
        BeforeValidator(on_or_off, json_schema_input_type=Matching | bool | None),
    ] = Field(None, description="Train a model, score the pairs, find entities: true, or settings.")
    survivorship: Annotated[
        Survivorship | None,
        BeforeValidator(on_or_off, json_schema_input_type=Survivorship | bool | None),
    ] = Field(None, description="A golden record per entity: true, or settings; off if omitted.")
    checks: Checks = Checks()
    expectations: Expectations = Expectations()
    report: ReportSettings = ReportSettings()
    schedule: Schedule = Schedule()
    runs: Runs = Runs()
    notify: Notify | None = Field(None, description="Who hears how a run went; nobody if omitted.")
    publish: list[PublishPlace] = Field(
        default_factory=list,
        description="Places outside the lake that get chosen tables after each good run.",
    )
    lake: LakeSettings = LakeSettings()
    truth: Truth | None = Field(None, description="Known matches, for evaluation only.")
    labels: Labels | None = Field(None, description="Pairs judged by people; off if omitted.")
    engine: Literal["duckdb", "spark"] = Field(
        "duckdb", description="What runs the SQL; spark needs the section spark."
    )
    spark: Spark | None = Field(None, description="The cluster, where engine is spark.")
    threads: int | None = Field(
        None,
        ge=1,
        le=MOST_THREADS,
        description="Threads per asset; one per core if null.",
    )
    memory_limit: MemorySize | None = Field(None, description='Per asset: "4GB"; 100MB to 100TB.')
    executor: Literal["in_process", "multiprocess"] = Field(
        "in_process", description="multiprocess runs assets side by side, on larger machines."
    )

    # Where relative paths start: the folder of the defs.yaml. No setting, so no dump holds it.
    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    @model_validator(mode="after")
    def _everything_fits(self) -> Self:
        found = list(problems(self))
        if found:
            raise validation_error("PipelineSpec", found)
        return self

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from; the working directory unless located."""
        return self._folder

    def located_in(self, folder: Path) -> Self:
        """Return a copy whose relative paths start from a folder."""
        copied = self.model_copy()
        copied._folder = folder.absolute()
        return copied

    def resolved(self, path: str) -> Path:
        """Return where a path of the settings leads."""
        return resolved(path, self.folder)

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """Return a copy with other settings, by name, validated anew and in the same folder.

        Raises ValidationError if they do not fit.
        """
        declared = self.model_dump(exclude_unset=True)
        return self.model_validate({**declared, **settings}).located_in(self.folder)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy as pydantic does, but without what was derived from the old settings."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    @cached_property
    def field_kinds(self) -> dict[str, str]:
        """Every field with its kind, in order of mention; a full_name is two, see `name_parts`."""
        kinds: dict[str, str] = {}
        for name, kind in self.declared_kinds.items():
            if kind == FULL_NAME:
                parts = [field for field, (whole, _) in self.name_parts.items() if whole == name]
                kinds |= dict.fromkeys(parts, "person_name")
            else:
                kinds[name] = kind
        return kinds

    @cached_property
    def declared_kinds(self) -> dict[str, str]:
        """Every field that the sources have, with its kind."""
        names = dict.fromkeys([*self.fields, *(n for s in self.sources for n in s.columns)])
        return {name: self.fields.get(name) or guess_kind(name) for name in names}

    @cached_property
    def name_parts(self) -> dict[str, tuple[str, NamePart]]:
        """The fields that full names are taken apart into: field -> (full name, part)."""
        return name_parts(self.declared_kinds)

    @property
    def cluster(self) -> Cluster | None:
        """The cluster that steps run on, where the engine is one."""
        return self.spark.cluster if self.spark and self.engine == "spark" else None

    @property
    def source_labels(self) -> list[str]:
        """The sources' names, in their order."""
        return [source.label for source in self.sources]

    @property
    def link_mode(self) -> str:
        """What is compared with what: dedupe, link or link_and_dedupe."""
        return self.mode or ("dedupe" if len(self.sources) == 1 else "link")

    @property
    def links_two(self) -> bool:
        """Whether two sources are linked: then a record has one match or none."""
        return self.link_mode == "link" and len(self.sources) == 2

    @cached_property
    def strategy_conjunctions(self) -> tuple[Conjunction, ...]:
        """The strategies, in order; the order decides which one a pair is filed under."""
        return tuple(self.parse(n, k) for n, k in self.declared_strategies().items())

    @cached_property
    def refine_conjunctions(self) -> tuple[Conjunction, ...] | None:
        """The keys that divide oversized blocks, in order; None where they are chosen."""
        if self.blocks.refine_by is None:
            return None
        given = enumerate(self.blocks.refine_by)
        return tuple(self.parse(f"refine_{i}", keys) for i, keys in given)

    @cached_property
    def training_conjunctions(self) -> tuple[Conjunction, ...]:
        """The training rules, in order."""
        return tuple(self.parse(n, k) for n, k in self.declared_training_rules().items())

    @cached_property
    def second_conjunctions(self) -> tuple[Conjunction, ...]:
        """The strategies of the second pass, in order."""
        declared = self.second_pass.strategies if self.second_pass else {}
        return tuple(self.parse(name, keys) for name, keys in declared.items())

    @property
    def learns(self) -> Learning | None:
        """How rules are learned, where they are."""
        if self.strategies == "auto":
            return self.learning or Learning()
        return self.learning if self.learning and self.learning.rules else None

    @property
    def keeps_learned(self) -> bool:
        """Whether what is learned stays in force until somebody promotes another."""
        return self.learning is None or self.learning.promote == "by_hand"

    @property
    def has_two_passes(self) -> bool:
        """Whether the second pass comes after the matches of the first, for who has none."""
        return self.second_pass is not None and self.matching is not None

    @property
    def trains(self) -> bool:
        """Whether there are training rules: a model is wanted, or somebody declared some."""
        return self.matching is not None or self.training_rules is not None

    @property
    def is_taught_by_model(self) -> bool:
        """Whether learned rules and weights learn from a trained model which pairs match."""
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

    def kept_per_record(self, n_records: int) -> float | None:
        """The most pairs per record that a budget keeps of so many records, if there is one."""
        return self.budget.per_record(n_records) if self.budget else None

    @property
    def reads_whole_records(self) -> bool:
        """Whether records are compared as one text, too; vectors that are brought have no words."""
        encoder = self.embedding
        return encoder is not None and encoder.whole_record and self.vector_column is None

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

    def parse(self, name: str, keys: KeyExpressions) -> Conjunction:
        """Read keys over the dataset's fields; a SpecError says what is wrong with which."""
        try:
            return parse_conjunction(
                name, keys, tuple(self.field_kinds), tuple(self.cleaning.free_mail_domains)
            )
        except SpecError as error:
            wholes = {whole for whole, _ in self.name_parts.values()}
            if any(f"'{whole}'" in str(error) for whole in wholes):
                raise SpecError(f"{error}; a full_name is taken apart into two fields") from error
            raise

    def declared_strategies(self) -> dict[str, KeyExpressions]:
        """Return the strategies as written, or the usual six as far as their fields exist."""
        if self.strategies == "auto":
            return {}
        if self.strategies is None:
            fitting: dict[str, KeyExpressions] = {}
            for name, keys in DEFAULT_STRATEGIES.items():
                try:
                    self.parse(name, keys)
                except SpecError:
                    continue
                fitting[name] = keys
            return fitting
        return {
            name: NAMED_STRATEGIES.get(name, []) if keys is True else keys
            for name, keys in self.strategies.items()
            if keys is not False
        }

    def declared_training_rules(self) -> dict[str, KeyExpressions]:
        """Return the training rules as written; none where the data are asked for them."""
        return dict(self.training_rules or {})
