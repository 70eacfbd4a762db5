"""Declared settings: what a dataset's declaration says, one text per setting, without secrets."""

import json
from collections.abc import Iterator
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.printable import without_password

# Whom to notify shapes no table, and holds secrets.
LEFT_OUT = {"notify"}
# Longer values, such as lists of placeholders, are cut; a change behind that is not seen.
MOST_SHOWN = 2_000


def declared_settings(spec: PipelineSpec) -> dict[str, str]:
    """Return every setting that a declaration writes: dotted name -> its value as JSON.

    Defaults are left out, and so are secrets: they are noted beside the tables.
    """
    declared = spec.model_dump(mode="json", exclude_unset=True, exclude=LEFT_OUT)
    return {
        name: without_password(json.dumps(value, ensure_ascii=False))[:MOST_SHOWN]
        for name, value in _leaves(declared, "")
    }


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Give the parts of a value that hold no named parts; an object in a list by its number."""
    parts: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
        parts = list(enumerate(value))
    if not parts:
        yield name, value
    for part, of_part in parts:
        yield from _leaves(of_part, f"{name}.{part}" if name else str(part))
