import pytest

from er_pipeline.blocking.values.dates import date_cleaner


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("1980-03-12", "1980-03-12"),
        ("1980-03-12T10:30:00Z", "1980-03-12"),
        ("1980-03-12 00:00:00.000", "1980-03-12"),
        ("19800312", "1980-03-12"),
        ("1980/3/12", "1980-03-12"),
        ("03/04/2020", "2020-03-04"),
        ("13/04/2020", "2020-04-13"),
        ("03.04.2020", "2020-04-03"),
        ("12 Mar 1980", "1980-03-12"),
        ("12-MAR-1980", "1980-03-12"),
        ("March 12th, 1980", "1980-03-12"),
        ("Wed, 12 March 1980", "1980-03-12"),
    ],
)
def test_a_date_is_read_however_it_is_written(written: str, iso: str) -> None:
    assert date_cleaner(day_first=False)(written) == iso


@pytest.mark.parametrize(
    "written",
    ["2020-02-30", "13/13/2020", "03/04/20", "March 1980", "1980", "12 Foo 1980"],
)
def test_a_date_that_does_not_exist_or_would_be_guessed_is_no_value(written: str) -> None:
    assert date_cleaner(day_first=False)(written) is None
