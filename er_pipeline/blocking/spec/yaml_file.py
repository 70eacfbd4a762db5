"""Reading a dataset's `defs.yaml` without Dagster: file, line and remedy in every error."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.settings import plain_message
from er_pipeline.blocking.tables.errors import SpecError

COMPONENT_TYPE = "er_pipeline.BlockingPipeline"
# Of a line shown in an error; passwords belong into {{ env.NAME }}, but are found in files.
PASSWORD_IN_URL = re.compile(r"(://[^:@/\s]*:)\S*@")


def read_spec(path: Path, overrides: Mapping[str, Any] | None = None) -> PipelineSpec:
    """Read a dataset's `defs.yaml` without Dagster.

    overrides: settings to replace, by dotted name: {"blocks.max_size": 300}; a number names a
    place in a list.
    Raises SpecError that says file, line and what to write instead.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}); name a defs.yaml") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    try:
        document = yaml.safe_load(text)
        tree = yaml.compose(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else f"{path}"
        reason = getattr(error, "problem", None) or str(error)
        raise SpecError(f"{place}: not YAML: {reason}") from error
    if not isinstance(document, dict) or document.get("type") != COMPONENT_TYPE:
        declared = document.get("type") if isinstance(document, dict) else None
        found = f"; its type is {declared!r}" if declared else ""
        raise SpecError(
            f"{path}:1: must begin with `type: {COMPONENT_TYPE}` and `attributes:`{found}"
        )
    _check_repeated(tree, path, text.splitlines())
    try:
        attributes = document.get("attributes") or {}
        for name, value in (overrides or {}).items():
            _override(attributes, name.split("."), value)
        spec = PipelineSpec.model_validate(_filled_from_environment(attributes, path))
        return spec.located_in(path.parent)
    except ValidationError as error:
        lines = text.splitlines()
        listed = []
        for problem in error.errors():
            line = _line_of(tree, ("attributes", *problem["loc"]))
            place = ".".join(str(part) for part in problem["loc"])
            shown = PASSWORD_IN_URL.sub(r"\1***@", lines[line - 1].strip())
            listed.append(f"{path}:{line}: {place}: {plain_message(problem)}\n    {shown}")
        raise SpecError("\n".join(listed)) from error


def check_repeated_settings(path: Path) -> None:
    """Find a setting that stands twice, of which YAML takes the last one without a word.

    Raises SpecError that says both lines. A file that is no YAML is left to who reads it.
    """
    try:
        text = path.read_text("utf-8")
        tree = yaml.compose(text)
    except (OSError, UnicodeError, yaml.YAMLError):
        return
    _check_repeated(tree, path, text.splitlines())


def _check_repeated(node: yaml.Node | None, path: Path, text: Sequence[str]) -> None:
    if isinstance(node, yaml.SequenceNode):
        for part in node.value:
            _check_repeated(part, path, text)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = str(key.value)
            if name in lines:
                raise SpecError(
                    f"{path}:{line}: {name} stands a second time (first in line {lines[name]}), and"
                    f" only the last one would count; remove one\n    {text[line - 1].strip()}"
                )
            lines[name] = line
            _check_repeated(value, path, text)


def _override(settings: Any, place: list[str], value: Any) -> None:
    here: Any = int(place[0]) if isinstance(settings, list) else place[0]
    if len(place) == 1:
        settings[here] = value
        return
    if isinstance(settings, dict):
        settings.setdefault(here, {})
    _override(settings[here], place[1:], value)


def _filled_from_environment(value: Any, path: Path) -> Any:
    """Fill in {{ env.NAME }}, as Dagster does when it loads the same file.

    Raises SpecError if a variable is not set.
    """
    if isinstance(value, dict):
        return {name: _filled_from_environment(part, path) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled_from_environment(part, path) for part in value]
    if not isinstance(value, str):
        return value

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name not in os.environ:
            raise SpecError(
                f"{path}: {{{{ env.{name} }}}}: the environment variable {name} is not set"
            )
        return os.environ[name]

    return re.sub(r"\{\{\s*env\.(\w+)\s*\}\}", fill, value)


def _line_of(tree: yaml.Node | None, place: tuple[str | int, ...]) -> int:
    """Find the line of a setting; where it is missing, the line it should stand under."""
    node, line = tree, 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = [pair for pair in node.value if pair[0].value == str(part)]
            if not found:
                break
            line = found[0][0].start_mark.line + 1
            node = found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
