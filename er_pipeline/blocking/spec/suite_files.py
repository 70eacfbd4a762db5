"""Suites of Great Expectations in files, as the library writes them, and what a spec expects."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

from pydantic import ValidationError

from er_pipeline.blocking.spec.expectation_problems import problems_of_one
from er_pipeline.blocking.spec.expectations_section import Expectation, SuiteFile
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.settings import plain_message
from er_pipeline.blocking.spec.yaml_document import YamlDocument, read_document
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.blocking.tables.printable import shown

# What the library writes into a suite beside what is expected, and older versions of it wrote.
NAMES_OF_TYPE = ("type", "expectation_type")
OF_THE_LIBRARY = ("result_format", "catch_exceptions", "batch_id", "include_config")


class Expected(NamedTuple):
    """An expectation, and its place in the file that declares it."""

    place: tuple[str | int, ...]
    expectation: Expectation


@dataclass(frozen=True)
class Declared:
    """What a spec expects of a table; its files are opened when that is asked for, not before."""

    spec: PipelineSpec
    table: str

    def read(self) -> list[Expectation]:
        """List the expectations: of the declaration, then of the files that it names.

        Raises SpecError, with file and line, if a file is missing or expects what there is not.
        """
        declared = [one for one in self.spec.expectations.expect if one.table == self.table]
        for suite in self._suites():
            declared += read_suite(self.spec, suite)
        return declared

    @property
    def judged_by(self) -> list[Any]:
        """What stands for all of it as it is now, contents of files included."""
        contents = []
        for suite in self._suites():
            path = self.spec.resolved(suite.path)
            is_there = path.is_file()
            contents.append(sha256(path.read_bytes()).hexdigest() if is_there else None)
        return [self.spec, self.table, contents]

    def _suites(self) -> list[SuiteFile]:
        return [suite for suite in self.spec.expectations.suites if suite.table == self.table]


def suite_problems(spec: PipelineSpec) -> list[str]:
    """List all that is wrong with the files of suites, each with file and line."""
    found = []
    for suite in spec.expectations.suites:
        try:
            read_suite(spec, suite)
        except SpecError as error:
            found.append(str(error))
    return found


def read_suite(spec: PipelineSpec, suite: SuiteFile) -> list[Expectation]:
    """Read the expectations of a file.

    Raises SpecError that says file and line of all that is wrong.
    """
    path = spec.resolved(suite.path)
    if not path.is_file():
        raise SpecError(f"{path}: no such file; correct `expectations: {{suites: [...]}}`")
    document = read_document(path)
    wrong: list[str] = []
    expected = list(_read(document, _content(document), suite.table, wrong))
    for place, expectation in expected:
        for below, text in problems_of_one(spec, expectation):
            where = ("kwargs", *below) if below else ("type",)
            wrong.append(document.error((*place, *where), text))
    if wrong:
        raise SpecError("\n".join(wrong))
    return [expectation for _, expectation in expected]


def _content(document: YamlDocument) -> Any:
    """Return what a file holds; JSON by its own rules, the tree only knows its lines."""
    if document.path.suffix.lower() != ".json":
        return document.value
    try:
        return json.loads(document.path.read_text("utf-8"))
    except ValueError as error:
        raise SpecError(f"{document.path}: not JSON: {error}") from error


def _read(document: YamlDocument, content: Any, table: str, wrong: list[str]) -> Sequence[Expected]:
    items = content.get("expectations") if isinstance(content, dict) else None
    if not isinstance(items, list):
        raise SpecError(
            document.error(
                (), "no suite: it must hold `expectations`, a list, as Great Expectations writes it"
            )
        )
    found = []
    for i, item in enumerate(items):
        place: tuple[str | int, ...] = ("expectations", i)
        kind = next((item[name] for name in NAMES_OF_TYPE if name in item), None) if (
            isinstance(item, dict)
        ) else None  # fmt: skip
        kwargs = item.get("kwargs") or {} if isinstance(item, dict) else None
        if not isinstance(kind, str) or not isinstance(kwargs, dict):
            text = f"{shown(item)} is no expectation: it needs a type, and kwargs"
            wrong.append(document.error(place, text))
            continue
        kwargs = {name: value for name, value in kwargs.items() if name not in OF_THE_LIBRARY}
        settings = {"type": kind, "kwargs": kwargs, "table": table}
        if item.get("severity"):
            settings["severity"] = item["severity"]
        try:
            found.append(Expected(place, Expectation.model_validate(settings)))
        except ValidationError as error:
            wrong += [
                document.error((*place, *problem["loc"]), plain_message(problem))
                for problem in error.errors()
            ]
    return found
