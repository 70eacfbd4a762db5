import pytest

from er_pipeline.blocking.values.cleaning import KINDS, CleaningOptions, cleaner
from er_pipeline.blocking.values.null_marks import is_null_mark, is_signed_mark, unquoted

SIGNED = (
    *("\\N", "\\n", "\\\\N", "<NA>", "<null>", "< none >", "(null)", "[NULL]", "{nil}", "<NaT>"),
    *("#N/A", "#NA", "#NULL!", "#VALUE!", "#DIV/0!", "#REF!", "#NAME?", "#NUM!", "#NV", "#WERT!"),
    *("#N/A N/A", "$null$", "--null--", "__NULL__", "-nan", "-NaN", "1.#QNAN", "-1.#IND"),
    *('"\\N"', "'<NA>'", ' "(null)" ', "(missing)", "<blank>", "[empty]"),
    *("(leer)", "(Leer)", "(vide)"),  # pivot tables
)
WORDS = ("NULL", "null", "NaN", "nan", "NaT", "NA", "None", "nil", "n/a", "N.A.", '"NULL"', "'nan'")


@pytest.mark.parametrize("mark", SIGNED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_mark_with_signs_is_no_value_of_any_kind(kind: str, mark: str) -> None:
    assert is_signed_mark(mark)
    assert is_null_mark(mark)
    for spelled in (mark, mark.lower(), mark.upper()):
        assert cleaner(kind, CleaningOptions())(spelled) is None


@pytest.mark.parametrize("mark", WORDS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "name" not in kind])
def test_a_word_that_is_a_mark_is_no_value_where_it_is_no_name(kind: str, mark: str) -> None:
    assert is_null_mark(mark)
    assert not is_signed_mark(mark)
    assert cleaner(kind, CleaningOptions())(mark) is None


@pytest.mark.parametrize(
    "text", ["None of them", "Null Island", "nana", "Nandi", "7", "#7", "(415) 555-2671", "\\Nora"]
)
def test_a_longer_text_is_no_mark(text: str) -> None:
    assert not is_null_mark(text)
    assert cleaner("text", CleaningOptions())(text) is not None


def test_signs_alone_are_marks_but_no_signed_words() -> None:
    assert is_null_mark("--")
    assert is_null_mark("???")
    assert not is_signed_mark("--")


def test_quotes_and_blanks_say_nothing() -> None:
    assert unquoted(" '\"NULL\"' ") == "NULL"
