"""What is wrong with expectations that are valid one by one: names that do not fit each other."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from er_pipeline.blocking.spec.expectations_section import EXPECTED_TABLES, RECORDS, Expectation
from er_pipeline.blocking.spec.known_expectations import KnownExpectation, find_expectation
from er_pipeline.blocking.spec.settings import Problem
from er_pipeline.blocking.tables.errors import did_you_mean
from er_pipeline.blocking.tables.printable import shown

if TYPE_CHECKING:  # a spec lists its problems itself
    from er_pipeline.blocking.spec.pipeline import PipelineSpec

# Arguments that name columns, and those that hold regular expressions.
COLUMNS = ("column", "column_A", "column_B", "column_list")
PATTERNS = ("regex", "regex_list")
# Of the record itself, beside its fields, in the table as people see it.
OF_THE_RECORD = ("record_id", "source", "record_no")
SUITE_PARAMETER = "$PARAMETER"


def expectation_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    """List what is wrong with `expectations`, but for the files of suites."""
    section = "expectations"
    for setting in ("max_null_rate", "formats"):
        for name in getattr(spec.expectations, setting):
            if name not in spec.field_kinds:
                yield ((section, setting, name), _unknown_field(spec, name))
    for name, pattern in spec.expectations.formats.items():
        if reason := _why_no_pattern(pattern):
            yield ((section, "formats", name), reason)
    for i, expectation in enumerate(spec.expectations.expect):
        for below, text in problems_of_one(spec, expectation):
            yield ((section, "expect", i, expectation.type, *below), text)
    for i, suite in enumerate(spec.expectations.suites):
        if reason := _why_no_table(spec, suite.table):
            yield ((section, "suites", i, "table"), reason)


def problems_of_one(spec: "PipelineSpec", expectation: Expectation) -> Iterator[Problem]:
    """List what is wrong with one expectation; places are those of its arguments."""
    if reason := _why_no_table(spec, expectation.table):
        yield (("table",), reason)
    try:
        known = find_expectation(expectation.type)
    except ValueError as error:
        yield ((), str(error))
        return
    if known.is_of_sql:
        yield (
            (),
            f"{known.name} runs on SQL databases alone, and tables are looked at as data frames"
            " here; take another expectation, or a view of your own in the catalog",
        )
        return
    unknown = [name for name in expectation.kwargs if name not in known.arguments]
    for name in unknown:
        near = did_you_mean(name, known.arguments, least=0.6)
        there_are = f" there are {', '.join(known.arguments)}"
        yield ((name,), f"unknown argument {shown(name)};{near or there_are}")
    for name in known.needed:
        if expectation.kwargs.get(name) is None and not unknown:  # which may be it, misspelt
            yield ((), f"{known.name} needs {name}")
    yield from _value_problems(spec, known, expectation)


def _value_problems(
    spec: "PipelineSpec", known: KnownExpectation, expectation: Expectation
) -> Iterator[Problem]:
    kwargs = expectation.kwargs
    mostly = kwargs.get("mostly", 1)
    if isinstance(mostly, bool) or not isinstance(mostly, int | float) or not 0 <= mostly <= 1:
        yield (("mostly",), f"{shown(mostly)} is no share; write a number from 0 to 1, such as .95")
    for name, value in kwargs.items():
        if isinstance(value, dict) and SUITE_PARAMETER in value:
            yield ((name,), "a suite parameter has no value here; write the value itself")
    for name in PATTERNS:
        for pattern in _texts(kwargs.get(name)):
            if reason := _why_no_pattern(pattern):
                yield ((name,), reason)
    if expectation.table == RECORDS and not known.name.startswith("expect_table_columns"):
        for name in COLUMNS:
            for column in _texts(kwargs.get(name)):
                if column not in (*spec.field_kinds, *OF_THE_RECORD):
                    yield ((name,), _unknown_field(spec, column))


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _why_no_pattern(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"not a regular expression: {error}"
    return None


def _why_no_table(spec: "PipelineSpec", table: str) -> str | None:
    if table not in EXPECTED_TABLES:
        near = did_you_mean(table, EXPECTED_TABLES)
        return (
            f"nothing can be expected of a table {shown(table)};{near} there are"
            f" {', '.join(EXPECTED_TABLES)}"
        )
    section = EXPECTED_TABLES[table]
    if section and getattr(spec, section) is None:
        return f"there is no table {table} without `{section}`; write {section}: true"
    return None


def _unknown_field(spec: "PipelineSpec", name: str) -> str:
    near = did_you_mean(name, spec.field_kinds)
    return f"unknown field {name!r};{near} the fields are {', '.join(spec.field_kinds)}"
