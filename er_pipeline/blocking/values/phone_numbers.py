"""Phone numbers in E.164: +14155552671."""

import re
from collections.abc import Callable, Iterator

import phonenumbers

from er_pipeline.blocking.values.float_texts import without_float
from er_pipeline.blocking.values.folded_text import plain

# ten digits as North America writes them; areas and exchanges there start with 2-9
NORTH_AMERICAN = re.compile(
    r"(?:\+?1[ .-]?)?(?:\(([2-9]\d\d)\)|([2-9]\d\d))[ .-]{0,2}([2-9]\d\d)[ .-]?(\d{4})", re.A
)
_LONGEST_PHONE = 200  # characters, several numbers and their remarks included
_REMARK = re.compile(r"[(\[][^()\[\]]*[^\W\d_][^()\[\]]*[)\]]")  # (home), [Axel, 9 to 5]
# What stands between two numbers, in the order in which it is looked for: other signs and words
# first, since a slash or a comma may stand within a number (030/1234567).
_BETWEEN = tuple(map(re.compile, (r"[;|&\"']|[^\W\d_]+[.:]?| (?=\+\d)", ",", " / ", "/")))
_WORDS_BEHIND = re.compile(r"(?<=\d)[\s,:-]+[^\W\d_]\D*$")  # 0171 1234567 Axel
_LINE_END = re.compile(r"[\r\n\t]+")  # a cell of several lines has a number in each


def phone_cleaner(region: str) -> Callable[[str], str | None]:
    """Return the function that reads a phone number; region: where one without "+" is dialled.

    Of a cell with several numbers it gives the first. Only the length of a number is asked
    (is_possible), not whether its range is in use: a key needs two records that agree, not a number
    that rings. is_valid drops new ranges and every 555 number, and costs as much again. A number
    without its area code is no value, as each town has its own 555-0123.
    """
    is_nanp = phonenumbers.country_code_for_region(region) == 1

    def shape(text: str) -> str | None:
        # phonenumbers takes 25 microseconds, this 2; a test holds both to the same answer
        if is_nanp and (match := NORTH_AMERICAN.fullmatch(plain(text[:_LONGEST_PHONE]))):
            digits = (match[1] or match[2]) + match[3] + match[4]
            return None if digits.strip(digits[0]) == "" else f"+1{digits}"
        return next(_numbers(text, region), None)

    return shape


def phone_numbers(text: str, region: str) -> list[str]:
    """Read every number of a cell, each once, whatever words stand around them."""
    return list(dict.fromkeys(_numbers(text, region)))


def _numbers(text: str, region: str) -> Iterator[str]:
    if len(text) > _LONGEST_PHONE:
        return
    text = without_float(plain(_LINE_END.sub(" ; ", text.strip()))) or ""
    # What stands behind a number is a remark, unless the number is none without it: vanity numbers
    # and extensions have words.
    for part in dict.fromkeys((_WORDS_BEHIND.sub("", text), text)):
        if number := _number(part, region):
            yield number
            return
    without_remarks = _REMARK.sub(" ; ", text)
    if without_remarks != text:
        yield from _numbers(without_remarks.strip(" ;"), region)
        return
    yield from _numbers_of_parts(text, region, 0)


def _numbers_of_parts(text: str, region: str, nth: int) -> Iterator[str]:
    for part in _BETWEEN[nth].split(text):
        if number := _number(part.strip(" .:,;/-"), region):
            yield number
        elif nth + 1 < len(_BETWEEN):
            yield from _numbers_of_parts(part, region, nth + 1)


def _number(text: str, region: str) -> str | None:
    if not any(map(str.isdigit, text)):
        return None
    try:
        number = phonenumbers.parse(text, region)
        clean = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        # "0069930955" in Brazil: one prefix too many, read again it is another number
        if _has_prefix(number) and phonenumbers.parse(clean) != number:
            return None
    except phonenumbers.NumberParseException:
        return None
    reason = phonenumbers.is_possible_number_with_reason(number)
    is_possible = reason == phonenumbers.ValidationResult.IS_POSSIBLE
    digits = str(number.national_number)
    return None if not is_possible or digits.strip(digits[0]) == "" else clean


def _has_prefix(number: phonenumbers.PhoneNumber) -> bool:
    """Whether the number still begins with what is dialled before it in its own country."""
    if number.italian_leading_zero:
        return True
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    prefix = metadata and metadata.national_prefix_for_parsing
    return bool(prefix and re.match(prefix, str(number.national_number)))
