"""Problems: what pydantic cannot see in a spec, names that do not fit each other.

Every function lists places of settings with what is wrong there and the cure.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sqlglot import exp

from er_pipeline.blocking.spec.blocking_section import (
    EMBEDDING,
    MAX_STRATEGIES,
    SECOND_EMBEDDING,
)
from er_pipeline.blocking.spec.declared_comparisons import (
    comparisons_with,
    names_in_either_order,
)
from er_pipeline.blocking.spec.expectation_problems import expectation_problems
from er_pipeline.blocking.spec.matching_section import Comparison
from er_pipeline.blocking.spec.named_strategies import NAMED_STRATEGIES
from er_pipeline.blocking.spec.publish_section import publish_problems
from er_pipeline.blocking.spec.reserved_fields import is_reserved
from er_pipeline.blocking.spec.schedule_section import schedule_problems
from er_pipeline.blocking.spec.settings import IDENTIFIER, KeyExpressions, Problem
from er_pipeline.blocking.spec.spark_section import spark_problems
from er_pipeline.blocking.spec.survivorship_section import survivorship_problems
from er_pipeline.blocking.tables.errors import SpecError, did_you_mean
from er_pipeline.blocking.values.pair_conditions import parse_condition

if TYPE_CHECKING:  # a spec lists its problems itself
    from er_pipeline.blocking.spec.pipeline import PipelineSpec

# Schemas and databases that DuckDB has itself, and the name of the catalog's own file.
RESERVED_DATASETS = ("main", "temp", "system", "information_schema", "pg_catalog", "catalog")
# Of the places in a pair's mask two are of neighbours, in the first pass and in the second.
MOST_DECLARED = MAX_STRATEGIES - 2
# A key per field and kind is tried; a table of more columns is narrowed by who knows it.
MOST_FIELDS = 300
# Kinds whose comparison counts no values unless term_frequency says so.
KINDS_WITHOUT_FREQUENCY = ("email", "phone", "emails", "phones", "date")


def problems(spec: "PipelineSpec") -> Iterator[Problem]:
    """List everything that is wrong with a spec whose settings are valid one by one."""
    if spec.dataset.lower() in RESERVED_DATASETS:
        yield (
            ("dataset",),
            f"{spec.dataset!r} is a name that DuckDB keeps for itself; choose another, such as"
            f" my_{spec.dataset.lower()}",
        )
    yield from _source_problems(spec)
    yield from schedule_problems(spec)
    yield from publish_problems(spec)
    yield from _field_problems(spec)
    names = {name.lower() for name in spec.field_kinds}
    if len(names) > MOST_FIELDS:
        return  # trying their keys would take minutes
    if not names or len(names) < len(spec.field_kinds):
        return  # no table could hold them, so no key can be tried
    yield from _cleaning_problems(spec)
    yield from expectation_problems(spec)
    yield from _refining_problems(spec)
    yield from _embedding_problems(spec)
    yield from _learning_problems(spec)
    yield from _comparison_problems(spec)
    yield from _frequency_problems(spec)
    yield from _strategy_problems(spec)
    yield from _training_rule_problems(spec)
    yield from _second_pass_problems(spec)
    yield from _limit_problems(spec)
    yield from survivorship_problems(spec)
    yield from spark_problems(spec)


def _source_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    labels = spec.source_labels
    for i, label in enumerate(labels):
        if label in labels[:i]:
            yield (("sources", i), f"two sources are called {label!r}; give one a `name`")
    if spec.mode == "dedupe" and len(spec.sources) > 1:
        yield (("mode",), "dedupe takes one source; write link or link_and_dedupe")
    if spec.mode in ("link", "link_and_dedupe") and len(spec.sources) == 1:
        yield (("mode",), f"{spec.mode} needs two sources; write dedupe")
    if spec.matching and spec.matching.one_to_one and spec.link_mode != "link":
        yield (
            ("matching", "one_to_one"),
            f"mode {spec.link_mode} looks for several records of one source in an entity; write"
            " mode: link, or leave one_to_one out",
        )
    if spec.truth and spec.truth.path and not spec.truth.left_source and len(labels) > 2:
        yield (
            ("truth",),
            f"of {len(labels)} sources, pairs must name theirs; write left_source and right_source:"
            " the columns of the file that do",
        )


def _field_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    if not spec.field_kinds:
        yield (
            ("fields",),
            "no field is declared; write fields: {first_name: person_name, ...} or map them"
            " with columns",
        )
    if len(spec.field_kinds) > MOST_FIELDS:
        yield (
            ("fields",),
            f"{len(spec.field_kinds):,} fields are declared, and {MOST_FIELDS} are the most; keep"
            " those that speak of the same thing in two records",
        )
    for name in spec.field_kinds:
        if not re.fullmatch(IDENTIFIER, name):
            yield (
                _place_of_field(spec, name),
                f"field {name!r} must be letters, digits and _; keep the source's own name on"
                " the right: columns: {my_name: 'the source name'}",
            )
        elif is_reserved(name, spec.field_kinds):
            own = next((s.columns[name] for s in spec.sources if s.columns.get(name)), name)
            yield (
                _place_of_field(spec, name),
                f"field {name!r} has the name of a column of our own, or of Splink's; rename it:"
                f" columns: {{my_{name}: {own}}}",
            )
    if len({name.lower() for name in spec.field_kinds}) < len(spec.field_kinds):
        yield (("fields",), "two fields differ in case only; rename one")


def _cleaning_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    for name, (whole, _) in spec.name_parts.items():
        if name.lower() in {field.lower() for field in spec.declared_kinds}:
            yield (
                _place_of_field(spec, whole),
                f"full_name {whole!r} gives a field {name!r}, and there is one already; rename it",
            )
    for name in spec.cleaning.numbers:
        if name not in spec.field_kinds:
            yield (("cleaning", "numbers", name), _unknown_field(spec, name))
        elif spec.field_kinds[name] != "identifier":
            yield (
                ("cleaning", "numbers", name),
                f"field {name!r} is no identifier; write fields: {{{name}: identifier}}",
            )


def _place_of_field(spec: "PipelineSpec", name: str) -> tuple[str | int, ...]:
    name, _ = spec.name_parts.get(name, (name, None))
    if name in spec.fields:
        return ("fields", name)
    nth = next(i for i, source in enumerate(spec.sources) if name in source.columns)
    return ("sources", nth, "columns", name)


def _refining_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    if spec.blocks.refine_by and spec.blocks.oversized != "refine":
        yield (
            ("blocks", "refine_by"),
            "no block is divided while oversized ones are dropped; write oversized: refine",
        )
    for i, keys in enumerate(spec.blocks.refine_by or []):
        place = ("blocks", "refine_by", i)
        try:
            conjunction = spec.parse(f"refine_{i}", keys)
        except SpecError as error:
            yield (place, str(error))
            continue
        if conjunction.is_list:
            yield (
                place,
                f"key {conjunction.expression!r} is many-valued; a block is divided by keys"
                " with one value per record",
            )


def _embedding_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    second = spec.second_pass
    for place, encoder in (
        (("embedding",), spec.embedding),
        (("second_pass", "embedding"), second.embedding if second else None),
    ):
        for name in (encoder.fields or []) if encoder else []:
            if name not in spec.field_kinds:
                yield ((*place, "fields"), _unknown_field(spec, name))
    if second and not second.strategies and not second.embedding:
        yield (("second_pass",), "a second pass needs strategies, or embedding, or both")
    if second and second.embedding and spec.embedding:
        same = second.embedding.vectors_of() == spec.embedding.vectors_of()
        if not same:
            yield (
                ("second_pass", "embedding"),
                "both passes must use the same vectors: give it the encoder, fields and model"
                " of `embedding`; k and the cuts may differ",
            )
    first = spec.declared_strategies()
    taken = {name.lower() for name in (*first, EMBEDDING, SECOND_EMBEDDING)}
    for name in second.strategies if second else {}:
        if name.lower() in taken:
            yield (("second_pass", "strategies", name), f"{name!r} is taken; name it anew")
    for name in first:
        if name.lower() in (EMBEDDING, SECOND_EMBEDDING):
            yield (("strategies", name), f"{name!r} is the name of neighbours; choose another")


def _learning_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    learning = spec.learns
    if spec.budget and not spec.weights:
        yield (("weights",), "a budget keeps the pairs of most weight: leave weights on")
    if spec.strategies == "auto" and learning and not learning.rules:
        yield (("learning", "rules"), "strategies: auto are learned rules; leave it out")
    if learning is None:
        return
    if learning.ranking == "lexicographic" and spec.labels is None:
        yield (
            ("learning", "ranking"),
            "lexicographic needs labels: write labels: {path: labels.jsonl}, or budgeted",
        )
    for name in spec.declared_strategies():
        if name.lower() == "train":
            yield (("strategies", name), "'train' names the forward index; choose another")
    places = MOST_DECLARED - len(spec.declared_strategies())
    places -= len(spec.second_pass.strategies if spec.second_pass else {})
    if len(learning.pin) > places:
        yield (("learning", "pin"), f"at most {places} pinned rules fit beside the strategies")
    for place in ("pin", "ban"):
        for i, keys in enumerate(getattr(learning, place)):
            try:
                spec.parse("rule", keys)
            except SpecError as error:
                yield (("learning", place, i), str(error))


def _comparison_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    if spec.comparisons is not None and not spec.comparisons:
        yield (("comparisons",), "no field is left to compare; leave it out to compare all")
    for name, comparison in (spec.comparisons or {}).items():
        if name not in spec.field_kinds:
            yield (("comparisons",), _unknown_field(spec, name))
        for i, condition in enumerate(comparison.sql):
            try:
                parse_condition(condition, tuple(spec.field_kinds))
            except SpecError as error:
                yield (("comparisons", name, "sql", i), str(error))
    if spec.matching and spec.matching.swapped_names and not names_in_either_order(spec):
        yield (
            ("matching", "swapped_names"),
            "there are no two compared fields of the kind person_name, or a full_name, whose values"
            " could be swapped; leave it out",
        )


def _frequency_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    """List compared fields whose name keeps Splink from counting their values."""
    if spec.matching is None:
        return
    for name in spec.comparison_fields:
        if name not in spec.field_kinds:  # an unknown field is reported as such
            continue
        comparison = (spec.comparisons or {}).get(name, Comparison())
        counts = comparison.term_frequency
        if counts is None:
            counts = spec.field_kinds[name] not in KINDS_WITHOUT_FREQUENCY
        if counts and _is_sql_word(name):
            yield (
                _place_of_field(spec, name),
                f"Splink cannot count the values of a field called {name!r}, a word of SQL; rename"
                f" it: columns: {{my_{name}: {name}}}, or write"
                f" {comparisons_with(spec, {name: {'term_frequency': False}})}",
            )


def _is_sql_word(name: str) -> bool:
    # As Splink finds out itself: it quotes such a name, then ends that of a table with it.
    return exp.column(name).sql(dialect="duckdb") != name


def _strategy_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    declared = spec.declared_strategies()
    yield from _key_problems(spec, ("strategies",), declared)
    if not declared and not (spec.encoder or spec.learns):
        yield (
            ("strategies",),
            "none of the six usual ones fits these fields, so declare a strategy; write"
            " strategies: auto to have rules learned from the data, a mapping of your own,"
            " or embedding: true",
        )


def _training_rule_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    declared = spec.declared_training_rules()
    yield from _key_problems(spec, ("training_rules",), declared)
    for name, keys in declared.items():
        try:
            is_list = bool(keys) and spec.parse(name, keys).is_list
        except SpecError:
            continue  # listed above
        if is_list:
            yield (
                ("training_rules", name),
                f"training rule {name!r} is many-valued; EM needs one key per record",
            )
    if spec.training_rules is not None and not declared:
        yield (
            ("training_rules",),
            "there are no training rules; declare at least one, or leave the section out to have"
            " them chosen",
        )


def _second_pass_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    if spec.second_pass:
        yield from _key_problems(spec, ("second_pass", "strategies"), spec.second_pass.strategies)


def _key_problems(
    spec: "PipelineSpec", where: tuple[str, ...], declared: Mapping[str, KeyExpressions]
) -> Iterator[Problem]:
    for name, keys in declared.items():
        if not keys:
            yield (
                (*where, name),
                f"{name!r} has no key; write an expression such as left(last_name, 3)."
                f" Built in, to be switched on by true, are {', '.join(NAMED_STRATEGIES)}",
            )
            continue
        try:
            spec.parse(name, keys)
        except SpecError as error:
            yield ((*where, name), str(error))
    if len({name.lower() for name in declared}) < len(declared):
        yield (where, f"two {where[0]} differ in case only; rename one")


def _limit_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    first = spec.declared_strategies()
    second = spec.second_pass.strategies if spec.second_pass else {}
    if len(first) + len(second) > MOST_DECLARED:
        yield (
            ("strategies",),
            f"{len(first) + len(second)} strategies are declared, with those of the second pass,"
            f" and {MOST_DECLARED} are the most; keep the best, or write strategies: auto",
        )
    if isinstance(spec.checks.max_pairs_per_strategy, dict):
        for name in spec.checks.max_pairs_per_strategy:
            if name not in first:
                yield (
                    ("checks", "max_pairs_per_strategy", name),
                    f"unknown strategy {name!r}; there are {', '.join(first)}",
                )


def _unknown_field(spec: "PipelineSpec", name: str) -> str:
    near = did_you_mean(name, spec.field_kinds)
    return f"unknown field {name!r};{near} the fields are {', '.join(spec.field_kinds)}"
