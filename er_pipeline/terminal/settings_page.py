"""The page settings.md: every setting of a dataset, by section."""

import types
from collections.abc import Iterator
from itertools import groupby
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from er_pipeline.blocking.encoders import Encoder
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.settings import KeyExpressions
from er_pipeline.terminal.list_items import list_item

INTRODUCTION = """\
# Settings

Every setting of a `defs.yaml`, as it stands below `attributes:`. A setting within another is named
by dots: `blocks.max_size` is written `blocks: {max_size: 500}`. `sources[]` is a list, and FIELD
stands for the name of a field. Values after "default" are used if a setting is omitted.
"""
NEEDED = "(needed)"
AT_THE_TOP = "The dataset"
PLAIN_TYPES = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    SecretStr: "text",
    Any: "any value",
}
SIGNS = {
    annotated_types.Gt: (">", "gt"),
    annotated_types.Ge: (">=", "ge"),
    annotated_types.Lt: ("<", "lt"),
    annotated_types.Le: ("<=", "le"),
    annotated_types.MinLen: ("length >=", "min_length"),
    annotated_types.MaxLen: ("length <=", "max_length"),
}


class Setting(NamedTuple):
    """One setting.

    place: its dotted name. kind: what values it takes, in words. bounds: of a number or a length.
    choices: the only values, where few.
    """

    place: str
    kind: str
    default: str
    bounds: tuple[str, ...]
    choices: tuple[str, ...]
    meaning: str

    @property
    def limits(self) -> str:
        """What keeps a value from being taken."""
        return ", ".join((*self.bounds, *self.choices))


def settings_rows(model: type[BaseModel] = PipelineSpec, prefix: str = "") -> Iterator[Setting]:
    """Return every setting, depth first.

    A setting within another is named by dots: blocks.max_size; sources[].path is one of a list,
    comparisons.FIELD.levels one of a mapping.
    """
    for attribute, field in model.model_fields.items():
        name = field.alias or attribute
        encoders = _encoders(field)
        if encoders:
            yield _setting(f"{prefix}{name}", field, "true, or settings")
            if not prefix:  # the second pass takes the same ones
                yield from _encoder_rows(name, encoders)
            continue
        nested = _model_within(field.annotation)
        place = f"{prefix}{name}"
        if nested is None:
            yield _simple(place, field)
            continue
        if _holds(field.annotation, list):
            place += "[]"
        if field.description:
            yield _setting(place, field, _kind(field.annotation))
        within = f"{place}.FIELD." if _holds(field.annotation, dict) else f"{place}."
        yield from settings_rows(nested, within)


def settings_markdown() -> str:
    """Return the settings as one Markdown table, as the command prints it."""
    lines = ["| setting | default | limits | meaning |", "|---|---|---|---|"]
    for row in settings_rows():
        meaning = row.meaning.replace("|", "\\|")
        lines.append(f"| `{row.place}` | {row.default} | {row.limits} | {meaning} |")
    return "\n".join(lines)


def settings_page() -> str:
    """Write the page: the settings without a section, then every section."""
    rows = sorted(enumerate(settings_rows()), key=lambda row: (_section_no(row[1].place), row[0]))
    parts = [INTRODUCTION]
    for section, found in groupby((row for _, row in rows), key=lambda row: _section(row.place)):
        parts.append(f"## {section}\n")
        about = _about(section)
        if about:
            parts.append(f"{about}\n")
        parts.append("\n".join(_item(row) for row in found) + "\n")
    return "\n".join(parts)


def _item(row: Setting) -> str:
    facts = [row.kind, *row.bounds]
    if row.default == NEEDED:
        facts.append("needed")
    elif row.default:
        facts.append(f"default {row.default}")
    return list_item(f"`{row.place}`: {', '.join(facts)}.", row.meaning)


def _section(place: str) -> str:
    """Name the part of the page that a setting stands in."""
    first = place.replace("[]", "").split(".")[0]
    return first if first in _sections() else AT_THE_TOP


