import pytest

from er_pipeline.blocking.values.month_names import LANGUAGES, date_fillers, months


@pytest.mark.parametrize(
    ("names", "number"),
    [
        ("january janvier januar enero gennaio janeiro styczen stycznia januari ocak", 1),
        ("march mars marz maerz marzo marco marca maart brezna maaliskuuta marta martioy", 3),
        ("november novembre noviembre novembro listopada listopadu marraskuuta kasim", 11),
    ],
)
def test_a_month_has_its_number_in_every_language(names: str, number: int) -> None:
    assert {months()[name] for name in names.split()} == {number}


def test_there_are_twelve_months_and_no_language_with_other_names_for_its_neighbours() -> None:
    assert set(months().values()) == set(range(1, 13))
    assert "hr" not in LANGUAGES


def test_no_name_means_two_months() -> None:
    from babel import Locale

    from er_pipeline.blocking.values.folded_text import words_of

    for language in LANGUAGES:
        for context in Locale.parse(language).months.values():
            for width in ("wide", "abbreviated"):
                for number, name in context.get(width, {}).items():
                    last = words_of(name.replace("'", " "))[-1]
                    assert months().get(last, number) == number, (language, name)


def test_weekdays_and_small_words_say_nothing_in_a_date() -> None:
    assert {"wednesday", "mittwoch", "mercredi", "of", "de", "den", "th"} <= date_fillers()
    assert "march" not in date_fillers()
