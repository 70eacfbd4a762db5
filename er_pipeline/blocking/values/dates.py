"""Dates as people and databases write them, read as ISO dates."""

import re
from collections.abc import Callable
from datetime import date

from er_pipeline.blocking.values.folded_text import fold, plain
from er_pipeline.blocking.values.month_names import date_fillers, months

# The time is passed over, and so is the zone of a day alone (1980-03-12Z, as XML writes it).
_ZONE_NAMES = "z|utc|gmt|wes?t|bst|cet|cest|eet|eest|msk|[ecmp][sd]t|jst|ist|ae[sd]t|nz[sd]t"
_ZONE = rf"(?: ?(?:(?:utc|gmt)?[+-]\d\d?(?::?\d\d)?|(?:{_ZONE_NAMES})))"
_TIME = rf"(?:(?:t|[t, ]+|:)\d{{1,2}}:?\d\d.*|{_ZONE}| ?[gr]\.?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/. ])(\d\d?)\2(\d\d?)\.?{_TIME}")
_YEAR_LAST = re.compile(rf"(\d\d?)([-/. ])(\d\d?)\2(\d{{4}}){_TIME}")
# A number that a spreadsheet or a frame kept as a float has .0 behind it.
_COMPACT = re.compile(rf"((?:1[6-9]|2[01])\d\d)(\d\d)(\d\d)(?:\.0+)?{_TIME}")
_LEADING_WORD = re.compile(r"([a-z]+)[., ]+(?=\d)")
_SPACED_MARK = re.compile(r"(?<=\d)(?: ([-/.]) ?|([-/.]) )(?=\d)")  # 12 / 03 / 1980, 12. 3. 1980
# Thu Mar 12 00:00:00 GMT 1980, as C, Java and Unix write it; Thu Mar 12 1980 00:00:00 GMT+0100
_CLOCK = re.compile(rf"\bt?\d{{1,2}}:\d\d(?::\d\d)?(?:[.,]\d+)?(?: ?[ap]\.?m\b\.?)?{_ZONE}?")
_REMARK = re.compile(r"\([^()]*\)")
_WORD_OR_NUMBER = re.compile(r"[a-z]+|\d+")
_BESIDE_WORDS = re.compile(r"[ '.,;/-]*")
# Chinese, Japanese and Korean write year, month and day behind the numbers.
_YEAR_MONTH_DAY_SIGNS = re.compile(r"(\d+) ?[年년] ?(\d+) ?[月월] ?(\d+) ?[日号號일]?")
_ERA = re.compile(r"(明治|大正|昭和|平成|令和) ?(\d{1,2}|元) ?年")
_YEAR_BEFORE_ERA = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018}
_ROMAN_MONTHS = {
    numeral: number
    for number, numeral in enumerate(
        ["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"], start=1
    )
}
_LONGEST_DATE = 80  # characters: Wednesday, 12 September 1980 10:30:00 (Central European Time)


def date_cleaner(day_first: bool, dots_day_first: bool = True) -> Callable[[str], str | None]:
    """Return the function that reads a date: days only, else no value.

    A month or year alone and two-digit years are no value, nothing is guessed. That is why
    dateutil is not asked: it fills what is missing from today's date. Between slashes, hyphens or
    blanks the month comes first unless `day_first`, between dots the day if `dots_day_first`; a
    number above 12 is the day either way. Times and zones are passed over: the day is the one that
    is written.
    """

    def shape(text: str) -> str | None:
        if len(text) > _LONGEST_DATE:
            return None
        if not text.isascii():
            text = _without_signs(text)
        text = plain(fold(text)).strip(" ,.;\"'")
        if match := _YEAR_FIRST.fullmatch(text):
            return _iso(match[1], match[3], match[4])
        if match := _COMPACT.fullmatch(text):
            return _iso(match[1], match[2], match[3])
        numbers = _SPACED_MARK.sub(r"\1\2", _without_weekday(text))
        if match := _YEAR_LAST.fullmatch(numbers):
            first, second, year = match[1], match[3], match[4]
            is_day_first = dots_day_first if match[2] == "." else day_first
            if int(first) > 12 or (is_day_first and int(second) <= 12):
                return _iso(year, second, first)
            return _iso(year, first, second)
        if match := _YEAR_FIRST.fullmatch(numbers):
            return _iso(match[1], match[3], match[4])
        return _in_words(text)

    return shape


def _without_signs(text: str) -> str:
    """Write 1980年3月12日 as 1980-3-12, and the years of Japanese eras as those of the calendar."""
    text = _ERA.sub(
        lambda era: f"{_YEAR_BEFORE_ERA[era[1]] + (1 if era[2] == '元' else int(era[2]))}年", text
    )
    return _YEAR_MONTH_DAY_SIGNS.sub(r"\1-\2-\3 ", text)


def _without_weekday(text: str) -> str:
    word = _LEADING_WORD.match(text)
    return text[word.end() :] if word and word[1] in date_fillers() else text


def _in_words(text: str) -> str | None:
    """Read a date whose month is a word or a Roman numeral: two numbers and nothing unknown."""
    if ":" in text:
        text = _REMARK.sub("", _CLOCK.sub(" ", text, count=1))
    tokens = _WORD_OR_NUMBER.findall(text)
    numbers = [token for token in tokens if token.isdigit()]
    if len(numbers) != 2 or _BESIDE_WORDS.fullmatch(_WORD_OR_NUMBER.sub("", text)) is None:
        return None
    words = [token for token in tokens if not token.isdigit()]
    known = [months().get(word) or _ROMAN_MONTHS.get(word, 0) for word in words]
    fillers = date_fillers()
    if not all(number or word in fillers for word, number in zip(words, known, strict=True)):
        return None
    named = [word for word, number in zip(words, known, strict=True) if number]
    if len(named) > 1:  # mar 12 mars 1980: mar is mardi, too
        named = [word for word in named if word not in fillers] or named
    if len(named) != 1:
        return None
    month = months().get(named[0]) or _ROMAN_MONTHS[named[0]]
    # day month year, month day year, year month day
    is_year_first = len(numbers[0]) == 4 and tokens.index(named[0]) > tokens.index(numbers[0])
    year, day = numbers if is_year_first else reversed(numbers)
    return _iso(year, str(month), day) if len(year) == 4 and len(day) <= 2 else None


def _iso(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:  # 31 February, month 13
        return None
