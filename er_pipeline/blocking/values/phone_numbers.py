"""Phone numbers in E.164: +14155552671."""

import re
from collections.abc import Callable

import phonenumbers

from er_pipeline.blocking.values.folded_text import plain

# ten digits as North America writes them; areas and exchanges there start with 2-9
NORTH_AMERICAN = re.compile(
    r"(?:\+?1[ .-]?)?(?:\(([2-9]\d\d)\)|([2-9]\d\d))[ .-]{0,2}([2-9]\d\d)[ .-]?(\d{4})", re.A
)
_LONGEST_PHONE = 60  # characters; with words around it ("call after six: ...") it is no number


def phone_cleaner(region: str) -> Callable[[str], str | None]:
    """Return the function that reads a phone number; region: where one without "+" is dialled.

    Only the length of a number is asked (is_possible), not whether its range is in use: a key
    needs two records that agree, not a number that rings. is_valid drops new ranges and every 555
    number, and costs as much again. A number without its area code is no value, as each town has
    its own 555-0123.
    """
    is_nanp = phonenumbers.country_code_for_region(region) == 1

    def shape(text: str) -> str | None:
        text = plain(text)
        if len(text) > _LONGEST_PHONE:
            return None
        # phonenumbers takes 25 microseconds, this 2; a test holds both to the same answer
        if is_nanp and (match := NORTH_AMERICAN.fullmatch(text)):
            digits = (match[1] or match[2]) + match[3] + match[4]
            return None if digits.strip(digits[0]) == "" else f"+1{digits}"
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

    return shape


def _has_prefix(number: phonenumbers.PhoneNumber) -> bool:
    """Whether the number still begins with what is dialled before it in its own country."""
    if number.italian_leading_zero:
        return True
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    prefix = metadata and metadata.national_prefix_for_parsing
    return bool(prefix and re.match(prefix, str(number.national_number)))
