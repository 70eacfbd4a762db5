"""Key functions: what a key may call besides DuckDB's own functions.

`KEY_FUNCTIONS` is all there is to know of them: a function that is added there can be called, is
written out in SQL or run in Python, and stands in the reference and in error messages.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cologne_phonetics
import jellyfish
from metaphone import doublemetaphone

from er_pipeline.blocking.values.company_names import significant_words
from er_pipeline.blocking.values.folded_text import fold
from er_pipeline.blocking.values.free_mail import organisation_domain
from er_pipeline.blocking.values.full_names import full_names
from er_pipeline.blocking.values.numbers import number_bands, one_digit, two_digits
from er_pipeline.blocking.values.person_names import PARTICLES

_MIN_WORD_LENGTH = 4  # letters; a shorter word is seldom what a company is known by


@dataclass(frozen=True)
class Example:
    """A call and what it gives: one key, or several."""

    arguments: tuple[str | int, ...]
    result: str | tuple[str, ...]


@dataclass(frozen=True)
class KeyFunction:
    """A function that keys may call; it is given in SQL or in Python.

    arguments: what each one is, as the reference names them.
    about: one sentence on what it gives.
    sql: an expression in DuckDB's SQL, where {0} is the first argument, {1} the second one, and
    {free_mail} stands for the user's free-mail domains, as SQL texts between commas. It may call
    functions of Python.
    call: from one clean text to a key, or to None for no key. It runs over the distinct values of
    its argument. Like a cleaner it takes any text; an empty one has no key.
    width: number of characters that every result has, where they are always as many.
    gives_several: whether the text that call gives holds several keys, with blanks between.

    Raises ValueError unless exactly one of sql and call is given, call with one argument.
    """

    name: str
    arguments: tuple[str, ...]
    about: str
    example: Example
    sql: str | None = None
    call: Callable[[str], str | None] | None = None
    width: int | None = None
    gives_several: bool = False

    def __post_init__(self) -> None:
        """Refuse a function that cannot be written out or run."""
        if (self.sql is None) == (self.call is None):
            raise ValueError(f"{self.name}() needs either sql or call")
        if self.call and len(self.arguments) != 1:
            raise ValueError(f"{self.name}() is of Python, so it takes one argument")

    @property
    def signature(self) -> str:
        """The call as people write it: qgrams(text, q)."""
        return f"{self.name}({', '.join(self.arguments)})"


def _letters(text: str) -> str:
    if text.isascii() and text.isalpha():
        return text
    return "".join(filter(str.isalpha, fold(text)))


def soundex(text: str) -> str | None:
    """American Soundex of the letters of text, all words together: "o brien" -> O165.

    Equal codes in a row count once, also across h and w; vowels separate them.
    """
    return jellyfish.soundex(_letters(text)) or None


def metaphone(text: str) -> str | None:
    """Metaphone (Philips 1990) of the letters of text: how English would say it."""
    return jellyfish.metaphone(_letters(text)) or None


def nysiis(text: str) -> str | None:
    """NYSIIS code of the letters of text: keeps more of the vowels than Soundex."""
    return jellyfish.nysiis(_letters(text)) or None


def double_metaphone(text: str) -> str | None:
    """Double Metaphone (Philips 2000) of the letters of text: both codes, where they differ.

    The second one says how another language would say it: "garcia" -> KRS KRX.
    """
    return " ".join(dict.fromkeys(filter(None, doublemetaphone(_letters(text))))) or None


def cologne(text: str) -> str | None:
    """Kölner Phonetik (Postel 1969) of each word of text but particles: how German would say it.

    "muller ludenscheid" -> 657 52682. A vowel alone has the code 0, which says nothing.
    """
    words = [word for word in text.split() if word not in PARTICLES] or text.split()
    codes = (code for word in words for _, code in cologne_phonetics.encode(_letters(word)))
    return " ".join(dict.fromkeys(code for code in codes if code not in ("", "0"))) or None


def letter_set(text: str) -> str | None:
    """Return the letters of text, each once and in order: "banks" and "bansk" -> abkns.

    The same for letters that are doubled, left single or in another order.
    """
    return "".join(sorted(set(_letters(text.lower())))) or None


def nickname(text: str) -> str | None:
    """Return the full name that the first word of text stands for: bill, will, william -> william.

    A name that `full_names` does not know stands for itself.
    """
    words = text.split(maxsplit=1)
    return full_names().get(words[0], words[0]) if words else None


def company_word(text: str) -> str | None:
    """Return the word a company is known by: "the acme company" -> acme, "ibm corp" -> ibm.

    The first significant word longer than three letters, else the first one; none: no key.
    """
    words = significant_words(text)
    return next((word for word in words if len(word) >= _MIN_WORD_LENGTH), next(iter(words), None))


KEY_FUNCTIONS: dict[str, KeyFunction] = {
    function.name: function
    for function in (
        KeyFunction(
            "soundex",
            ("text",),
            "American Soundex of the letters: how a name sounds, roughly.",
            Example(("robert",), "R163"),
            call=soundex,
            width=4,
        ),
        KeyFunction(
            "metaphone",
            ("text",),
            "Metaphone of the letters: how English would say it.",
            Example(("catherine",), "K0RN"),
            call=metaphone,
        ),
        KeyFunction(
            "nysiis",
            ("text",),
            "NYSIIS code of the letters, which keeps more of the vowels than Soundex.",
            Example(("knight",), "NAGT"),
            call=nysiis,
        ),
        KeyFunction(
            "double_metaphone",
            ("text",),
            "Double Metaphone of the letters: one or two keys, how one or two languages say it.",
            Example(("smith",), ("SM0", "XMT")),
            call=double_metaphone,
            gives_several=True,
        ),
        KeyFunction(
            "cologne",
            ("text",),
            "Kölner Phonetik of each word but particles: how German says it; a key per word.",
            Example(("muller ludenscheid",), ("52682", "657")),
            call=cologne,
            gives_several=True,
        ),
        KeyFunction(
            "letter_set",
            ("text",),
            "The letters, each once and in order: the same if some are swapped or doubled.",
            Example(("banks",), "abkns"),
            call=letter_set,
        ),
        KeyFunction(
            "nickname",
            ("first_name",),
            "The full name that the first word stands for.",
            Example(("bill",), "william"),
            call=nickname,
        ),
        KeyFunction(
            "company_word",
            ("company",),
            "The word a company is known by, without articles and legal forms.",
            Example(("the acme company",), "acme"),
            call=company_word,
        ),
        KeyFunction(
            "email_domain",
            ("email",),
            "The organisation of an e-mail address; free and disposable mail gives no key.",
            Example(("john@mail.acme.co.uk",), "acme.co.uk"),
            sql="case when split_part({0}, '@', 2) in ({free_mail})"
            " or organisation_domain(split_part({0}, '@', 2)) in ({free_mail}) then null"
            " else organisation_domain(split_part({0}, '@', 2)) end",
        ),
        KeyFunction(
            "organisation_domain",
            ("domain",),
            "The registered domain by the public suffix list; none for free and disposable mail.",
            Example(("shop.acme.co.uk",), "acme.co.uk"),
            call=organisation_domain,
        ),
        KeyFunction(
            "email_user",
            ("email",),
            "The user of an e-mail address.",
            Example(("john.smith7@acme.com",), "john.smith7"),
            sql="split_part({0}, '@', 1)",
        ),
        KeyFunction(
            "email_letters",
            ("email",),
            "The letters of its user: the same whichever provider, number or dot.",
            Example(("john.smith7@acme.com",), "johnsmith"),
            sql="regexp_replace(split_part({0}, '@', 1), '[^a-z]', '', 'g')",
        ),
        KeyFunction(
            "first_word",
            ("text",),
            "The first word.",
            Example(("van der berg",), "van"),
            sql="split_part({0}, ' ', 1)",
        ),
        KeyFunction(
            "initials",
            ("text",),
            "The first letter of every word.",
            Example(("john ronald reuel",), "jrr"),
            sql="regexp_replace({0}, '([^ ])[^ ]* ?', '\\1', 'g')",
        ),
        KeyFunction(
            "digits",
            ("text",),
            "The digits, in order.",
            Example(("flat 12 b 3",), "123"),
            sql="regexp_replace({0}, '[^0-9]', '', 'g')",
        ),
        KeyFunction(
            "two_digits",
            ("number",),
            "A number to two significant digits.",
            Example(("1249.5",), "1200"),
            call=two_digits,
        ),
        KeyFunction(
            "one_digit",
            ("number",),
            "A number to one significant digit.",
            Example(("1249.5",), "1000"),
            call=one_digit,
        ),
        KeyFunction(
            "number_bands",
            ("number",),
            "Two bands of a number: numbers that differ by less than a tenth share one.",
            Example(("100",), ("b48", "b49")),
            call=number_bands,
            gives_several=True,
        ),
        KeyFunction(
            "year",
            ("date",),
            "The year of a date.",
            Example(("1984-02-29",), "1984"),
            sql="substr({0}, 1, 4)",
        ),
        KeyFunction(
            "either_order",
            ("one", "other"),
            "Two values, whichever stands first: john, smith and smith, john are one key.",
            Example(("smith", "john"), "john smith"),
            sql="case when {0} < {1} then {0} || ' ' || {1} else {1} || ' ' || {0} end",
        ),
        KeyFunction(
            "tokens",
            ("text",),
            "Every word: several keys per record.",
            Example(("red fox",), ("fox", "red")),
            sql="string_split({0}, ' ')",
        ),
        KeyFunction(
            "qgrams",
            ("text", "q"),
            "Every run of q characters: several keys per record.",
            Example(("smith", 3), ("ith", "mit", "smi")),
            sql="list_transform(generate_series(1, greatest(length({0}) - {1} + 1, 1)),"
            " lambda _i: substr({0}, _i, {1}))",  # no field begins with _
        ),
    )
}
