"""Which expectations there are, and what they take: read from Great Expectations' own source.

Importing the library takes seconds, and a declaration is read whenever its dataset is loaded. The
source says the same in milliseconds, whatever the version: a module per expectation, whose class
declares its arguments.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from er_pipeline.blocking.tables.errors import did_you_mean

# Arguments of every expectation that are not of a declaration: how results are kept, and which
# rows they are of, is decided here.
NOT_DECLARED = frozenset(
    {
        *("id", "meta", "metadata", "library_metadata", "notes", "description", "severity"),
        *("result_format", "catch_exceptions", "rendered_content", "windows", "batch_id"),
    }
)
# How a module says what its expectation runs on, if it says so.
RUNS_ON, ON_FRAMES = "SupportedDataSources.", "SupportedDataSources.PANDAS"


@dataclass(frozen=True)
class KnownExpectation:
    """One expectation of the library.

    name: as expect_column_values_to_be_unique. arguments: in their order. needed: those without a
    default. is_of_sql: whether it runs on SQL databases alone.
    """

    name: str
    arguments: tuple[str, ...]
    needed: tuple[str, ...]
    is_of_sql: bool


def snake_name(name: str) -> str:
    """Return the name of an expectation's class as the library writes it in suites."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def find_expectation(name: str) -> KnownExpectation:
    """Find an expectation by its name or that of its class.

    Raises ValueError with the nearest name if there is none.
    """
    known = _modules()
    snake = snake_name(name)
    if snake not in known:
        near = did_you_mean(snake, known, least=0.6)
        raise ValueError(
            f"unknown expectation {name!r};"
            f"{near or ' see https://greatexpectations.io/expectations for those there are'}"
        )
    return _read(snake)


def _folder() -> Path:
    found = find_spec("great_expectations")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "expectations"


@cache
def _modules() -> Mapping[str, str]:
    """Map every expectation that the library offers to its class."""
    tree = ast.parse((_folder() / "core" / "__init__.py").read_text("utf-8"))
    names = [
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name.startswith(("Expect", "Unexpected"))
    ]
    return {snake_name(name): name for name in names}


@cache
def _read(name: str) -> KnownExpectation:
    source = (_folder() / "core" / f"{name}.py").read_text("utf-8")
    classes = {**_bases(), **_classes(source)}
    arguments: dict[str, bool] = {}
    for argument, is_needed in _arguments(_modules()[name], classes):
        arguments[argument] = is_needed
    return KnownExpectation(
        name,
        tuple(argument for argument in arguments if argument not in NOT_DECLARED),
        tuple(argument for argument, is_needed in arguments.items() if is_needed),
        is_of_sql=RUNS_ON in source and ON_FRAMES not in source,
    )


@cache
def _bases() -> Mapping[str, ast.ClassDef]:
    return _classes((_folder() / "expectation.py").read_text("utf-8"))


def _classes(source: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def _arguments(name: str, classes: Mapping[str, ast.ClassDef]) -> Iterator[tuple[str, bool]]:
    """Give the arguments of a class, those of its bases first, and whether each is needed."""
    if name not in classes:  # of pydantic
        return
    for base in classes[name].bases:
        yield from _arguments(ast.unparse(base).split("[")[0], classes)
    for node in classes[name].body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        annotation = ast.unparse(node.annotation)
        if not annotation.startswith("ClassVar") and not node.target.id.startswith("_"):
            is_optional = "Optional" in annotation or "None" in annotation
            yield node.target.id, not is_optional and not _has_default(node.value)


def _has_default(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("Field"):
        named = {keyword.arg for keyword in value.keywords}
        return bool(value.args or named & {"default", "default_factory"})
    return value is not None
