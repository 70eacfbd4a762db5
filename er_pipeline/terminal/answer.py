"""The answer of a command: on stdout, as text for people or as one JSON object for programs."""

import json
import math
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they come; what could steer a terminal, in an id or a value, is escaped."""
    for line in lines:
        print(_escaped(line), flush=True)


def print_error(text: str) -> None:
    """Print what went wrong on stderr; what could steer a terminal is escaped."""
    print(f"error: {_escaped(text)}", file=sys.stderr, flush=True)


def terminal_width() -> int | None:
    """Return the cells of a line of the terminal; None if the answer does not go to one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _escaped(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    from er_pipeline.blocking.tables.printable import printable  # --help and docs do without

    return printable(text)


def print_json(answer: Any) -> None:
    """Print an answer as JSON, indented by two; what could steer a terminal is escaped.

    Numbers that JSON lacks (infinity, not a number) become null, sets and generators lists, moments
    texts as ISO 8601 has them.
    """
    text = json.dumps(_plain(answer), ensure_ascii=False, indent=2, allow_nan=False)
    if not text.isascii():
        from er_pipeline.blocking.tables.printable import printable_json

        text = printable_json(text)
    print(text, flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset | Iterator):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):  # a number of numpy's
        return _plain(value.item())
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
