import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.values.phone_numbers import NORTH_AMERICAN, phone_cleaner, phone_numbers


@pytest.mark.parametrize("region", ["DE", "BR", "BY", "CN", "IT"])
@settings(max_examples=60, deadline=None)
@given(text=st.text("00112345678+ -", min_size=7, max_size=15))
def test_a_clean_phone_number_is_read_as_itself_in_any_region(region: str, text: str) -> None:
    clean_phone = phone_cleaner(region)
    clean = clean_phone(text)
    assert clean is None or clean_phone(clean) == clean


@settings(max_examples=150, deadline=None)
@given(text=st.from_regex(NORTH_AMERICAN, fullmatch=True))
def test_the_short_way_for_north_american_phones_agrees_with_phonenumbers(text: str) -> None:
    number = phonenumbers.parse(text, "US")
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    is_one_digit = len(set(e164[2:])) == 1
    assert phone_cleaner("US")(text) == (None if is_one_digit else e164)


@pytest.mark.parametrize(
    "text",
    [
        *("415-555-2671 (home)", "(415) 555-2671 home", "home: 415-555-2671", "Tel. 415 555 2671"),
        *("415-555-2671 (Axel, 9 to 5)", "415-555-2671 x12 (work)", "+1 415-555-2671 [fax]"),
        *("4155552671.0", "n/a; 415-555-2671", "'415-555-2671'"),
    ],
)
def test_remarks_around_a_number_are_passed_over(text: str) -> None:
    assert phone_cleaner("US")(text) == "+14155552671"


@pytest.mark.parametrize(
    ("text", "region", "numbers"),
    [
        ("415-555-2671 / 415-555-2672", "US", ["+14155552671", "+14155552672"]),
        ("415-555-2671, 415-555-2672", "US", ["+14155552671", "+14155552672"]),
        ("tel. 415 555 2671; mob. 415 555 2672", "US", ["+14155552671", "+14155552672"]),
        ("['415-555-2671', '415-555-2671']", "US", ["+14155552671"]),
        ("030/1234567, 0171/2345678", "DE", ["+49301234567", "+491712345678"]),
        ("030 1234567 oder 0171 2345678 (privat)", "DE", ["+49301234567", "+491712345678"]),
        ("030 1234567\n0171 2345678", "DE", ["+49301234567", "+491712345678"]),
        ("(0171) 2345678 Axel", "DE", ["+491712345678"]),
        ("1-800-FLOWERS", "US", ["+18003569377"]),
        ("12 Main St", "US", []),
    ],
)
def test_every_number_of_a_cell_is_read(text: str, region: str, numbers: list[str]) -> None:
    assert phone_numbers(text, region) == numbers
    assert phone_cleaner(region)(text) == (numbers[0] if numbers else None)
