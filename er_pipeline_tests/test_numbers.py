import re
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.values.numbers import (
    COMMA_SHOWN,
    OPEN,
    POINT_SHOWN,
    clean_number,
    number_bands,
    one_digit,
    two_digits,
)

numbers = st.decimals(-(10**12), 10**12, allow_nan=False, places=2)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.234,50 €", "1234.5"),
        ("EUR 1,234.50", "1234.5"),
        ("1'234.50", "1234.5"),
        ("1 234,5", "1234.5"),
        ("1.234.567", "1234567"),
        ("1,23,456", "123456"),  # as in India
        ("12,-", "12"),
        ("$ .5", "0.5"),
        ("007", "7"),
        ("-0", "0"),
        ("85 m²", "85"),
        ("ca. 85 qm", "85"),
        ("-5", "-5"),
        ("€ −5", "-5"),
        ("(5.00)", "-5"),
        ("1.5E+05", "150000"),
        ("500k", "500000"),
        ("1,5 Mio. €", "1500000"),
        ("٣٥", "35"),
    ],
)
def test_a_number_has_one_plain_form(text: str, number: str) -> None:
    assert clean_number(text) == clean_number(text, decimal_comma=True) == number


@pytest.mark.parametrize(
    "text",
    ["", "n/a", "12.03.2020", "12-15", "1.2.3", "5 x 7", "12 15", "9" * 30, "1e99", "1" * 99],
)
def test_what_is_no_single_number_is_none(text: str) -> None:
    assert clean_number(text) is None


def test_what_is_open_is_read_as_its_column() -> None:
    assert [clean_number(text) for text in ("1.234", "1,234")] == ["1.2340", "1234"]
    assert clean_number("1.234", decimal_comma=True) == "1234"
    assert clean_number("1,234", decimal_comma=True) == "1.2340"
    assert clean_number("0,125") == "0.125"


@settings(max_examples=200, deadline=None)
@given(number=numbers, comma=st.booleans())
def test_a_number_written_either_way_is_itself_and_stays(number: Decimal, comma: bool) -> None:
    english = f"{number:,.2f}"
    german = english.replace(",", " ").replace(".", ",").replace(" ", ".")
    for text in (english, german):
        clean = clean_number(text, decimal_comma=comma)
        assert clean is not None
        assert Decimal(clean) == number
        assert clean_number(clean, decimal_comma=comma) == clean
    shown = [bool(re.search(pattern, german)) for pattern in (COMMA_SHOWN, POINT_SHOWN, OPEN)]
    assert shown == [True, False, False]
    shown = [bool(re.search(pattern, english)) for pattern in (COMMA_SHOWN, POINT_SHOWN, OPEN)]
    assert shown == [False, True, False]


def test_only_three_digits_behind_one_mark_are_open() -> None:
    assert [
        bool(re.search(OPEN, text)) for text in ("1.234", "€ 12,500", "0,125", "1.5", "12")
    ] == [
        *(True, True),
        *(False, False, False),
    ]


def test_a_number_is_rounded_to_its_first_digits() -> None:
    assert two_digits("1249.5") == two_digits("1151") == "1200"
    assert one_digit("1249.5") == "1000"
    assert two_digits("99.9") == "100"
    assert two_digits("0") == "0"
    assert two_digits("many") is None


@settings(max_examples=200, deadline=None)
@given(number=st.floats(1e-6, 1e9), share=st.floats(0, 0.0999), sign=st.sampled_from(("", "-")))
def test_numbers_that_differ_by_less_than_a_tenth_share_a_band(
    number: float, share: float, sign: str
) -> None:
    bands, others = (
        set((number_bands(f"{sign}{value!r}") or "").split())
        for value in (number, number * (1 + share))
    )
    assert bands & others
    far = set((number_bands(f"{sign}{number * 1.4!r}") or "").split())
    assert not bands & far
