"""Cron expressions: five parts, as Dagster's schedules take them, and only those that ever fire."""

import re
from typing import NamedTuple


class Part(NamedTuple):
    """One of the five parts. names: other words for its numbers, from the least number on."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
PARTS = (
    Part("minute", 0, 59),
    Part("hour", 0, 23),
    Part("day of the month", 1, 31),
    Part("month", 1, 12, MONTHS),
    Part("day of the week", 0, 7, WEEKDAYS),
)
DAY, MONTH, WEEKDAY = 2, 3, 4
DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
EXAMPLE = "write one such as 0 2 * * * (every night at 02:00)"


def check_cron(cron: str) -> None:
    """Check a cron expression.

    Raises ValueError that names the wrong part, or says that no day ever fits.
    """
    texts = cron.split()
    if len(texts) != len(PARTS):
        raise ValueError(f"cron {cron!r} must have five parts, such as 0 2 * * *")
    for place, (text, part) in enumerate(zip(texts, PARTS, strict=True)):
        if not all(_fits(piece.lower(), part, place) for piece in text.split(",")):
            raise ValueError(
                f"cron {cron!r}: {text!r} is no {part.name} ({part.least} to {part.most}, * for"
                " every, a-b, a,b, */n)"
            )
    if texts[DAY] != "*" and re.search("[#lL]", texts[WEEKDAY]):
        raise ValueError(
            f"cron {cron!r}: {texts[WEEKDAY]!r} chooses a day of its own; write * for the day of"
            " the month"
        )
    _check_date(cron, texts[DAY].lower(), texts[MONTH].lower())


def _fits(piece: str, part: Part, place: int) -> bool:
    if place == DAY and piece == "l":  # the last of the month
        return True
    if place == WEEKDAY and re.fullmatch(r"l[0-6]|[a-z0-9]+#[1-5]", piece):
        text = piece.removeprefix("l") if piece[0] == "l" else piece.split("#")[0]
        return _number(text, part) is not None
    found = re.fullmatch(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]{1,3}))?", piece, re.ASCII)
    if found is None:
        return False
    first, last, step = found.groups()
    if step is not None and not 1 <= int(step) <= part.most:
        return False
    if first == "*":
        return last is None
    low, high = _number(first, part), _number(first if last is None else last, part)
    return low is not None and high is not None and low <= high


def _number(text: str, part: Part) -> int | None:
    """Read a number or a name of a part; None if it is neither."""
    if text in part.names:
        return part.least + part.names.index(text)
    if not re.fullmatch("[0-9]{1,3}", text) or not part.least <= int(text) <= part.most:
        return None
    return int(text)


def _check_date(cron: str, days: str, months: str) -> None:
    """Refuse the 31st of months that have none: such a schedule is never on."""
    pieces = days.split(",")
    if not all(re.fullmatch("[0-9]+(-[0-9]+)?", piece) for piece in pieces):
        return
    first_days = [int(piece.split("-")[0]) for piece in pieces]
    listed = _numbers(months, PARTS[MONTH])
    if min(first_days) > max(DAYS_OF_MONTH[month - 1] for month in listed):
        raise ValueError(f"cron {cron!r}: no such day in these months; {EXAMPLE}")


def _numbers(text: str, part: Part) -> set[int]:
    """List the numbers that a part that fits stands for."""
    found: set[int] = set()
    for piece in text.split(","):
        span, _, step = piece.partition("/")
        first, _, last = span.partition("-")
        low = part.least if first == "*" else _number(first, part)
        high = part.most if first == "*" or (step and not last) else _number(last or first, part)
        assert low is not None
        assert high is not None
        found |= set(range(low, high + 1, int(step or 1)))
    return found
