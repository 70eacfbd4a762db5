"""Marks of no value: what databases, spreadsheets and libraries write where there is nothing.

This is the one place that knows them. A mark is a whole value, whatever its case, bare or in
quotes: "None of them" is a text. What people write for the same ("unknown", "keine Angabe") are the
placeholders of `cleaning`.
"""

import re

from er_pipeline.blocking.values.folded_text import plain, word_set

# Words that are marks on their own. Some are names of people, too, see `NAMES_TOO`.
MARK_WORDS = word_set("null nil nan nat na n/a n.a. n.a none nonetype undefined dbnull nullptr")
# People are called Na, Nan, Nat, Nil, Null and Blank: as a name such a word is a mark only where
# the column shows it (`name_marks` of the records).
NAMES_TOO = word_set("na nan nat nil null blank")
# Namibia, in a column of ISO country codes.
COUNTRY_TOO = "na"

_WORDS = "|".join(
    sorted(
        (
            re.escape(word)
            for word in MARK_WORDS | word_set("empty blank missing leer vide vacío vuoto leeg")
        ),
        reverse=True,
    )
)
# Faults of spreadsheets, in English, German, French and Spanish.
_FAULTS = (
    "n/?a ?n/?a|nv|nul|n/d|name[?]|nom[?]"
    "|(?:null|value|ref|div/0|num|wert|bezug|zahl|valeur|valor|nombre)!"
)
# With signs around it a word is no name any more, and may be one that says nothing alone.
_SIGNED_MARK = re.compile(
    rf"\\+(?:n|{_WORDS})"  # \N of MySQL, Hive and Postgres
    rf"|[<(\[{{]+ ?(?:{_WORDS}) ?[>)\]}}]+"  # <NA> of pandas, (null) of Oracle's tools
    rf"|(?P<sign>[-_*$%~|]+) ?(?:{_WORDS}) ?(?P=sign)"  # $null$ of SPSS
    rf"|#+ ?(?:{_WORDS}|{_FAULTS})[!?]?"  # #N/A, #NULL!
    r"|[-+](?:nan|inf|infinity)|[-+]?\d\.\#(?:qnan|snan|ind|inf)"  # what printf makes of NaN
)
QUOTES = "\"'`´‘’“”„«»"
_LONGEST_MARK = 24  # characters, its quotes and blanks included


def is_null_mark(text: str) -> bool:
    """Say whether a value is a mark of no value, or signs alone, be it also a name of people."""
    if len(text) > _LONGEST_MARK:
        return False
    bare = unquoted(text).lower()
    return bare in MARK_WORDS or not any(map(str.isalnum, bare)) or is_signed_mark(text)


def is_signed_mark(text: str) -> bool:
    r"""Say whether a value is a mark that cannot be anything else: \N, <NA>, (null), #N/A, -nan."""
    if len(text) > _LONGEST_MARK or (text[:1].isalnum() and "#" not in text):
        return False
    return _SIGNED_MARK.fullmatch(unquoted(text).lower()) is not None


def unquoted(text: str) -> str:
    """Take the quotes and blanks off a value, which say nothing about it."""
    return plain(text).strip(QUOTES + " ")
