"""How one value of each kind becomes clean: plain functions from text to text, or to no value.

`cleaner(kind, options)` gives the function of a kind. It runs over the distinct values of a
column, so a million values cost a few seconds (phones outside North America: half a minute).
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import phonenumbers

from er_pipeline.blocking.values.checked_numbers import checked_number
from er_pipeline.blocking.values.company_names import clean_company
from er_pipeline.blocking.values.dates import date_cleaner
from er_pipeline.blocking.values.email_addresses import MailboxOptions, mailboxes
from er_pipeline.blocking.values.float_texts import without_float
from er_pipeline.blocking.values.folded_text import fold, joined_letters, plain, word_set, words_of
from er_pipeline.blocking.values.null_marks import (
    MARK_WORDS,
    NAMES_TOO,
    QUOTES,
    is_signed_mark,
    unquoted,
)
from er_pipeline.blocking.values.numbers import clean_number
from er_pipeline.blocking.values.person_names import clean_name, parse_full_name
from er_pipeline.blocking.values.phone_numbers import phone_cleaner, phone_numbers

Cleaner = Callable[[str], str | None]

# What people write for "no value"; what programs write are the `null_marks`. Every cleaner compares
# in the clean form of its kind, so that "No E-Mail" and "no email" need one entry. Repeated
# punctuation ("--", "???") is blank by itself. "x" alone is left out (Malcolm X), "john doe" too:
# both are names of people.
PLACEHOLDERS = frozenset(
    text
    for line in (
        "void|empty|blank|missing|unknown|unk|unknwn",
        "not available|not applicable|not provided|not given|not known|not specified|not entered",
        "no name|noname|no first name|no last name|no email|no mail|no phone|no address|no company",
        "no data|no value|no answer|name unknown|address unknown|unknown unknown|undisclosed",
        "to be determined|to be confirmed|tbd|tba|tbc|test|testing|test test|test user|dummy|asdf",
        "qwerty|withheld|xx|xxx|xxxx|xxxxx|xxxxxx|anonymous|anon|fnu|lnu",
        "unbekannt|nicht bekannt|keine angabe|keine angaben|k.a.|entfällt|nicht vorhanden",
        "inconnu|non renseigné|non communiqué|desconocido|desconocida|sin datos|no consta",
        "sconosciuto|non disponibile|non specificato|onbekend|niet opgegeven|desconhecido",
    )
    for text in line.split("|")
)

_PLACEHOLDERS_OF = {
    # what databases and spreadsheets write for "no date": year one, the least date of SQL Server,
    # day zero of Excel and Delphi, the first day of the century before, the epoch, the last day
    "date": word_set(
        "0001-01-01 1753-01-01 1899-12-30 1899-12-31 1900-01-01 1970-01-01 9999-01-01 9999-12-31"
    ),
    "company": {"self", "self employed", "unemployed", "not employed", "retired"},
    "identifier": word_set("0123456789 123456789 1234567890 987654321 9876543210"),
    "phone": word_set("+11234567890 +12345678901 +15551234567 +19876543210"),
}

_SHORT_ADDRESS_WORDS = {
    long: short
    for line in """
        st: street str strasse saint; ave: avenue av aven avn; rd: road; dr: drive drv; ln: lane
        blvd: boulevard boul; ct: court; pl: place; sq: square; ter: terrace terr; hwy: highway
        pkwy: parkway pky; cir: circle circ; trl: trail; aly: alley; cres: crescent
        apt: apartment; ste: suite; fl: floor flr; bldg: building; rm: room; expy: expressway
        n: north; s: south; e: east; w: west; ne: northeast; nw: northwest; se: southeast
        sw: southwest; mt: mount mountain; ft: fort; hts: heights; jct: junction; ctr: center centre
    """.replace("\n", ";").split(";")
    if line.strip()
    for short, longs in [line.strip().split(":")]
    for long in longs.split()
}

# German and Dutch write them in one word with the name: Hauptstraße, Hauptstr.
_ENDINGS = re.compile(r"(?<=[a-z])(?:(str)(?:asse|aat)|(pl)atz)\b")
_SPELLED_PO_BOX = re.compile(r"\bp o box\b")

_NOT_IN_IDENTIFIERS = str.maketrans("", "", " -./" + QUOTES)


@dataclass(frozen=True)
class CleaningOptions:
    """What a dataset may decide about cleaning.

    phone_region: ISO country in which a number without "+" is dialled.
    gmail_dots: remove the dots of a gmail.com user, which Gmail ignores.
    plus_tags: remove "+tag" from the user of any mailbox.
    day_first: read 03/04/2020 as 3 April, otherwise as 4 March.
    placeholders: further texts that mean "no value", for every kind, in any spelling.

    What a column shows (see the readings of columns in the records), in the spelling that it has:
    dots_day_first: read 03.04.2020 as 3 April, otherwise as 4 March.
    decimal_comma: read 1,234 as a number with three decimals, otherwise as a thousand and more.
    marks: values that mean "no value" though they are names elsewhere: NULL, nan.
    kept: values that are none elsewhere: NA, of Namibia.
    number: which number an identifier is, as python-stdnum calls it; others become no value.
    """

    phone_region: str = "US"
    gmail_dots: bool = True
    plus_tags: bool = True
    day_first: bool = False
    placeholders: frozenset[str] = frozenset()
    dots_day_first: bool = True
    decimal_comma: bool = False
    marks: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    number: str | None = None


def cleaner(kind: str, options: CleaningOptions) -> Cleaner:
    """Return the function that cleans values of this kind.

    The function takes any text and returns the clean text, or None for "no value": blank, a
    placeholder, or not to be read as this kind. It never raises, and cleaning twice changes
    nothing more.

    Raises ValueError if there is no such kind, or no such phone region.
    """
    if kind not in _SHAPES:
        raise ValueError(f"no kind {kind!r}; the kinds are {', '.join(KINDS)}")
    if options.phone_region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(
            f"no phone region {options.phone_region!r}; write an ISO country code such as US or DE"
        )
    shape = _SHAPES[kind](options)
    built_in = MARK_WORDS | PLACEHOLDERS
    if kind == "person_name":
        # Losing a real name costs the person all its keys, while a crowd wrongly called "null" only
        # makes one block too large to compare. Test and Unk are rarer as names.
        built_in -= NAMES_TOO
    texts = {*built_in, *options.placeholders, *_PLACEHOLDERS_OF.get(kind, ())}
    no_values = frozenset(map(shape, texts)) | {None, ""}

    def clean(text: str) -> str | None:
        if is_signed_mark(text):
            return None
        shaped = shape(text)
        return None if shaped in no_values else shaped

    def clean_by_column(text: str) -> str | None:
        bare = unquoted(text)
        if bare in options.marks:
            return None
        return shape(text) if bare in options.kept else clean(text)

    return clean_by_column if options.marks or options.kept else clean


@dataclass(frozen=True)
class PortableCleaner:
    """The cleaner of a kind, or of full names, as a value that another process can be given.

    kind: None is for full names, taken apart.
    """

    kind: str | None
    options: CleaningOptions

    @cached_property
    def clean(self) -> Cleaner:
        """Make the function."""
        if self.kind is None:
            return full_name_cleaner(self.options)
        return cleaner(self.kind, self.options)

    def __call__(self, text: str) -> str | None:
        """Clean a text."""
        return self.clean(text)

    def __reduce__(self) -> tuple[type["PortableCleaner"], tuple[str | None, CleaningOptions]]:
        """Hand over what the function is made from, not the function."""
        return PortableCleaner, (self.kind, self.options)


def full_name_cleaner(options: CleaningOptions) -> Cleaner:
    """Return the function that takes full names apart, into "last<TAB>first", each clean or empty.

    It gives None where the whole is no value, or neither part is one.
    """
    clean = cleaner("person_name", options)

    def parts(text: str) -> str | None:
        if clean(text) is None:
            return None
        name = parse_full_name(text)
        last, first = (clean(part) or "" for part in (name.last, name.first))
        return f"{last}\t{first}" if last or first else None

    return parts


def _email(options: CleaningOptions) -> Cleaner:
    same = MailboxOptions(options.gmail_dots, options.plus_tags)
    return lambda text: next(mailboxes(text, same), None)


def _emails(options: CleaningOptions) -> Cleaner:
    same = MailboxOptions(options.gmail_dots, options.plus_tags)
    return lambda text: " ".join(sorted(set(mailboxes(text, same))))


def _phones(options: CleaningOptions) -> Cleaner:
    return lambda text: " ".join(sorted(phone_numbers(text, options.phone_region)))


def several_values(kind: str, options: CleaningOptions) -> Callable[[str], bool]:
    """Return the function that says whether a cell of this kind holds several values."""
    several = {"email": _emails, "phone": _phones}[kind](options)
    return lambda text: " " in (several(text) or "")


def _address(options: CleaningOptions) -> Cleaner:
    def shape(text: str) -> str:
        words = words_of(joined_letters(fold(without_float(plain(text)) or "")))
        short = " ".join([_SHORT_ADDRESS_WORDS.get(word, word) for word in words])
        short = _ENDINGS.sub(r"\1\2", short)
        return _SPELLED_PO_BOX.sub("po box", short) if "p o box" in short else short

    return shape


def _text(options: CleaningOptions) -> Cleaner:
    return lambda text: " ".join(words_of(without_float(text.strip()) or ""))


def _number(options: CleaningOptions) -> Cleaner:
    return lambda text: clean_number(text, decimal_comma=options.decimal_comma)


def _identifier(options: CleaningOptions) -> Cleaner:
    read = checked_number(options.number) if options.number else None

    def shape(text: str) -> str | None:
        if read and (text := read(text) or "") == "":
            return None
        text = plain(text if text.isascii() else unicodedata.normalize("NFKC", text))
        text = (without_float(text) or "").lower().translate(_NOT_IN_IDENTIFIERS)
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text)  # what was parted may now compose
        return None if not any(map(str.isalnum, text)) or _is_filler(text) else text

    return shape


def _is_filler(identifier: str) -> bool:
    """00 and 99999 are fillers; 7 and 22 may be somebody's number."""
    digit = identifier[0]
    is_one_digit = digit.isdigit() and identifier.strip(digit) == ""
    return is_one_digit and (digit == "0" or len(identifier) > 4)


_SHAPES: dict[str, Callable[[CleaningOptions], Cleaner]] = {
    "person_name": lambda options: clean_name,
    "email": _email,
    "phone": lambda options: phone_cleaner(options.phone_region),
    "emails": _emails,
    "phones": _phones,
    "company": lambda options: clean_company,
    "date": lambda options: date_cleaner(options.day_first, options.dots_day_first),
    "address": _address,
    "text": _text,
    "identifier": _identifier,
    "number": _number,
}
KINDS: tuple[str, ...] = tuple(_SHAPES)
