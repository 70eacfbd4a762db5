"""Column guesses: what each column of a table holds, by its name and values, with the evidence."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import phonenumbers

from er_pipeline.blocking.spec.concepts import (
    NO_IDS,
    PRODUCT_TEXTS,
    Concept,
    concept_of,
    concepts_of,
    kind_by_name,
    may_be_full_name,
)
from er_pipeline.blocking.spec.concepts import words_of_name as words
from er_pipeline.blocking.spec.kinds import FULL_NAME
from er_pipeline.blocking.values.cleaning import CleaningOptions, cleaner
from er_pipeline.blocking.values.company_names import significant_words
from er_pipeline.blocking.values.folded_text import fold, words_of
from er_pipeline.blocking.values.numbers import clean_number
from er_pipeline.blocking.values.person_names import parse_full_name

# Of the values of a column, so many look like the kind that their look alone decides.
MOST_OF_THEM = 0.8
# Where the name of the column says so, too.
MANY_OF_THEM = 0.4
# Of a column of companies; many are known without their legal form.
LEGAL_FORMS = 0.15
# Above so many characters on average, a text describes something and names nothing.
LONG_TEXT = 60
# What says when or by whom a row was changed, or that a machine made it: no fact of the record.
_BOOKKEEPING = re.compile(
    r"((date |time )?(created|updated|modified|changed|inserted|loaded|imported|deleted)"
    r"( (at|on|date|time|ts|by))?|last (login|update|modified|seen|change)|timestamp"
    r"|(create|update|insert|load|modify) ?(date|time|ts)|(row|record) ?(hash|version|status)"
    r"|etl .*"
    r"|erstellt.*|angelegt.*|geandert.*|date (de )?(creation|modification)|cree le|modifie le"
    r"|fecha (de )?(alta|creacion|modificacion|actualizacion))"
)
_CLUSTER = re.compile(
    r"(true ?)?(cluster|entity|group|match|duplicate)( ?id)?|(true|gold|ground truth) ?(id|label)?"
    r"|ground truth|golden ?record( ?id)?"
)
_ID_NAME = re.compile(
    r"(id|ids|uid|uuid|guid|key|pk|no|nr|number|nummer|index|row ?id|rec(ord)? ?(id|no|nr)?)"
)
_ID_END = re.compile(
    r".*\b(id|uuid|guid|key|no|nr|number|nummer|num|numero|code|ref|kennung|sku|asin)"
)
# Words that significant_words leaves out, and which are no legal form.
_SMALL_WORDS = frozenset({"the", "a", "an", "and"})
_STREET = re.compile(
    r"str(asse|aat|eet|\.)?\b|\b(st|ave(nue|nida)?|r(oa)?d|rue|calle|c/|via|viale|weg|platz|lane|ln"
    r"|dr(ive)?|blvd|boulevard|allee|chemin|plaza|piazza|laan|plein|rua|ulica|ul|pl|ct|court|way)\b"
    r"|(weg|platz|gasse|allee|laan|plein)\b"
)
# Countries by a word that only columns of its language have.
LANGUAGES: Mapping[str, tuple[str, ...]] = {
    r"vorname|nachname|strasse|plz|ort|geburts\w*|telefon\w*|kunden\w*|firma": ("DE", "AT", "CH"),
    r"prenom|nom|ville|adresse|naissance|societe|telephone": ("FR", "BE", "CH"),
    r"apellidos?|nombre|calle|ciudad|correo|telefono|movil|provincia": ("ES", "MX"),
    r"cognome|indirizzo|citta|cap|azienda": ("IT",),
    r"achternaam|voornaam|straat|woonplaats|plaats|bedrijf": ("NL", "BE"),
    r"sobrenome|endereco|cidade|telefone": ("BR", "PT"),
    r"nazwisko|imie|ulica|miasto": ("PL",),
    r"postcode|suburb": ("GB", "AU"),
    r"zip|zip code|ssn|soc sec id": ("US",),
}
# A country that is tried later must fit so much better: German numbers may look like nearly any.
_BETTER_FIT = 0.1
# Countries tried for phone numbers, the larger first; the languages of the columns come before.
REGIONS = tuple(
    code
    for line in ("US GB DE FR ES IT NL BE AT CH PL PT", "SE DK NO FI IE CA AU NZ BR MX IN JP")
    for code in line.split()
)


@dataclass(frozen=True)
class ColumnValues:
    """What a column holds.

    sample: distinct values, drawn evenly. filled: rows with a value. distinct: values in all.
    """

    name: str
    n_rows: int
    filled: int
    distinct: int
    mean_length: float
    sample: Sequence[str]

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.filled == self.distinct == self.n_rows > 0


@dataclass(frozen=True)
class ColumnGuess:
    """What a column is. kind: of its field, "" where it is no field. evidence: why, as a comment.

    concept: what its name means, if it says so. role: field, id, cluster or none.
    """

    column: str
    role: str
    kind: str
    evidence: str
    concept: Concept | None = None


def share_that(values: Sequence[str], looks: Callable[[str], object]) -> float:
    """Return the share of values for which `looks` gives something."""
    return sum(1 for value in values if looks(value)) / len(values) if values else 0.0


def guess_columns(columns: Sequence[ColumnValues]) -> list[ColumnGuess]:
    """Guess what every column of a table is; exactly one is the id, unless no column can be."""
    concepts = concepts_of([column.name for column in columns])
    id_column = guess_id(columns)
    if len(columns) == 1 and not _ID_NAME.fullmatch(words(columns[0].name)):
        id_column = None  # it is all that there is to compare
    guesses = []
    for column in columns:
        if id_column is not None and column.name == id_column.name:
            evidence = f"{column.distinct:,} values, every row has one of its own"
            guesses.append(ColumnGuess(column.name, "id", "", evidence))
        else:
            guesses.append(_guess(column, concepts[column.name]))
    return guesses


def guess_id(columns: Sequence[ColumnValues]) -> ColumnValues | None:
    """Return the column that identifies the rows; None if no column has a value for each row."""
    unique = [column for column in columns if column.is_unique and column.mean_length <= 60]
    for pattern in (_ID_NAME, _ID_END):
        for column in unique:
            if pattern.fullmatch(words(column.name)):
                return column
    plain = [
        c
        for c in unique
        if share_that(c.sample, lambda v: " " not in v and "@" not in v) == 1
        and not ((concept := concept_of(c.name)) and concept.field in NO_IDS)
    ]
    return plain[0] if plain else None


def _guess(column: ColumnValues, concept: Concept | None) -> ColumnGuess:
    name = words(column.name)
    if column.filled == 0:
        return ColumnGuess(column.name, "none", "", "empty")
    if column.distinct == 1:
        return ColumnGuess(column.name, "none", "", "the same in every row")
    if _CLUSTER.fullmatch(name) and column.distinct < column.filled:
        evidence = f"{column.filled - column.distinct:,} rows share a value of an earlier one"
        return ColumnGuess(column.name, "cluster", "", evidence)
    if _BOOKKEEPING.fullmatch(name):
        return ColumnGuess(column.name, "none", "", "says when or by whom the row was changed")
    kind, evidence = _kind(column, concept)
    return ColumnGuess(column.name, "field", kind, evidence, concept)


def _kind(column: ColumnValues, concept: Concept | None) -> tuple[str, str]:
    """Return a column's kind and the evidence for it."""
    if concept and concept.kind == "number":
        share = share_that(column.sample, clean_number)
        if share >= MANY_OF_THEM:
            n = len(column.sample)
            return "number", f"{share:.0%} of {n:,} values are numbers, and the column is called so"
        return "text", "called a number, but its values do not look like numbers"
    if concept and concept.field in PRODUCT_TEXTS:
        return "text", f"{column.distinct:,} different values, and the column is called so"
    by_name = concept.kind if concept else kind_by_name(column.name)
    n = len(column.sample)
    shares = {kind: share_that(column.sample, looks) for kind, looks in _LOOKS.items()}

    def seen(kind: str, what: str) -> str:
        return f"{shares[kind]:.0%} of {n:,} values look like {what}"

    if by_name == "date":  # 19800229 is one only where the column says so
        shares["date"] = share_that(column.sample, _DATE_OF)
    for kind, what in (("email", "e-mail addresses"), ("date", "dates")):
        least = MANY_OF_THEM if by_name == kind else MOST_OF_THEM
        if shares[kind] >= least:
            return kind, seen(kind, what)
    if by_name == "phone" and shares["phone"] >= MANY_OF_THEM:
        return "phone", seen("phone", "phone numbers")
    if shares["dialled"] >= MOST_OF_THEM and by_name in ("text", "phone"):
        return "phone", seen("dialled", "phone numbers")
    if shares["amount"] >= MOST_OF_THEM and by_name == "text":
        return "number", seen("amount", "numbers with decimals or a currency")
    if by_name == "company" or (
        shares["company"] >= LEGAL_FORMS
        and by_name in ("text", "full_name", "person_name")
        and column.mean_length <= LONG_TEXT
    ):
        called = ", and the column is called so" if by_name == "company" else ""
        return "company", f"{seen('company', 'names with a legal form')}{called}"
    if may_be_full_name(column.name) and shares["full_name"] >= MOST_OF_THEM * 0.75:
        return FULL_NAME, seen("full_name", "whole names of people")
    if by_name in ("person_name", "full_name"):
        if shares["letters"] >= MANY_OF_THEM and column.mean_length <= LONG_TEXT:
            return "person_name", f"{seen('letters', 'names')}, and the column is called so"
        return "text", "called a name, but its values do not look like names of people"
    if by_name == "address" or shares["address"] >= MANY_OF_THEM:
        called = ", and the column is called so" if by_name == "address" else ""
        return "address", f"{seen('address', 'a street with a number')}{called}"
    if by_name == "identifier" or (shares["code"] >= MOST_OF_THEM and column.mean_length <= 40):
        return "identifier", seen("code", "numbers or codes")
    if column.mean_length > LONG_TEXT:
        return "text", f"{column.mean_length:.0f} characters on average"
    return "text", f"{column.distinct:,} different values, of no other kind"


