from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("1980-03-12Z", "1980-03-12"),
        ("1980-03-12+01:00", "1980-03-12"),
        ("1980-03-12 UTC", "1980-03-12"),
        ("19800312.0", "1980-03-12"),
        ("03 / 12 / 1980", "1980-03-12"),
        ("12. 3. 1980", "1980-03-12"),
        ("1980. 03. 12.", "1980-03-12"),
        ('"1980-03-12"', "1980-03-12"),
        ("Mi, 12.03.1980", "1980-03-12"),
        ("Thu Mar 12 00:00:00 GMT 1980", "1980-03-12"),
        ("Wed, 12 Mar 1980 10:00:00 +0000", "1980-03-12"),
        ("Wed Mar 12 1980 00:00:00 GMT+0100 (Central European Standard Time)", "1980-03-12"),
        ("12. März 1980", "1980-03-12"),
        ("Mittwoch, den 12. März 1980", "1980-03-12"),
        ("12. Maerz 1980", "1980-03-12"),
        ("12 mars 1980", "1980-03-12"),
        ("1er août 1980", "1980-08-01"),
        ("mar 11 mars 1980", "1980-03-11"),
        ("12 de marzo de 1980", "1980-03-12"),
        ("quarta-feira, 12 de março de 1980", "1980-03-12"),
        ("12 d'abril de 1980", "1980-04-12"),
        ("12 maart 1980", "1980-03-12"),
        ("12 marca 1980 r.", "1980-03-12"),
        ("12 listopada 1980", "1980-11-12"),
        ("12. března 1980", "1980-03-12"),
        ("12. maaliskuuta 1980", "1980-03-12"),
        ("den 12. marts 1980", "1980-03-12"),
        ("12 марта 1980 г.", "1980-03-12"),
        ("12 Mart 1980", "1980-03-12"),
        ("1980. március 12.", "1980-03-12"),
        ("12 Μαρτίου 1980", "1980-03-12"),
        ("12-III-1980", "1980-03-12"),
        ("1980年3月12日", "1980-03-12"),
        ("１９８０年３月１２日", "1980-03-12"),
        ("1980년 3월 12일", "1980-03-12"),
        ("昭和55年3月12日", "1980-03-12"),
        ("令和元年5月1日", "2019-05-01"),
        ("١٢/٢٥/١٩٨٠", "1980-12-25"),
    ],
)
def test_a_date_is_read_however_it_is_written(written: str, iso: str) -> None:
    assert date_cleaner(day_first=False)(written) == iso


@pytest.mark.parametrize(
    "written",
    [
        *("2020-02-30", "13/13/2020", "03/04/20", "March 1980", "1980", "12 Foo 1980"),
        *("12 March 1980 and 13 March 1980", "12 13 1980 March", "March 12", "12 mars avril 1980"),
        *("x" * 10_000, "1980-03-12 " + "z" * 100),
    ],
)
def test_a_date_that_does_not_exist_or_would_be_guessed_is_no_value(written: str) -> None:
    assert date_cleaner(day_first=False)(written) is None


def test_dots_and_other_marks_have_orders_of_their_own() -> None:
    shape = date_cleaner(day_first=True, dots_day_first=False)
    assert [shape("03/04/2020"), shape("03.04.2020")] == ["2020-04-03", "2020-03-04"]


@given(
    day=st.dates(min_value=date(1000, 1, 1)),
    pattern=st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y", "%b %d, %Y", "%c"]),
)
def test_what_python_writes_is_read_back(day: date, pattern: str) -> None:
    assert date_cleaner(day_first=False)(day.strftime(pattern)) == day.isoformat()
