from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nicknames import name_triplets

from er_pipeline.blocking.values.cleaning import CleaningOptions, cleaner
from er_pipeline.blocking.values.key_functions import (
    FREE_MAIL_DOMAINS,
    PYTHON_KEY_FUNCTIONS,
    company_word,
    letter_set,
    metaphone,
    nickname,
    nysiis,
    soundex,
)

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


@pytest.mark.parametrize(
    ("full_name", "nicknames"),
    [
        ("william", ["bill", "billy", "will", "willie"]),
        ("robert", ["bob", "bobby", "rob", "robby"]),
        ("elizabeth", ["liz", "beth", "betty", "betsy", "libby", "lizzie"]),
        ("margaret", ["peggy", "peg", "meg", "maggie"]),
        ("catherine", ["katherine", "kathryn", "kate", "katie", "kathy", "cathy"]),
        ("richard", ["dick", "rick", "rich", "ricky"]),
        ("john", ["jon", "jack", "johnny"]),
        ("james", ["jim", "jimmy", "jamie"]),
        ("stephen", ["steven", "steve"]),
        ("michael", ["mike", "mick"]),
        ("edward", ["ed", "eddie", "ned"]),
        ("theodore", ["ted", "teddy"]),
        ("albert", ["al", "bert"]),
        ("alan", ["allen", "allan"]),
        ("thomas", ["tom", "tommy"]),
        ("charles", ["charlie", "chuck"]),
        ("susan", ["sue", "susie"]),
        ("abigail", ["abby", "abbie"]),
    ],
)
def test_a_full_name_and_its_nicknames_are_one_class(full_name: str, nicknames: list[str]) -> None:
    assert {nickname(name) for name in [full_name, *nicknames]} == {full_name}


def test_shared_nicknames_do_not_merge_full_names() -> None:
    full_names = ["albert", "alan", "alexander", "alfred", "robert", "william", "lisa", "erin"]
    assert [nickname(name) for name in full_names] == full_names


def test_no_class_of_nicknames_is_larger_than_its_docstring_says() -> None:
    names = {name for full, _, short in name_triplets() for name in (full, short)}
    sizes = Counter(nickname(name) for name in names)
    assert max(sizes.values()) <= 21
    assert len(sizes) > 900
    assert all(nickname(full) == full for full in sizes if full)


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


@pytest.mark.parametrize("name", PYTHON_KEY_FUNCTIONS)
@settings(max_examples=60, deadline=None)
@given(text=st.text())
def test_a_key_is_never_blank_and_blank_text_has_none(name: str, text: str) -> None:
    function = PYTHON_KEY_FUNCTIONS[name]
    result = function.call(text)
    assert result is None or result.strip()
    assert not function.call("")
    assert function.name == name


def test_free_mail_domains_are_domains_of_mailboxes_for_anybody() -> None:
    assert {"gmail.com", "yahoo.co.uk", "hotmail.fr", "gmx.de", "163.com"} <= FREE_MAIL_DOMAINS
    assert "acme.com" not in FREE_MAIL_DOMAINS
    assert len(FREE_MAIL_DOMAINS) > 100
    clean_email = cleaner("email", CleaningOptions())
    for domain in FREE_MAIL_DOMAINS - {"googlemail.com"}:
        assert clean_email(f"john.smith@{domain}"), domain