def _is_full_name(value: str) -> bool:
    if any(map(str.isdigit, value)) or len(value) > 60 or len(words_of(value)) > 6:
        return False
    name = parse_full_name(value)
    return bool(name.first and name.last)


def _has_legal_form(value: str) -> bool:
    parts = [word for word in words_of(value) if word not in _SMALL_WORDS]
    return 1 < len(parts) <= 8 and len(significant_words(value)) < len(parts)


def _is_dialled(value: str) -> bool:
    """Whether a text is written as only phone numbers are: + in front, or digits in groups."""
    digits = re.sub(r"\D", "", value)
    is_grouped = re.fullmatch(r"\(?\+?\d[\d ()/.-]{6,22}", value.strip()) is not None
    has_marks = re.search(r"[+( )/-]", value.strip()) is not None
    return 7 <= len(digits) <= 15 and is_grouped and has_marks and not _date(value)


def _is_address(value: str) -> bool:
    folded = fold(value)
    return re.search(r"\d", folded) is not None and _STREET.search(folded) is not None


def _is_code(value: str) -> bool:
    is_price = re.fullmatch(r"\W*\d[\d.,]*[.,]\d{1,2}\W*", value) is not None
    return " " not in value.strip() and any(map(str.isdigit, value)) and not is_price


def _is_amount(value: str) -> bool:
    """Whether a text is one number, written as no code is: with decimals or a currency."""
    is_marked = re.search(r"\d[.,]\d|[$€£¥]|\b(eur|usd|gbp|chf|pln)\b", value.lower()) is not None
    return is_marked and clean_number(value) is not None


