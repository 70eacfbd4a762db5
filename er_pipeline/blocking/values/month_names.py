"""Names of months and weekdays in the languages that most tables are written in.

Source: the Unicode locale data (CLDR), as Babel has them.
"""

from collections.abc import Iterator
from functools import cache

from er_pipeline.blocking.values.folded_text import fold, word_set, words_of

# In these no name means two months. Not Croatian: its listopad, lipanj and srpanj are other months
# than those of Polish and Czech, and no value shows which language it is in.
LANGUAGES = word_set("""
    en de fr es it nl pt pl sv da nb nn fi cs sk ru uk bg tr hu ro el et lv lt ca gl eu sl sr is
    id ms af
    """)
# Spellings that the locale data do not have, folded.
_MORE_MONTHS = {"maerz": 3, "mrz": 3, "sept": 9, "janv": 1, "fevr": 2, "juil": 7}
# Words that stand in a date and say nothing: of, the, on, the ends of ordinals, year, o'clock.
_FILLERS = word_set("""
    st nd rd th er ere a o of the on at in um am den der dem het de del della di do da du des le la
    el il lo al d dia dnia dne g god goda roku rok roka m h uhr klo kl om og och y e utc gmt z
    """)
_WEEKDAYS_MORE = word_set("mo di mi do fr sa so mon tue tues wed thu thur thurs fri sat sun")


@cache
def months() -> dict[str, int]:
    """Return the number of every month's name, folded: marz, marca, mars and mar are 3."""
    return {words[-1]: number for number, words in _names("months")} | _MORE_MONTHS


@cache
def date_fillers() -> frozenset[str]:
    """Return the words that may stand in a date beside its month: weekdays, of, the, st, nd."""
    weekdays = {word for _, words in _names("days") for word in words}
    return frozenset(weekdays | _WEEKDAYS_MORE | _FILLERS)


def _names(what: str) -> Iterator[tuple[int, list[str]]]:
    """Give every name with its number, in words, as in a date and as alone."""
    from babel import Locale  # half a second, and only for dates in words

    for language in sorted(LANGUAGES):
        forms = getattr(Locale.parse(language), what)
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in forms[context][width].items():
                    yield number, words_of(fold(name).replace("'", " "))
