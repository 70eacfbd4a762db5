"""Numbers as people write them, prices, areas and quantities, to one plain form.

1.234 is one and a quarter to some and a thousand to others. Most other numbers of its column show
which: 12,50 and 1.234.567 have a comma before their decimals, 12.50 and 1,234,567 a point.
"""

import math
import re
import unicodedata
from decimal import Decimal

from er_pipeline.blocking.values.folded_text import fold, plain

# A text in which one of these is found shows its decimal mark {d}, beside {g} for thousands. They
# are for SQL, so they are written as RE2 takes them.
_SHOWN = (
    r"^[^{d}]*[0-9][{d}][0-9]{{1,2}}[^0-9.,]*$"  # 12,5 and 1.234,50
    r"|^[^{d}]*[0-9][{d}][0-9]{{4,}}[^0-9.,]*$"  # 12,3456
    r"|^[^.,]*[0-9]{{4,}}[{d}][0-9]+[^0-9.,]*$"  # 1234,567
    r"|^[^0-9.,]*0+[{d}][0-9]+[^0-9.,]*$"  # 0,125
    r"|[0-9][{g}][0-9]{{3}}[{d}][0-9]"  # 1.234,567
    r"|[0-9][{g}][0-9]{{3}}[{g}][0-9]{{3}}"  # 1.234.567
)
COMMA_SHOWN = _SHOWN.format(d=",", g=".")
POINT_SHOWN = _SHOWN.format(d=".", g=",")
# One of these is read as its column is.
OPEN = r"^[^0-9.,]*[1-9][0-9]{0,2}[.,][0-9]{3}[^0-9.,]*$"

_NUMERAL = re.compile(
    r"((?:[^\d.,]|(?<=[a-z])\.)*)((?:\d|[.,]\d)[\d.,' _]*)(\D*(?:[a-z]\^?[23])?\W*)", re.A
)
_FLOAT = re.compile(r"[+-]?\d+(?:\.\d+)?[eE][+-]?\d{1,3}", re.A)
_WIDE_GROUPS = re.compile(r"\d{1,3}(?:([' _])\d{3})(?:\1\d{3})*(?:[.,]\d+)?", re.A)
# Groups of three; of two in India, but for the last.
_GROUPS = re.compile(r"\d{1,3}(?:[.,]\d{2,3})*[.,]\d{3}", re.A)
_TIMES = {
    word: 10**power
    for power, words in (
        (3, "k tsd thousand tausend"),
        (6, "mio mln million millions millionen"),
        (9, "mrd bn billion billions milliarden"),
    )
    for word in words.split()
}
# Longer texts are about numbers, rather than being one.
_LONGEST = 80
# More digits than a sum of money or a measure has: an account, or noise.
_MOST_DIGITS = 24
# Neighbouring bands are so far apart; their keys overlap, so that values as near share one.
BAND = 0.1


def clean_number(text: str, *, decimal_comma: bool = False) -> str | None:
    """Return the number of a text in plain form: "EUR 1.234,50" -> 1234.5; None if it has not one.

    decimal_comma: how a text that leaves it open is read, such as 1,234. Units and currencies are
    passed over, whatever they say: 5 km is not 5000 m. No number is a date, a range or a version.
    """
    if len(text) > _LONGEST:
        return None
    text = plain(unicodedata.normalize("NFKC", text)).replace("−", "-").replace("’", "'")
    if _FLOAT.fullmatch(text):
        return _written(Decimal(text))
    match = _NUMERAL.fullmatch(text.lower() if text.isascii() else fold(text))
    if match is None:
        return None
    before, numeral, after = match.groups()
    digits = numeral.rstrip(".,' _")
    value = _value(digits, decimal_comma)
    if value is None:
        return None
    unit = re.match(r"[^a-z]*([a-z]*)", after)
    if unit is not None and unit[1] in _TIMES:
        value *= _TIMES[unit[1]]
    return _written(-value if _is_negative(before, after) else value)


def _is_negative(before: str, after: str) -> bool:
    """Say whether a minus or, as in accounts, brackets stand around a number: -5, € -5, (5)."""
    sign = before.strip()
    is_minus = sign.startswith("-") or re.fullmatch(r"([a-z]{3}|\W)\s*-", sign) is not None
    return is_minus or (sign.endswith("(") and after.strip().startswith(")"))


def _value(digits: str, decimal_comma: bool) -> Decimal | None:
    if re.search("[' _]", digits):
        if not _WIDE_GROUPS.fullmatch(digits):
            return None
        digits = re.sub("[' _]", "", digits)
        decimal_comma = "," in digits  # the thousands have their mark already
        if re.search(r"[.,]\d{3}$", digits):
            return Decimal(digits.replace(",", "."))
    marks = re.sub(r"\d", "", digits)
    if not marks:
        return Decimal(digits)
    whole, decimals = re.split("[.,]", digits)[0], re.split("[.,]", digits)[-1]
    last = marks[-1]
    if len(marks) == 1:
        is_open = len(decimals) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")
        if not is_open or last == ("," if decimal_comma else "."):
            return Decimal(f"{whole or 0}.{decimals}")
        return Decimal(whole + decimals)
    if len(set(marks)) == 1:
        return Decimal(digits.replace(last, "")) if _GROUPS.fullmatch(digits) else None
    grouped = digits[: -len(decimals) - 1]
    if last in grouped or not _GROUPS.fullmatch(grouped):
        return None
    return Decimal(f"{re.sub('[.,]', '', grouped)}.{decimals}")


def _written(value: Decimal) -> str | None:
    if value.adjusted() > _MOST_DIGITS or value.adjusted() < -_MOST_DIGITS:
        return None
    text = format(value.normalize(), "f")
    if len(text) > _MOST_DIGITS + 2:
        return None
    if value == 0:
        return "0"
    # Where thousands have points 1.125 would be read as 1125: a fourth decimal leaves nothing open.
    return f"{text}0" if re.fullmatch(r"-?[1-9]\d{0,2}\.\d{3}", text) else text


def two_digits(number: str) -> str | None:
    """Return a clean number to two significant digits: 1249.5 -> 1200."""
    return _significant(number, 2)


def one_digit(number: str) -> str | None:
    """Return a clean number to one significant digit: 1249.5 -> 1000."""
    return _significant(number, 1)


def number_bands(number: str) -> str | None:
    """Return two bands of a clean number: numbers that differ by less than a tenth share one.

    Zero has a band of its own.
    """
    value = _float_of(number)
    if value is None:
        return None
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    band = math.floor(math.log(abs(value)) / math.log1p(BAND))
    return f"{sign}b{band} {sign}b{band + 1}"


def _significant(number: str, digits: int) -> str | None:
    value = _float_of(number)
    if value is None:
        return None
    return format(Decimal(f"{value:.{digits - 1}e}").normalize(), "f") if value else "0"


def _float_of(number: str) -> float | None:
    try:
        value = float(number)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 10**_MOST_DIGITS else None