_EMAIL = cleaner("email", CleaningOptions())
_DATE_OF = cleaner("date", CleaningOptions())
_PHONE_OF = cleaner("phone", CleaningOptions())


def _date(value: str) -> str | None:
    # A bare number of eight digits may be a date, and is more often an account.
    return _DATE_OF(value) if re.search(r"\D", value.strip()) else None


_LOOKS: Mapping[str, Callable[[str], object]] = {
    "email": _EMAIL,
    "date": _date,
    "phone": lambda value: 6 <= len(re.sub(r"\D", "", value)) <= 15,
    "dialled": _is_dialled,
    "company": _has_legal_form,
    "full_name": _is_full_name,
    "letters": lambda value: not any(letter.isdigit() for letter in value),
    "address": _is_address,
    "code": _is_code,
    "amount": _is_amount,
}


def guess_day_first(values: Sequence[str]) -> tuple[bool | None, str]:
    """Return whether the day comes first in dates such as 03/04/2020, and the evidence.

    None where no date says so, or none has to.
    """
    first = second = 0
    for value in values:
        if match := re.match(r"\s*(\d{1,2})[-/ ](\d{1,2})[-/ ]\d{4}", value):
            first += int(match[1]) > 12 >= int(match[2])
            second += int(match[2]) > 12 >= int(match[1])
    if first and not second:
        return True, f"{first:,} dates have a number above 12 in front, such as 25/12/2020"
    if second and not first:
        return False, f"{second:,} dates have a number above 12 second, such as 12/25/2020"
    if first and second:
        is_first = first > second
        return is_first, f"the day is first in {first:,} dates and second in {second:,}: look there"
    return None, ""


def countries_of(columns: Sequence[str]) -> list[str]:
    """List the countries that the language of the columns' names speaks for, best first."""
    names = " ".join(map(words, columns))
    return [
        country
        for pattern, countries in LANGUAGES.items()
        if re.search(rf"\b({pattern})\b", names)
        for country in countries
    ]


def guess_phone_region(values: Sequence[str], hints: Sequence[str]) -> tuple[str, str]:
    """Return the country that phone numbers without + are dialled in, and the evidence.

    hints: countries that the language of the columns speaks for, best first; only those are tried,
    and before them the one that most numbers with + are of: German or Austrian, many a number
    without + is valid in both.
    """
    national = [value for value in values if "+" not in value and not value.startswith("00")][:300]
    abroad = [value for value in values if "+" in value][:300]
    known = [region for region in map(_region_of, abroad) if region]
    usual = max(set(known), key=lambda code: (known.count(code), code), default="")
    if usual and not national:
        return usual, f"{known.count(usual):,} of {len(abroad):,} numbers with + are from there"
    first = [usual] if 2 * known.count(usual) > len(known) else []
    best, best_share = (hints[0] if hints else "US"), 0.0
    for region in dict.fromkeys([*first, *(hints or REGIONS)]):
        share = share_that(national, lambda value, region=region: _is_valid(value, region))  # type: ignore[misc]
        if share > best_share + _BETTER_FIT:
            best, best_share = region, share
    return best, f"{best_share:.0%} of the numbers without + are valid there"


def _region_of(value: str) -> str | None:
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(value, None))
    except phonenumbers.NumberParseException:
        return None


def _is_valid(value: str, region: str) -> bool:
    try:
        return phonenumbers.is_valid_number_for_region(phonenumbers.parse(value, region), region)
    except phonenumbers.NumberParseException:
        return False
