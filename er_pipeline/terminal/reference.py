"""Every setting of a dataset as one table, for the README and the terminal."""

from collections.abc import Iterator
from typing import Any, get_args

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from er_pipeline.blocking.encoders import Encoder
from er_pipeline.blocking.spec.pipeline import PipelineSpec


def settings_rows(
    model: type[BaseModel] = PipelineSpec, prefix: str = ""
) -> Iterator[tuple[str, str, str, str]]:
    """Return (setting, default, limits, meaning) of every setting, depth first.

    A setting within another is named by dots: blocks.max_size; sources[].path is one of a list.
    """
    for name, field in model.model_fields.items():
        encoders = _encoders(field)
        if encoders:
            yield f"{prefix}{name}", _default(field), "", field.description or ""
            if not prefix:  # the second pass takes the same ones
                yield from _encoder_rows(name, encoders)
            continue
        nested = _nested_model(field)
        is_list = "list[" in str(field.annotation)
        place = f"{prefix}{name}{'[]' if nested and is_list else ''}"
        if nested:
            if field.description:
                yield place, _default(field), "", field.description
            yield from settings_rows(nested, f"{place}.")
        else:
            yield place, _default(field), _limits(field), field.description or ""


def settings_markdown() -> str:
    """Return the table as Markdown, as it stands in the README."""
    lines = ["| setting | default | limits | meaning |", "|---|---|---|---|"]
    for place, default, limits, meaning in settings_rows():
        escaped = meaning.replace("|", "\\|")
        lines.append(f"| `{place}` | {default} | {limits} | {escaped} |")
    return "\n".join(lines)


def _encoders(field: FieldInfo) -> list[type[Encoder]]:
    """Return the encoders that a field may hold, the default one first."""

    def within(annotation: Any) -> Iterator[type[Encoder]]:
        if isinstance(annotation, type) and issubclass(annotation, Encoder):
            yield annotation
        for part in get_args(annotation):
            yield from within(part)

    return list(within(field.annotation))


def _encoder_rows(name: str, encoders: list[type[Encoder]]) -> Iterator[tuple[str, str, str, str]]:
    """Return every setting of the default encoder, and of the others what is different."""
    listed: set[tuple[str, str]] = set()
    for encoder in encoders:
        kind = get_args(encoder.model_fields["encoder"].annotation)[0]
        for setting, field in encoder.model_fields.items():
            default = _default(field)
            if setting == "encoder" or (setting, default) in listed:
                continue
            listed.add((setting, default))
            place = f"{name}.{setting}" + ("" if encoder is encoders[0] else f" ({kind})")
            yield place, default, _limits(field), field.description or ""


def _nested_model(field: FieldInfo) -> type[BaseModel] | None:
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(needed)"
    value: Any = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    if isinstance(value, BaseModel) or value in ("", [], {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _limits(field: FieldInfo) -> str:
    signs = {
        annotated_types.Gt: (">", "gt"),
        annotated_types.Ge: (">=", "ge"),
        annotated_types.Lt: ("<", "lt"),
        annotated_types.Le: ("<=", "le"),
        annotated_types.MinLen: ("length >=", "min_length"),
        annotated_types.MaxLen: ("length <=", "max_length"),
    }
    limits = []
    for rule in field.metadata:
        for kind, (sign, attribute) in signs.items():
            if isinstance(rule, kind):
                limits.append(f"{sign} {getattr(rule, attribute):,}")
    choices = [
        str(value)
        for candidate in (field.annotation, *get_args(field.annotation))
        if "Literal" in str(candidate)
        for value in get_args(candidate)
        if isinstance(value, str)
    ]
    return ", ".join(limits + list(dict.fromkeys(choices)))