def _section_no(place: str) -> int:
    section = _section(place)
    return _sections().index(section) + 1 if section != AT_THE_TOP else 0


def _sections() -> list[str]:
    """List the settings that hold others, in their order."""
    return [
        name
        for name, field in PipelineSpec.model_fields.items()
        if _encoders(field) or _model_within(field.annotation)
    ]


def _about(section: str) -> str:
    """Return what the docstring of a section's settings begins with."""
    field = PipelineSpec.model_fields.get(section)
    model = None if field is None or _encoders(field) else _model_within(field.annotation)
    return (model.__doc__ or "").split("\n")[0] if model else ""


def _encoders(field: FieldInfo) -> list[type[Encoder]]:
    """Return the encoders that a field may hold, the default one first."""

    def within(annotation: Any) -> Iterator[type[Encoder]]:
        if isinstance(annotation, type) and issubclass(annotation, Encoder):
            yield annotation
        for part in get_args(annotation):
            yield from within(part)

    return list(within(field.annotation))


def _encoder_rows(name: str, encoders: list[type[Encoder]]) -> Iterator[Setting]:
    """Return every setting of the default encoder, and of the others what is different."""
    listed: set[tuple[str, str]] = set()
    for encoder in encoders:
        kind = get_args(encoder.model_fields["encoder"].annotation)[0]
        for setting, field in encoder.model_fields.items():
            default = _default(field)
            if setting == "encoder" or (setting, default) in listed:
                continue
            listed.add((setting, default))
            place = f"{name}.{setting}"
            if encoder is not encoders[0]:
                place += f" ({kind})"
            yield _simple(place, field)


def _setting(place: str, field: FieldInfo, kind: str) -> Setting:
    return Setting(place, kind, _default(field), (), (), field.description or "")


def _simple(place: str, field: FieldInfo) -> Setting:
    """Describe a setting that holds no others."""
    setting = _setting(place, field, _kind(field.annotation))
    return setting._replace(bounds=_bounds(field), choices=_choices(field))


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """Return the settings that an annotation holds: bare, or in a list, mapping or choice."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_within(part) for part in get_args(annotation))
    return next((model for model in found if model), None)


def _holds(annotation: Any, container: type) -> bool:
    """Return whether an annotation is a list or mapping, or a choice with one."""
    parts = get_args(annotation) if _is_choice(annotation) else (annotation,)
    return any(get_origin(part) is container for part in parts)


def _is_choice(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _kind(annotation: Any) -> str:
    """Say in words what values an annotation takes."""
    if annotation == KeyExpressions:
        return "key or list of keys"
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if _is_choice(annotation):
        kinds = [_kind(part) for part in parts if part is not type(None)]
        if type(None) in parts:
            kinds.append("null")
        return " or ".join(kinds)
    if origin is list:
        return f"list of {_within(parts[0])}"
    if origin is dict:
        return f"mapping of names to {_within(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "settings"
    return PLAIN_TYPES[annotation]


def _within(annotation: Any) -> str:
    """Say what values a list or mapping holds, in brackets where it is a choice."""
    kind = _kind(annotation)
    return f"({kind})" if " or " in kind and annotation is not bool else kind


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return NEEDED
    value: Any = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    if isinstance(value, BaseModel) or value in ("", [], {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _bounds(field: FieldInfo) -> tuple[str, ...]:
    bounds = []
    for rule in field.metadata:
        for kind, (sign, attribute) in SIGNS.items():
            if isinstance(rule, kind):
                bounds.append(f"{sign} {getattr(rule, attribute):,}")
    return tuple(bounds)


def _choices(field: FieldInfo) -> tuple[str, ...]:
    choices = (
        str(value)
        for candidate in (field.annotation, *get_args(field.annotation))
        if "Literal" in str(candidate)
        for value in get_args(candidate)
        if isinstance(value, str)
    )
    return tuple(dict.fromkeys(choices))
