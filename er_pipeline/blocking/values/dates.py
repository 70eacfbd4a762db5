"""Dates as people and databases write them, read as ISO dates."""

import re
from collections.abc import Callable
from datetime import date

from er_pipeline.blocking.values.folded_text import fold, plain

_TIME = r"(?:[t ]+\d{1,2}:?\d\d.*)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/. ])(\d\d?)\2(\d\d?){_TIME}")
_YEAR_LAST = re.compile(rf"(\d\d?)([-/. ])(\d\d?)\2(\d{{4}}){_TIME}")
_COMPACT = re.compile(rf"((?:1[6-9]|2[01])\d\d)(\d\d)(\d\d){_TIME}")
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[., ]+)?"
_DAY = r"(\d\d?)(?:st|nd|rd|th)?"
_DAY_MONTH_YEAR = re.compile(rf"{_WEEKDAY}{_DAY}[ .-]*(?:of )?([a-z]+)[., -]*(\d{{4}}){_TIME}")
_MONTH_DAY_YEAR = re.compile(rf"{_WEEKDAY}([a-z]+)[. -]*{_DAY}[, -]+(\d{{4}}){_TIME}")
_YEAR_MONTH_DAY = re.compile(rf"(\d{{4}})[ -]?([a-z]+)[. -]*{_DAY}{_TIME}")
_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {
    name: number
    for number, month in enumerate(_MONTH_NAMES, start=1)
    for name in (month, month[:3])
} | {"sept": 9}


def date_cleaner(day_first: bool) -> Callable[[str], str | None]:
    """Return the function that reads a date: days only, else no value.

    A month or year alone and two-digit years are no value, nothing is guessed. That is why
    dateutil is not asked: it fills what is missing from today's date. Between slashes or hyphens
    the month comes first unless `day_first`, between dots the day; a number above 12 is the day
    either way.
    """

    def shape(text: str) -> str | None:
        text = plain(fold(text))
        if match := _YEAR_FIRST.fullmatch(text):
            return _iso(match[1], match[3], match[4])
        if match := _COMPACT.fullmatch(text):
            return _iso(match[1], match[2], match[3])
        if match := _YEAR_LAST.fullmatch(text):
            first, second, year = match[1], match[3], match[4]
            is_day_first = day_first or match[2] == "."
            if int(first) > 12 or (is_day_first and int(second) <= 12):
                return _iso(year, second, first)
            return _iso(year, first, second)
        if match := _DAY_MONTH_YEAR.fullmatch(text):
            return _iso(match[3], match[2], match[1])
        if match := _MONTH_DAY_YEAR.fullmatch(text):
            return _iso(match[3], match[1], match[2])
        if match := _YEAR_MONTH_DAY.fullmatch(text):
            return _iso(match[1], match[2], match[3])
        return None

    return shape


def _iso(year: str, month: str, day: str) -> str | None:
    number = int(month) if month.isdigit() else _MONTHS.get(month, 0)
    try:
        return date(int(year), number, int(day)).isoformat()
    except ValueError:  # 31 February, month 13
        return None
