"""Text in one form: lower-case ASCII, without what cannot be seen or read aloud."""

import re

from anyascii import anyascii

_APOSTROPHES = "'`"
_CONTROLS = {code: None for code in (*range(9), *range(14, 28), 127)}
BLANK_PUNCTUATION: dict[int, str | None] = {
    **{code: " " for code in range(128) if not chr(code).isalnum()},
    **dict.fromkeys(map(ord, _APOSTROPHES), None),
    **_CONTROLS,
}
# letters and digits with a dot or slash between: "s.p.a.", "p.o. box", "a/s"
_DOTTED = re.compile(r"(?<![a-z0-9.])[a-z0-9](?:[./][a-z0-9])+(?![a-z0-9])")


def fold(text: str) -> str:
    """Turn text into lower-case ASCII: Łukasz -> lukasz, peña -> pena, 王 -> wang.

    Other scripts are transliterated, not lost. Source: the tables of anyascii.
    """
    return text.lower() if text.isascii() else anyascii(text).lower()


def joined_letters(folded: str) -> str:
    """Take the dots and slashes out of abbreviations: s.p.a. -> spa, a/s -> as."""
    if "." not in folded and "/" not in folded:
        return folded
    return _DOTTED.sub(lambda dotted: re.sub("[./]", "", dotted[0]), folded)


def words_of(text: str) -> list[str]:
    """Return the words of a text, folded; every mark but an apostrophe parts two words."""
    if not text.isascii():
        text = plain(text)
    return fold(text).translate(BLANK_PUNCTUATION).split()


def plain(text: str) -> str:
    """Remove control and other invisible characters; collapse white space."""
    if not text.isprintable():
        text = "".join(c for c in text if c.isprintable() or c.isspace())
    return " ".join(text.split())


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text as they stand in it."""
    return frozenset(text.split())
