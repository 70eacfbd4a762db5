"""Float texts: whole numbers that spreadsheets and frames have kept as floats and written so.

A column of numbers with one empty cell is a column of floats to pandas and others: its 90210 goes
into a csv file as 90210.0. Excel writes long numbers as 1.71123E+11 and loses their last digits.
"""

import re

# 1.000 and 1,000 are thousands where people write numbers, so three zeros say nothing of a float.
_WHOLE = re.compile(r"([1-9]\d*)[.,]0{1,2}|([1-9]\d{3,})[.,]0+", re.A)
_SCIENTIFIC = re.compile(r"([1-9])[.,](\d+)[eE]\+?(\d{1,3})|([1-9])()[eE]\+(\d{2,3})", re.A)


def without_float(text: str) -> str | None:
    """Return the digits of a whole number that was kept as a float; any other text as it is.

    90210.0 and 9.0210E+04 are 90210. None where digits are lost, as in 1.71123E+11: many numbers
    are written so, and they are not the same one.
    """
    if match := _WHOLE.fullmatch(text):
        return match[1] or match[2]
    if match := _SCIENTIFIC.fullmatch(text):
        first, decimals = match[1] or match[4], match[2] or match[5] or ""
        return first + decimals if len(decimals) == int(match[3] or match[6]) else None
    return text
