import pytest

from er_pipeline.blocking.values.cleaning import CleaningOptions, cleaner
from er_pipeline.blocking.values.float_texts import without_float


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("90210.0", "90210"),
        ("90210,00", "90210"),
        ("1711234567.000", "1711234567"),
        ("1.711234567E+09", "1711234567"),
        ("1.711234567e9", "1711234567"),
        ("1.71123E+11", None),  # Excel has lost six digits
        ("5E+15", None),
        ("1.000", "1.000"),  # a thousand
        ("1,000", "1,000"),
        ("007.0", "007.0"),  # no float has zeros in front
        ("12.50", "12.50"),
        ("5E12", "5E12"),  # a code
        ("A-12.0", "A-12.0"),
        ("", ""),
    ],
)
def test_a_float_is_the_whole_number_that_it_keeps(text: str, digits: str | None) -> None:
    assert without_float(text) == digits


@pytest.mark.parametrize("kind", ["identifier", "text", "address"])
def test_a_number_reads_alike_however_its_column_was_kept(kind: str) -> None:
    clean = cleaner(kind, CleaningOptions())
    assert clean("90210.0") == clean("90210") == "90210"
    assert clean("9.02E+04") is None


def test_a_phone_number_that_lost_digits_is_no_number() -> None:
    clean = cleaner("phone", CleaningOptions(phone_region="DE"))
    assert clean("1711234567.0") == clean("1.711234567E+09") == "+491711234567"
    assert clean("1.71123E+11") is None
