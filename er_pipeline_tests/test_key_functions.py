import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.values.cleaning import CleaningOptions, cleaner
from er_pipeline.blocking.values.key_functions import (
    KEY_FUNCTIONS,
    Example,
    KeyFunction,
    company_word,
    letter_set,
    metaphone,
    nickname,
    nysiis,
    soundex,
)
from er_pipeline.blocking.values.key_parser import parse_conjunction

clean_name = cleaner("person_name", CleaningOptions())


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Ashcraft", "A261"),
        ("Ashcroft", "A261"),
        ("Tymczak", "T522"),
        ("Pfister", "P236"),
        ("Honeyman", "H555"),
        ("Robert", "R163"),
        ("Rupert", "R163"),
        ("Jackson", "J250"),
        ("Lee", "L000"),
        ("Thompson", "T512"),
        ("Thomas", "T520"),
        ("O'Brien", "O165"),
        ("peña", "P500"),
        ("Łukasz", "L220"),
        ("Schmidt", "S530"),
        ("Smith", "S530"),
        ("Smyth", "S530"),
        ("Smithe", "S530"),
        ("Bill", "B400"),
        ("Will", "W400"),
        ("van der berg", "V536"),
        ("", None),
        ("123", None),
    ],
)
def test_soundex_is_american_soundex(name: str, code: str | None) -> None:
    assert soundex(name) == code
    assert soundex(clean_name(name) or "") == code


def soundex_by_the_book(name: str) -> str:
    """The rules of the US National Archives, one after the other."""
    rows = ("bfpv", "cgjkqsxz", "dt", "l", "mn", "r")
    codes = {c: str(i) for i, row in enumerate(rows, 1) for c in row}
    kept, last = name[0].upper(), codes.get(name[0], "")
    for letter in name[1:]:
        code = codes.get(letter, "")
        if code and code != last:
            kept += code
        if letter not in "hw":
            last = code
    return kept[:4].ljust(4, "0")


@settings(max_examples=200, deadline=None)
@given(name=st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12))
def test_soundex_follows_the_rules_on_any_letters(name: str) -> None:
    assert soundex(name) == soundex_by_the_book(name)


@pytest.mark.parametrize(
    ("one", "other"), [("banks", "bansk"), ("anna", "ana"), ("O'Neil", "oneil"), ("lisa", "isla")]
)
def test_letters_in_another_order_or_doubled_are_one_set(one: str, other: str) -> None:
    assert letter_set(one) == letter_set(other) == "".join(sorted(set(letter_set(one) or "")))
    assert letter_set(one) != letter_set(f"{one}x")


def test_a_text_without_letters_has_no_letter_set() -> None:
    assert letter_set("") is letter_set("12 -") is None


def test_metaphone_and_nysiis_join_names_that_sound_alike() -> None:
    assert metaphone("catherine") == metaphone("katherine") is not None
    assert nysiis("knight") == nysiis("night") is not None
    assert metaphone("12") is nysiis("12") is None


def test_nickname_reads_the_first_word_and_keeps_unknown_names() -> None:
    assert nickname("bill j smith") == "william"
    assert nickname("xiaoming") == "xiaoming"
    assert nickname("") is nickname(" ") is None


@pytest.mark.parametrize(
    ("company", "word"),
    [
        ("The Acme Company", "acme"),
        ("Acme Corp", "acme"),
        ("IBM", "ibm"),
        ("3M", "3m"),
        ("J.P. Morgan", "morgan"),
        ("The Company", None),
        ("", None),
    ],
)
def test_company_word_is_the_first_significant_word(company: str, word: str | None) -> None:
    clean = cleaner("company", CleaningOptions())(company) or ""
    assert company_word(company) == company_word(clean) == word


OF_PYTHON = [name for name, function in KEY_FUNCTIONS.items() if function.call]


@pytest.mark.parametrize("name", OF_PYTHON)
@settings(max_examples=60, deadline=None)
@given(text=st.text())
def test_a_key_is_never_blank_and_blank_text_has_none(name: str, text: str) -> None:
    call = KEY_FUNCTIONS[name].call
    assert call
    result = call(text)
    assert result is None or result.strip()
    assert not call("")


@pytest.mark.parametrize("name", KEY_FUNCTIONS)
def test_every_function_gives_what_its_example_says(engine: Engine, name: str) -> None:
    function = KEY_FUNCTIONS[name]
    assert function.name == name
    arguments = function.example.arguments
    fields = {f"field_{i}": text for i, text in enumerate(arguments) if isinstance(text, str)}
    called = ", ".join(
        f"field_{i}" if isinstance(argument, str) else str(argument)
        for i, argument in enumerate(arguments)
    )
    declared = ", ".join(f"{literal(text)} as {field}" for field, text in fields.items())
    engine.make_table(
        "cleaned_records",
        f"select 0 as record_no, 'a' as record_id, 'people' as source, 0 as source_no, {declared}",
    )
    conjunction = parse_conjunction("trial", f"{name}({called})", list(fields))
    found = engine.rows(conjunction.keyed_records(engine, "cleaned_records"))
    result = function.example.result
    assert sorted(row[4] for row in found) == ([result] if isinstance(result, str) else [*result])
    assert conjunction.is_list == isinstance(result, tuple)


@pytest.mark.parametrize("function", KEY_FUNCTIONS.values(), ids=lambda function: function.name)
def test_every_function_is_described_in_one_sentence(function: KeyFunction) -> None:
    assert re.fullmatch(r"[A-Z][^.]*\.", function.about)
    assert len(function.example.arguments) == len(function.arguments)
    assert function.signature.startswith(f"{function.name}({function.arguments[0]}")


@pytest.mark.parametrize(
    "name", [name for name, function in KEY_FUNCTIONS.items() if function.width]
)
@settings(max_examples=60, deadline=None)
@given(text=st.text(st.sampled_from("abchlmnz 1é"), max_size=12))
def test_every_result_of_a_function_of_known_width_has_it(name: str, text: str) -> None:
    function = KEY_FUNCTIONS[name]
    assert function.call
    result = function.call(text)
    assert result is None or len(result) == function.width


def test_a_function_is_of_sql_or_of_python() -> None:
    example = Example(("a",), "a")
    for sql, call in ((None, None), ("lower({0})", str.lower)):
        with pytest.raises(ValueError, match=r"lower\(\) needs either sql or call"):
            KeyFunction("lower", ("text",), "In lower case.", example, sql=sql, call=call)
    with pytest.raises(ValueError, match=r"join\(\) is of Python, so it takes one argument"):
        KeyFunction("join", ("one", "other"), "Both.", example, call=str.lower)
