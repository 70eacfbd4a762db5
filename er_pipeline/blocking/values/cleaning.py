"""How one value of each kind becomes clean: plain functions from text to text, or to no value.

`cleaner(kind, options)` gives the function of a kind. It runs over the distinct values of a
column, so a million values cost a few seconds (phones outside North America: half a minute).
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import phonenumbers
from anyascii import anyascii
from cleanco.termdata import terms_by_country, terms_by_type

Cleaner = Callable[[str], str | None]


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


# A value that says "no value". Every cleaner compares in the clean form of its kind, so that
# "N/A", "n.a." and "#n/a" need one entry. Repeated punctuation ("--", "???") is blank by itself.
# "x" alone is left out (Malcolm X), "john doe" too: both are names of people.
PLACEHOLDERS = frozenset(
    text
    for line in (
        "n/a|#n/a|na|none|null|nil|nan|nat|void|empty|blank|missing|unknown|unk|unknwn|undefined",
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

# People are called Na, Nan, Nat, Nil, Null and Blank, so as names these stay: losing a real name
# costs the person all its keys, while a crowd wrongly called "null" only makes one block too large
# to compare. Add them in `placeholders` where they mean nothing. Test and Unk are rarer as names.
_NAMES_TOO = frozenset({"na", "nan", "nat", "nil", "null", "blank"})

_PLACEHOLDERS_OF = {
    # what databases and spreadsheets write for "no date": year one, the least date of SQL Server,
    # day zero of Excel and Delphi, the first day of the century before, the epoch, the last day
    "date": _set_of(
        "0001-01-01 1753-01-01 1899-12-30 1899-12-31 1900-01-01 1970-01-01 9999-01-01 9999-12-31"
    ),
    "company": {"self", "self employed", "unemployed", "not employed", "retired"},
    "identifier": _set_of("0123456789 123456789 1234567890 987654321 9876543210"),
    "phone": _set_of("+11234567890 +12345678901 +15551234567 +19876543210"),
}

# The mailbox of a form that asks for an address: shared by people who have nothing in common.
_PLACEHOLDER_USERS = _set_of("""
    test none noemail no-email no_email no.email nomail no-mail no_mail na n/a null nil nan unknown
    notprovided not.provided not_provided notavailable noreply no-reply no_reply donotreply
    do-not-reply anonymous anon fake dummy asdf qwerty xxx xxxx
    """)
# RFC 2606 reserves example.*, and the last labels below, for text that means nobody.
_PLACEHOLDER_DOMAINS = _set_of("""
    example.com example.org example.net test.com none.com noemail.com nomail.com no-email.com
    noemail.org noemail.net fake.com na.com unknown.com anonymous.com asdf.com
    """)
_RESERVED_LABELS = frozenset({"test", "example", "invalid", "localhost"})
_REPEATED_LABEL_LENGTH = 4  # a@a.com, na@na.com, abc@abc.com; bosch@bosch.com is a real mailbox

# Not nameparser's titles: they hold the surnames King, Dean, Judge, Major, Bishop and Pope.
_TITLES = _set_of("mr mrs ms miss mx mister dr prof professor sir dame madam rev reverend mme mlle")
# Left out as they are names themselves: Ma, Do, Ba, V, I, Senior, Junior.
_SUFFIXES = _set_of("jr sr ii iii iv phd md dds dvm esq esquire cpa mba jd")
_DOTTED_SUFFIXES = re.compile(r"(?<=[\s,])(ph\. ?d|m\.d|j\.d|d\.d\.s|d\.v\.m|m\.b\.a)\b", re.I)

_APOSTROPHES = "'`"
_CONTROLS = {code: None for code in (*range(9), *range(14, 28), 127)}
_TO_BLANK: dict[int, str | None] = {
    **{code: " " for code in range(128) if not chr(code).isalnum()},
    **dict.fromkeys(map(ord, _APOSTROPHES), None),
    **_CONTROLS,
}
# letters and digits with a dot or slash between: "s.p.a.", "p.o. box", "a/s"
_DOTTED = re.compile(r"(?<![a-z0-9.])[a-z0-9](?:[./][a-z0-9])+(?![a-z0-9])")

_ARTICLES = frozenset({"a", "an"})
# Taken out wherever they stand: none of them is the name of a company or a word of one.
_FORMS_ANYWHERE = _set_of("""
    the co company inc incorporated corp corporation llc llp lllp pllc ltd limited plc pte pty pvt
    gmbh mbh kgaa ohg sarl srl sro doo ltda bhd sdn eurl sprl bvba oyj
    """)
# Taken away in front: the forms of Russia, Ukraine, the Baltic countries and Indonesia.
_FORMS_IN_FRONT = _set_of("ooo oao zao pao tov uab sia pt")
# Terms of cleanco that are words, names or places too often: removing them hurts more companies
# than it helps (Where It's At, VAT Services, Bay Area ENT, Toys Unlimited, Amazon UK, Penn PSU).
_NO_FORMS = _set_of("""
    private unlimited and at is ok sem sep et fa vat ent ad ay ba da dat ud sad etat ep ec ee ei
    ev bl ij ik mb od pp ps nl kt sp sd stg tdv teo bm uk eu ca sf ss gs rt cio ses psu
    """)
_MORE_FORMS = ("S. de R.L. de C.V.", "S.A.P.I. de C.V.", "S.A.B. de C.V.")  # not in cleanco
# Also recognised spelled out: "l l c", "s. p. a."
_SPELLED_FORMS = _set_of("llc llp ltd plc spa srl sro doo sarl gmbh sa bv nv")

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

_SPELLED_PO_BOX = re.compile(r"\bp o box\b")

_MAILBOX = re.compile(r"([^\s@<>,;:\"()\[\]]+)@([\w-]+(?:\.[\w-]+)+)")
_MAIL_EDGES = " <>()[]\"'`.,;:"
# ten digits as North America writes them; areas and exchanges there start with 2-9
_NANP = re.compile(
    r"(?:\+?1[ .-]?)?(?:\(([2-9]\d\d)\)|([2-9]\d\d))[ .-]{0,2}([2-9]\d\d)[ .-]?(\d{4})", re.A
)
_LONGEST_PHONE = 60  # characters; with words around it ("call after six: ...") it is no number
_NOT_IN_IDENTIFIERS = str.maketrans("", "", " -./")

_TIME = r"(?:[t ]+\d{1,2}:?\d\d.*)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/. ])(\d\d?)\2(\d\d?){_TIME}")
_YEAR_LAST = re.compile(rf"(\d\d?)([-/. ])(\d\d?)\2(\d{{4}}){_TIME}")
_COMPACT = re.compile(rf"((?:1[6-9]|2[01])\d\d)(\d\d)(\d\d){_TIME}")
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[., ]+)?"
_DAY = r"(\d\d?)(?:st|nd|rd|th)?"
_DAY_MONTH_YEAR = re.compile(rf"{_WEEKDAY}{_DAY}[ .-]*(?:of )?([a-z]+)[., -]*(\d{{4}}){_TIME}")
_MONTH_DAY_YEAR = re.compile(rf"{_WEEKDAY}([a-z]+)[. -]*{_DAY}[, -]+(\d{{4}}){_TIME}")
_YEAR_MONTH_DAY = re.compile(rf"(\d{{4}})[ -]?([a-z]+)[. -]*{_DAY}{_TIME}")
_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTHS = {
    name: number
    for number, month in enumerate(_MONTH_NAMES, start=1)
    for name in (month, month[:3])
} | {"sept": 9}


@dataclass(frozen=True)
class CleaningOptions:
    """What a dataset may decide about cleaning.

    phone_region: ISO country in which a number without "+" is dialled.
    gmail_dots: remove the dots of a gmail.com user, which Gmail ignores.
    plus_tags: remove "+tag" from the user of any mailbox.
    day_first: read 03/04/2020 as 3 April, otherwise as 4 March.
    placeholders: further texts that mean "no value", for every kind, in any spelling.
    """

    phone_region: str = "US"
    gmail_dots: bool = True
    plus_tags: bool = True
    day_first: bool = False
    placeholders: frozenset[str] = frozenset()


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
    built_in = PLACEHOLDERS - _NAMES_TOO if kind == "person_name" else PLACEHOLDERS
    texts = {*built_in, *options.placeholders, *_PLACEHOLDERS_OF.get(kind, ())}
    no_values = frozenset(map(shape, texts)) | {None, ""}

    def clean(text: str) -> str | None:
        shaped = shape(text)
        return None if shaped in no_values else shaped

    return clean


def fold(text: str) -> str:
    """Turn text into lower-case ASCII: Łukasz -> lukasz, peña -> pena, 王 -> wang.

    Other scripts are transliterated, not lost. Source: the tables of anyascii.
    """
    return text.lower() if text.isascii() else anyascii(text).lower()


def significant_words(company: str) -> list[str]:
    """Return the words of a company name without articles and legal forms.

    Unmistakable forms (inc, gmbh, limited) go wherever they stand; short ones that are also
    words (spa, sas, as) only at the end. None may be left: "The Company" gives [].
    Source of the forms: cleanco's term data, without those that are common words.
    """
    return _without_forms(_company_words(company))


def _without_forms(company_words: list[str]) -> list[str]:
    words = [word for word in company_words if word not in _FORMS_ANYWHERE]
    while n_words := _n_words_at_end(words):
        del words[-n_words:]
    start = 0
    while start < len(words) and _goes_in_front(*words[start : start + 2]):
        start += 1
    return words[start:]


def _n_words_at_end(words: list[str]) -> int:
    """How many words the legal form at the end has; a form that is all there is, is a name."""
    if len(words) < 2:
        return 0
    if words[-1] in _LAST_WORDS:
        for n_words in range(min(_LONGEST_FORM, len(words) - 1), 1, -1):
            if tuple(words[-n_words:]) in _FORMS_OF_WORDS:
                return n_words
    return int(words[-1] in _FORMS_AT_END or words[-1] == "and")


def _goes_in_front(word: str, following: str | None = None) -> bool:
    if word in _ARTICLES:  # but not of "A & B" and "A 1 Auto"
        return following is None or (len(following) > 1 and following != "and")
    return word == "and" or (following is not None and word in _FORMS_IN_FRONT)


def _company_words(text: str) -> list[str]:
    folded = _joined_letters(fold(_plain(text)).replace("&", " and "))
    if "private" in folded:  # an Indian "private limited" is the "ltd" or "pvt ltd" of others
        folded = re.sub(r"\bprivate (?=limited\b|ltd\b)", "", folded)
    return folded.translate(_TO_BLANK).split()


def _joined_letters(folded: str) -> str:
    if "." not in folded and "/" not in folded:
        return folded
    return _DOTTED.sub(lambda dotted: re.sub("[./]", "", dotted[0]), folded)


def _words(text: str) -> list[str]:
    if not text.isascii():
        text = _plain(text)
    return fold(text).translate(_TO_BLANK).split()


def _plain(text: str) -> str:
    """Remove control and other invisible characters; collapse white space."""
    if not text.isprintable():
        text = "".join(c for c in text if c.isprintable() or c.isspace())
    return " ".join(text.split())


def _person_name(options: CleaningOptions) -> Cleaner:
    def shape(text: str) -> str:
        if "." in text:
            text = _DOTTED_SUFFIXES.sub(lambda suffix: re.sub(r"[. ]", "", suffix[0]), text)
        words = _words(text)
        start, end = 0, len(words)
        while end - start > 1 and words[start] in _TITLES:
            start += 1
        while end - start > 1 and words[end - 1] in _SUFFIXES:
            end -= 1
        return " ".join(words[start:end])

    return shape


def _email(options: CleaningOptions) -> Cleaner:
    def shape(text: str) -> str | None:
        text = fold(_plain(text))
        if "<" in text:  # John Smith <john@smith.com>
            text = text.rpartition("<")[2].partition(">")[0]
        if "mailto:" in text:
            text = text.rpartition("mailto:")[2].partition("?")[0]
        mailbox = _MAILBOX.fullmatch(text.strip(_MAIL_EDGES))
        if mailbox is None:
            return None
        user, domain = mailbox.groups()
        if options.plus_tags:
            user = user.partition("+")[0]
        if domain == "googlemail.com":
            domain = "gmail.com"
        if options.gmail_dots and domain == "gmail.com":
            user = user.replace(".", "")
        return None if not user or _is_nobody(user, domain) else f"{user}@{domain}"

    return shape


def _is_nobody(user: str, domain: str) -> bool:
    first_label, _, last_labels = domain.partition(".")
    return (
        user in _PLACEHOLDER_USERS
        or domain in _PLACEHOLDER_DOMAINS
        or last_labels in _RESERVED_LABELS
        or (user == first_label and len(user) <= _REPEATED_LABEL_LENGTH)
    )


def _phone(options: CleaningOptions) -> Cleaner:
    """Only the length of a number is asked (is_possible), not whether its range is in use.

    A key needs two records that agree, not a number that rings: is_valid drops new ranges and
    every 555 number, and costs as much again. A number without its area code is no value, as
    each town has its own 555-0123.
    """
    region = options.phone_region
    is_nanp = phonenumbers.country_code_for_region(region) == 1

    def shape(text: str) -> str | None:
        text = _plain(text)
        if len(text) > _LONGEST_PHONE:
            return None
        # phonenumbers takes 25 microseconds, this 2; a test holds both to the same answer
        if is_nanp and (match := _NANP.fullmatch(text)):
            digits = (match[1] or match[2]) + match[3] + match[4]
            return None if digits.strip(digits[0]) == "" else f"+1{digits}"
        try:
            number = phonenumbers.parse(text, region)
            clean = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            # "0069930955" in Brazil: one prefix too many, read again it is another number
            if _has_prefix(number) and phonenumbers.parse(clean) != number:
                return None
        except phonenumbers.NumberParseException:
            return None
        reason = phonenumbers.is_possible_number_with_reason(number)
        is_possible = reason == phonenumbers.ValidationResult.IS_POSSIBLE
        digits = str(number.national_number)
        return None if not is_possible or digits.strip(digits[0]) == "" else clean

    return shape


def _has_prefix(number: phonenumbers.PhoneNumber) -> bool:
    """Whether the number still begins with what is dialled before it in its own country."""
    if number.italian_leading_zero:
        return True
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    prefix = metadata and metadata.national_prefix_for_parsing
    return bool(prefix and re.match(prefix, str(number.national_number)))


def _company(options: CleaningOptions) -> Cleaner:
    def shape(text: str) -> str:
        words = _company_words(text)
        return " ".join(_without_forms(words) or words)

    return shape


def _date(options: CleaningOptions) -> Cleaner:
    """Days only: a month or year alone and two-digit years are no value, nothing is guessed.

    That is why dateutil is not asked: it fills what is missing from today's date. Between
    slashes or hyphens the month comes first unless `day_first`, between dots the day; a number
    above 12 is the day either way.
    """

    def shape(text: str) -> str | None:
        text = _plain(fold(text))
        if match := _YEAR_FIRST.fullmatch(text):
            return _iso(match[1], match[3], match[4])
        if match := _COMPACT.fullmatch(text):
            return _iso(match[1], match[2], match[3])
        if match := _YEAR_LAST.fullmatch(text):
            first, second, year = match[1], match[3], match[4]
            is_day_first = options.day_first or match[2] == "."
            if int(first) > 12 or (is_day_first and int(second) <= 12):
                return _iso(year, second, first)
            return _iso(year, first, second)
        if match := _DAY_MONTH_YEAR.fullmatch(text):
            return _iso(match[3], match[2], match[1])
        if match := _MONTH_DAY_YEAR.fullmatch(text):
            return _iso(match[3], match[1], match[2])
        if match := _YEAR_MONTH_DAY.fullmatch(text):
            return _iso(match[1], match[2], match[3])
        return None

    return shape


def _iso(year: str, month: str, day: str) -> str | None:
    number = int(month) if month.isdigit() else _MONTHS.get(month, 0)
    try:
        return date(int(year), number, int(day)).isoformat()
    except ValueError:  # 31 February, month 13
        return None


def _address(options: CleaningOptions) -> Cleaner:
    def shape(text: str) -> str:
        words = _words(_joined_letters(fold(_plain(text))))
        short = " ".join([_SHORT_ADDRESS_WORDS.get(word, word) for word in words])
        return _SPELLED_PO_BOX.sub("po box", short) if "p o box" in short else short

    return shape


def _text(options: CleaningOptions) -> Cleaner:
    return lambda text: " ".join(_words(text))


def _identifier(options: CleaningOptions) -> Cleaner:
    def shape(text: str) -> str | None:
        text = _plain(text if text.isascii() else unicodedata.normalize("NFKC", text))
        text = text.lower().translate(_NOT_IN_IDENTIFIERS)
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
    "person_name": _person_name,
    "email": _email,
    "phone": _phone,
    "company": _company,
    "date": _date,
    "address": _address,
    "text": _text,
    "identifier": _identifier,
}
KINDS: tuple[str, ...] = tuple(_SHAPES)


_FORMS = {
    tuple(_company_words(term))
    for terms in (*terms_by_type.values(), *terms_by_country.values(), _MORE_FORMS)
    for term in terms
}
_FORMS_AT_END = {form[0] for form in _FORMS if len(form) == 1 and len(form[0]) > 1} - _NO_FORMS
_FORMS_OF_WORDS = {form for form in _FORMS if len(form) > 1} | set(map(tuple, _SPELLED_FORMS))
_LAST_WORDS = {form[-1] for form in _FORMS_OF_WORDS}
_LONGEST_FORM = max(map(len, _FORMS_OF_WORDS))
