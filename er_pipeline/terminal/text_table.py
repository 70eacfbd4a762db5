"""Rows as a table of text: in columns where they fit the terminal, else one row below the other."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from er_pipeline.blocking.tables.printable import printable

# A column is not made narrower than this, its name apart.
LEAST_WIDTH = 8
GAP = "  "
CUT = "…"


def cell_text(value: Any) -> str:
    """Write a value on one line: lists with commas, NULL as such, line ends written out."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell_text, value))
    return printable(str(value)).replace("\n", "\\n").replace("\t", "\\t")


def table_lines(
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    width: int | None,
    *,
    most: int | None = None,
) -> Iterator[str]:
    """Write rows below a header; numbers stand on the right.

    width: cells of the terminal. Long values are cut so that a row fits; where it does not even so,
    each row is written as lines of name and value. None: nothing is cut for that.
    most: cells of a value, but for those of the first column, which name what their rows are about.
    """
    from rich.cells import cell_len

    texts = [
        [text if most is None or i == 0 else _cut(text, most) for i, text in enumerate(row)]
        for row in ([cell_text(value) for value in row] for row in rows)
    ]
    on_right = [
        any(isinstance(row[i], int | float) for row in rows)
        and not any(isinstance(row[i], str | bool | list) for row in rows)
        for i in range(len(header))
    ]
    names = [cell_text(name) for name in header]
    widths = [max(cell_len(row[i]) for row in [names, *texts]) for i in range(len(names))]
    if width is not None:
        fitted = _fitted(widths, [max(LEAST_WIDTH, cell_len(name)) for name in names], width)
        if fitted is None:
            yield from _below_each_other(names, texts, width)
            return
        widths = fitted
    for row in [names, *texts]:
        cells = zip(row, widths, on_right, strict=True)
        yield GAP.join(_padded(text, n, right) for text, n, right in cells).rstrip()


def _fitted(widths: Sequence[int], least: Sequence[int], width: int) -> list[int] | None:
    """Narrow the widest columns until a row fits; None if it does not."""
    found = list(widths)
    too_much = sum(found) + len(GAP) * (len(found) - 1) - width
    while too_much > 0:
        can = [i for i in range(len(found)) if found[i] > least[i]]
        if not can:
            return None
        widest = max(can, key=lambda i: found[i])
        found[widest] -= 1
        too_much -= 1
    return found


def _cut(text: str, width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + CUT


def _padded(text: str, width: int, right: bool) -> str:
    from rich.cells import cell_len

    text = _cut(text, width)
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _below_each_other(
    names: Sequence[str], texts: Sequence[Sequence[str]], width: int
) -> Iterator[str]:
    from rich.cells import cell_len

    longest = max(map(cell_len, names))
    room = max(LEAST_WIDTH, width - longest - len(GAP))
    if not texts:
        yield ", ".join(names)
    for no, row in enumerate(texts, 1):
        yield f"-- {no} " + "-" * max(0, width - len(f"-- {no} "))
        for name, text in zip(names, row, strict=True):
            shown = _padded(text, min(room, cell_len(text)), right=False)
            yield f"{name}{' ' * (longest - cell_len(name))}{GAP}{shown}".rstrip()
