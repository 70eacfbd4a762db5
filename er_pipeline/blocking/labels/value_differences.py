"""Two values side by side: how alike they are, and which letters differ."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

# A field whose values share at least this much is close, not different (difflib's ratio).
CLOSE = 0.6
# Longer values are compared word by word: difflib's time grows with the square of the length.
MAX_BY_CHARACTER = 300

# One character of a value as people see it, and whether the other value differs there.
Cell = tuple[str, bool]


@dataclass(frozen=True)
class Compared:
    """Two values as cells, and the mark of their line: = same, ~ close, ≠ different, - missing."""

    mark: str
    left: list[Cell]
    right: list[Cell]


def cells(text: str, changed: Sequence[bool] | None = None) -> list[Cell]:
    """Split a text into cells; a character that would control the terminal becomes a dot."""
    return [
        (char if char.isprintable() else "·", bool(changed and changed[i]))
        for i, char in enumerate(text)
    ]


def runs(value: Sequence[Cell]) -> list[Cell]:
    """Join neighbouring cells that are alike in whether they differ."""
    return [
        ("".join(char for char, _ in part), differs)
        for differs, part in groupby(value, key=lambda cell: cell[1])
    ]


def compared(left: str | None, right: str | None) -> Compared:
    """Compare two values letter by letter, long ones word by word."""
    if not left or not right:
        return Compared("-", cells(left or ""), cells(right or ""))
    if left == right:
        return Compared("=", cells(left), cells(right))
    split = (
        list if max(len(left), len(right)) <= MAX_BY_CHARACTER else re.compile(r"\w+|\W").findall
    )
    units: tuple[list[str], list[str]] = (split(left), split(right))
    matcher = SequenceMatcher(None, *units, autojunk=False)
    changed: tuple[list[bool], list[bool]] = ([], [])
    for tag, left_from, left_to, right_from, right_to in matcher.get_opcodes():
        for side, start, end in ((0, left_from, left_to), (1, right_from, right_to)):
            changed[side].extend([tag != "equal"] * len("".join(units[side][start:end])))
    if matcher.ratio() < CLOSE:  # letters that happen to be the same mean nothing
        return Compared("≠", cells(left, [True] * len(left)), cells(right, [True] * len(right)))
    return Compared("~", cells(left, changed[0]), cells(right, changed[1]))
