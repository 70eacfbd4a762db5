import pytest

from er_pipeline.blocking.values.checked_numbers import checked_number, number_names
from er_pipeline.blocking.values.cleaning import CleaningOptions, cleaner


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [
        ("iban", "GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432"),
        ("isbn", "978-0-471-11709-4", "9780471117094"),
        ("de.vat", "DE 136,695 976", "136695976"),
        ("luhn", "79927398713", "79927398713"),
    ],
)
def test_a_number_whose_check_digits_hold_is_read(name: str, text: str, number: str) -> None:
    assert checked_number(name)(text) == number
    assert cleaner("identifier", CleaningOptions(number=name))(text) == number.lower()


@pytest.mark.parametrize("text", ["GB82 WEST 1234 5698 7654 33", "", "soon", "x" * 10_000])
def test_any_other_text_is_none(text: str) -> None:
    assert checked_number("iban")(text) is None
    assert cleaner("identifier", CleaningOptions(number="iban"))(text) is None


def test_an_unknown_number_is_an_error_that_says_what_is_meant() -> None:
    with pytest.raises(ValueError, match=r"no number 'ibann'.* iban"):
        checked_number("ibann")


def test_every_number_can_be_checked() -> None:
    assert len(number_names()) > 100
    for name in number_names():
        assert checked_number(name)("not a number") is None, name
