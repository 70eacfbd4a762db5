"""Settings: what all sections of a defs.yaml are made of, and the wording of their errors."""

import re
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails

from er_pipeline.blocking.tables.errors import did_you_mean
from er_pipeline.blocking.tables.printable import shown

IDENTIFIER = r"^[A-Za-z][A-Za-z0-9_]{0,62}$"
Identifier = Annotated[str, Field(pattern=IDENTIFIER)]
Share = Annotated[float, Field(ge=0, le=1)]
# Below the least DuckDB cannot even read a file in parallel; the most is more than any machine has.
LEAST_MEMORY, MOST_MEMORY = 100 * 10**6, 100 * 10**12
MEMORY_SIZE = r"^\d{1,9}(\.\d{1,9})? ?(MB|GB|TB|MiB|GiB|TiB)$"
BYTES_OF_UNIT = {
    f"{prefix}{ending}": base**power
    for power, prefix in ((2, "M"), (3, "G"), (4, "T"))
    for ending, base in (("B", 1000), ("iB", 1024))
}


def _memory_in_range(limit: str) -> str:
    unit = limit.lstrip("0123456789.").strip()
    size = float(limit.removesuffix(unit)) * BYTES_OF_UNIT[unit]
    if not LEAST_MEMORY <= size <= MOST_MEMORY:
        raise ValueError(f"{limit!r} is out of range; write at least 100MB and at most 100TB")
    return limit


MemorySize = Annotated[str, Field(pattern=MEMORY_SIZE), AfterValidator(_memory_in_range)]
# The URL of a database that is a file, up to that, which is relative; :memory: and file: are not.
RELATIVE_FILE_URL = re.compile(r"^((?:sqlite|duckdb)(?:\+\w+)?:///)(?!/|:|\w{2,}:)([^?]+)")
# Where a setting stands, and what is wrong with it.
Problem = tuple[tuple[str | int, ...], str]


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


KeyExpressions = Annotated[str | list[str], BeforeValidator(_whole_expressions)]
KeyExpressionsList = Annotated[list[KeyExpressions], BeforeValidator(_whole_expressions)]


def on_or_off(value: Any) -> Any:
    """Read `true` as a section of defaults and `false` as none."""
    return {} if value is True else None if value is False else value


def validation_error(title: str, problems: Iterable[Problem]) -> ValidationError:
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
        known = problem["ctx"]["expected"].replace(" or ", ", ")
        return f"{shown(given)} is unknown; there are {known}"
    if problem["type"] == "model_type":
        return f"settings stand under this one, as name: value; {shown(given)} is none"
    if problem["type"] == "list_type":
        return f"a list stands here, each of its items after a dash; {shown(given)} is none"
    if problem.get("ctx", {}).get("pattern") == IDENTIFIER:
        return (
            f"{shown(given)} is no name here: a letter first, then letters a to z, digits and _, at"
            " most 63 in all"
        )
    if problem["type"] == "string_pattern_mismatch":
        return f"{shown(given)} does not fit: {text[0].lower()}{text[1:]}"
    if problem["loc"][-1:] == ("[key]",) and isinstance(given, bool):
        return f"YAML reads a name here as {str(given).lower()}; put it in quotes"
    if problem["type"] == "string_type" and isinstance(given, bool | int | float):
        as_read = str(given).lower() if isinstance(given, bool) else given
        return f"{text}; YAML reads {as_read} here, so put it in quotes"
    return text


def _is_number(annotation: Any) -> bool:
    """Say whether a setting takes a number, and neither true nor false."""
    choices = _choices(annotation)
    return bool(choices & {int, float}) and bool not in choices


def _choices(annotation: Any) -> set[Any]:
    if get_origin(annotation) in (Union, UnionType):
        return {choice for part in get_args(annotation) for choice in _choices(part)}
    return (
        _choices(get_args(annotation)[0]) if get_origin(annotation) is Annotated else {annotation}
    )


class Settings(BaseModel):
    """Base of all settings: an unknown word is an error, never ignored."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=False, allow_inf_nan=False
    )

    @model_validator(mode="wrap")
    @classmethod
    def _say_which_word_was_meant(
        cls, settings: Any, read: ModelWrapValidatorHandler[Self]
    ) -> Self:
        """Say of an unknown word which ones there are; pydantic would only forbid it.

        It would also read true and yes as the number 1.
        """
        problems: list[Problem] = []
        if isinstance(settings, dict):
            problems = [
                ((name,), f"{str(value).lower()} is no number")
                for name, value in settings.items()
                if isinstance(value, bool)
                and (field := cls.model_fields.get(str(name)))
                and _is_number(field.annotation)
            ]
        wrong = {place[0] for place, _ in problems}
        if wrong:
            settings = {name: value for name, value in settings.items() if name not in wrong}
        try:
            made = read(settings)
        except ValidationError as error:
            for problem in error.errors():
                place, text = problem["loc"], plain_message(problem)
                if problem["type"] == "missing" and place[:1] and place[0] in wrong:
                    continue
                if problem["type"] == "extra_forbidden" and len(place) == 1:
                    names = [field.alias or name for name, field in cls.model_fields.items()]
                    near = did_you_mean(str(place[0]), names, least=0.6)
                    there_are = f" there are {', '.join(names)}"
                    text = f"unknown setting {shown(place[0])};{near or there_are}"
                problems.append((place, text))
            raise validation_error(cls.__name__, problems) from error
        if problems:
            raise validation_error(cls.__name__, problems)
        return made


def resolved(value: str, folder: Path) -> Path:
    """Read a path of the settings: relative ones lie beside the defs.yaml."""
    return (folder / Path(value).expanduser()).absolute()


def resolved_url(url: str, folder: Path) -> str:
    """Let the URL of a database that is a file name it in full, relative ones beside the defs.yaml.

    Other URLs are left as they are.
    """
    found = RELATIVE_FILE_URL.match(url)
    return f"{found[1]}{resolved(found[2], folder)}{url[found.end() :]}" if found else url
