"""Reading a dataset's `defs.yaml` without Dagster: file, line and remedy in every error."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from er_pipeline.blocking.spec.every_problem import every_problem
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.settings import Problem
from er_pipeline.blocking.spec.suite_files import suite_problems
from er_pipeline.blocking.spec.yaml_document import YamlDocument, read_document
from er_pipeline.blocking.tables.errors import SpecError, did_you_mean
from er_pipeline.blocking.tables.printable import shown

COMPONENT_TYPE = "er_pipeline.BlockingPipeline"
# What Dagster reads beside the settings.
TOP_LEVEL = ("type", "attributes", "template_vars_module", "requirements", "post_processing")
# Parts of a place that are no settings: pydantic's names of the choices that a value may be.
CHOICE = re.compile(r"[\[\]()]|^(str|int|bool|float)$")
# Where a setting stands below `attributes`.
Place = tuple[str | int, ...]


def read_spec(path: Path, overrides: Mapping[str, Any] | None = None) -> PipelineSpec:
    """Read a dataset's `defs.yaml` without Dagster.

    overrides: settings to replace, by dotted name: {"blocks.max_size": 300}; a number names a
    place in a list.
    Raises SpecError that says file, line and what to write instead.
    """
    examined = examine(path, overrides)
    if examined.problems:
        raise SpecError("\n".join(examined.problems))
    assert examined.spec is not None
    return examined.spec


class Examined(NamedTuple):
    """A declaration, looked at as a whole.

    problems: each with file, line and what to write instead, in the order of the file. places:
    where they stand. spec: of the settings that are right, None where those make none.
    """

    document: YamlDocument
    problems: list[str]
    places: list[tuple[str | int, ...]]
    spec: PipelineSpec | None


def examine(path: Path, overrides: Mapping[str, Any] | None = None) -> Examined:
    """Read a dataset's `defs.yaml` and list all that is wrong with it; overrides: of `read_spec`.

    Raises SpecError if it is no declaration at all.
    """
    document = read_declaration(path)
    attributes = document.value.get("attributes") or {}
    for name, value in (overrides or {}).items():
        _override(attributes, name.split("."), value)
    problems, spec = every_problem(_filled_from_environment(attributes, document, ()))
    located = spec.located_in(path.parent) if spec else None
    places = [place for place, _ in problems]
    listed = _listed(document, problems)
    if located and not problems:  # which files it names, and for which fields, is right
        listed += suite_problems(located)
    return Examined(document, listed, places, located)


def read_declaration(path: Path) -> YamlDocument:
    """Read a file and find that it declares a dataset, whatever its settings are.

    Raises SpecError that says file, line and what to write instead.
    """
    document = read_document(path)
    declared = document.value
    if not isinstance(declared, dict) or declared.get("type") != COMPONENT_TYPE:
        kind = declared.get("type") if isinstance(declared, dict) else None
        found = f"; its type is {shown(kind)}" if kind else ""
        raise SpecError(
            f"{path}:1: must begin with `type: {COMPONENT_TYPE}` and `attributes:`{found}"
        )
    for name in declared:
        if name in PipelineSpec.model_fields:
            text = f"{name} belongs below attributes: indent it by two blanks"
            raise SpecError(document.error((name,), text))
        if name not in TOP_LEVEL:
            near = did_you_mean(str(name), TOP_LEVEL) or f" there are {', '.join(TOP_LEVEL)}"
            raise SpecError(document.error((str(name),), f"unknown word {shown(name)};{near}"))
    return document


def _listed(document: YamlDocument, problems: Sequence[Problem]) -> list[str]:
    """Write every problem with its place, in the order of the file.

    What each of several choices says against one value is one problem.
    """
    texts: dict[str, tuple[Place, list[str]]] = {}
    for place, text in problems:
        name = ".".join(str(part) for part in place if not CHOICE.search(str(part)))
        said = texts.setdefault(name, (place, []))[1]
        if text not in said:
            said.append(text)
    found = []
    for name, (place, said) in texts.items():
        where = ("attributes", *place)
        mark = document.mark_of(where)
        text = "; or: ".join(said)
        found.append((mark.line if mark else 0, document.error(where, f"{name}: {text}")))
    return [text for _, text in sorted(found, key=lambda listed: listed[0])]


def _override(settings: Any, place: list[str], value: Any) -> None:
    here: Any = int(place[0]) if isinstance(settings, list) else place[0]
    if len(place) == 1:
        settings[here] = value
        return
    if isinstance(settings, dict):
        settings.setdefault(here, {})
    _override(settings[here], place[1:], value)


def _filled_from_environment(value: Any, document: YamlDocument, place: Place) -> Any:
    """Fill in {{ env.NAME }}, as Dagster does when it loads the same file.

    Raises SpecError if a variable is not set.
    """
    if isinstance(value, dict):
        return {
            name: _filled_from_environment(part, document, (*place, str(name)))
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [
            _filled_from_environment(part, document, (*place, i)) for i, part in enumerate(value)
        ]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name not in os.environ:
            raise SpecError(
                document.error(
                    ("attributes", *place),
                    f"{{{{ env.{name} }}}}: the environment variable {name} is not set",
                )
            )
        return os.environ[name]

    return re.sub(r"\{\{\s*env\.(\w+)\s*\}\}", fill, value)
