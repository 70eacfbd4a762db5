import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.values.phone_numbers import NORTH_AMERICAN, phone_cleaner


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
