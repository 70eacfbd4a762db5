"""Generated people with known duplicates: persons -> records -> file.

Persons are rows of numbers, drawn once. Records are copies of persons, shuffled; every record
after the first of its person is damaged: by drawing other numbers, then by misspelling the text.
"""

from itertools import chain
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from er_pipeline.blocking.records.people_vocabulary import (
    AREA_CODES,
    CITIES,
    EXCHANGES,
    FREE_MAIL,
    LEGAL_FORMS,
    Names,
    Numbers,
    Vocabulary,
    Weights,
    build_vocabulary,
    draw,
    pick,
    pick_texts,
    words_of,
)

MAX_RECORDS = 10_000_000  # record ids have seven digits
CHUNK_RECORDS = 250_000  # drawn and written at a time: some 200 MB

# fmt: off
# Rates and shares were chosen to look like customer lists merged from several systems. Those of
# copies are means over the copies, set so that the six keys of the demo, in blocks of at most 500
# records, find .948, .946 and .913 of the pairs at 10,000, 100,000 and 1,000,000 records (seed 1).
RECORDS_OF_PERSON = {1: 0.73, 2: 0.205, 3: 0.045, 4: 0.014, 5: 0.006}
DAMAGE = {0.3: 0.8, 3.8: 0.2}  # most copies are careful, some are sloppy in everything
CHANGED = {"last": 0.04, "email": 0.25, "company": 0.15, "phone": 0.15, "city": 0.12}
TYPO = {"first": 0.10, "last": 0.12, "email": 0.06, "phone": 0.04, "birth": 0.04}
NICKNAME = 0.18  # of people whose name has nicknames, two in three: 12% of all
INITIAL, SWAPPED = 0.03, 0.01
MISSING_IN_COPY = 0.3  # a copy misses a field more often, by this share of its rate
PLACEHOLDER = 0.006
GAPS = {  # per field: share missing, placeholders
    "first_name": (0.010, ["n/a", "unknown", "test"]),
    "last_name": (0.005, ["n/a", "unknown", "test"]),
    "email": (0.10, ["n/a", "test@test.com", "none@none.com"]),
    "company": (0.18, ["n/a", "unknown", "-"]),
    "phone": (0.15, ["n/a", "000-000-0000", "999-999-9999"]),
    "birth_date": (0.08, ["unknown", "1900-01-01"]),
    "city": (0.05, ["n/a", "unknown"]),
}

# Ways to write, with their shares; \1 \2 \3 are the parts of a phone number or an ISO date.
TITLES = {"": 0.965, "Dr. ": 0.012, "Prof. ": 0.003, " ": 0.02}
SUFFIXES = {"": 0.95, " Jr.": 0.01, " Sr.": 0.004, " III": 0.003, ", PhD": 0.003, " ": 0.03}
LETTERS = {"as is": 0.91, "upper": 0.06, "lower": 0.03}
DATE_FORMATS = {r"\1-\2-\3": 0.88, r"\2/\3/\1": 0.08, r"\1\2\3": 0.04}
PHONE_FORMATS = {
    r"(\1) \2-\3": 0.36, r"\1-\2-\3": 0.26, r"\1\2\3": 0.18,
    r"\1.\2.\3": 0.08, r"+1 \1 \2 \3": 0.07, r"1-\1-\2-\3": 0.05,
}
WORK_USERS = {"{first}.{last}": 0.5, "{f}{last}": 0.35, "{first}": 0.05, "{first}_{last}": 0.1}
FREE_USERS = {
    "{first}.{last}{n}": 0.3, "{first}{last}{n}": 0.25, "{f}{last}{n}": 0.2,
    "{first}_{last}{n}": 0.1, "{first}.{last}": 0.08, "{last}.{first}{n}": 0.05,
    "{first}{n}+news": 0.02,
}
FREE_MAIL_SHARE = 0.55
SPELLINGS = np.array([0.55, 0.2, 0.15, 0.1])  # of a legal form
INTERNATIONAL = 0.08  # share of persons with a last name of that list; most have both

KEYS, NEXT_KEYS = "abcdefghijklmnopqrstuvwxyz0123456789", "svxfrghjoklknmpowtdyibezux2345678909"
SOUNDS = {"ph": "f", "ck": "k", "ei": "ie", "ie": "ei", "ll": "l", "tt": "t", "nn": "n", "ss": "s"}
SOUNDS |= {"son": "sen", "th": "t", "c": "k", "z": "s", "y": "i", "v": "w", "e": "a"}

# A person: row numbers in the lists of the vocabulary, but for `born`, `phone` and `number`.
EMAIL = np.dtype([("user", np.int8), ("number", np.int16), ("domain", np.int32)])
PERSON = np.dtype([
    ("first", np.int32), ("last", np.int32), ("born", "datetime64[D]"), ("city", np.int16),
    ("company", np.int32), ("phone", np.int64), ("email", EMAIL),
])
# fmt: on
TODAY = np.datetime64("2026-11-01")  # fixed: the same seed gives the same birth dates next year

SOUNDS_SQL = " ".join(
    f"when contains(word, '{spelt}') then regexp_replace(word, '{spelt}', '{heard}')"
    for spelt, heard in SOUNDS.items()
)
MACROS_SQL = f"""
    create macro next_key(letter) as translate(
        letter, '{KEYS}{KEYS[:26].upper()}', '{NEXT_KEYS}{NEXT_KEYS[:26].upper()}');
    create macro misheard(word) as case {SOUNDS_SQL} else word || 'e' end;
    create macro mistyped(word, kind, place) as left(word, place - 1) || case kind
        when 1 then next_key(word[place]) || word[place + 1:]
        when 2 then word[place + 1:]
        when 3 then word[place] || word[place:]
        when 4 then word[place + 1] || word[place] || word[place + 2:]
        else next_key(word[place]) || word[place:] end;
    create macro misspelt(word, kind, spot) as case kind
        when 0 then word
        when 6 then misheard(word)
        -- the root spares first letters: people notice a typo there
        else mistyped(word, kind, 1 + floor(sqrt(spot) * length(word))::integer) end;
    create macro misdated(born, kind) as case
        when kind = 0 then born
        when kind <= 3 and day(born) <= 12 then make_date(year(born), day(born), month(born))
        when kind = 4 then born + to_years(1)
        when kind = 5 then born - to_years(10)
        else born + to_days(kind::integer) end;
    create macro in_letters(word, letters) as case letters
        when 'upper' then upper(word) when 'lower' then lower(word) else word end;
"""

FIELDS_SQL = ", ".join(
    f"case {field}_gap when 0 then {field} else {texts}[{field}_gap] end as {field}"
    for field, (_, texts) in GAPS.items()
)
RECORDS_SQL = f"""
    with misspelt_records as (
        select *,
            misspelt(given_name, first_typo, spot) as full_given,
            if(is_initial, full_given[1] || '.', full_given) as given,
            misspelt(surname, last_typo, spot) as family,
            misspelt(phone_digits::varchar, least(phone_typo, 1), spot) as digits,
            strftime(misdated(born, birth_typo), '%Y-%m-%d') as iso_date,
            replace(replace(replace(replace(email_pattern,
                '{{first}}', first_handle), '{{f}}', first_handle[1]),
                '{{last}}', last_handle), '{{n}}', email_number::varchar) as email_user
        from drawn_records
    ),
    written_records as (
        select *,
            title || in_letters(if(is_swapped, family, given), letters) as first_name,
            in_letters(if(is_swapped, given, family), letters) || suffix as last_name,
            misspelt(in_letters(email_user || '@' || email_domain, letters), email_typo, spot)
                as email,
            in_letters(company_name || legal_form, letters) as company,
            regexp_replace(digits, '(...)(...)(....)', phone_format) as phone,
            regexp_replace(iso_date, '(....)-(..)-(..)', date_format) as birth_date,
            in_letters(city_name, letters) as city
        from misspelt_records
    )
    select 'p' || lpad(record_no::varchar, 7, '0') as id, {FIELDS_SQL}, person_id
    from written_records
    order by record_no
"""

Flags = NDArray[np.bool_]


def _draw_person_of_record(n_records: int, rng: np.random.Generator) -> tuple[int, Numbers]:
    n_of_person = 1 + pick(RECORDS_OF_PERSON, n_records, rng)
    person_of_record = np.repeat(np.arange(n_records, dtype=np.int32), n_of_person)[:n_records]
    return int(person_of_record[-1]) + 1, person_of_record


def _draw_names(names: Names, is_international: Flags, rng: np.random.Generator) -> Numbers:
    n_names = len(is_international)
    census = draw(names.frequencies, n_names, rng)
    international = len(names.frequencies) + rng.integers(0, names.n_international, n_names)
    return np.where(is_international, international, census)


def _draw_persons(
    n_persons: int, vocabulary: Vocabulary, rng: np.random.Generator
) -> NDArray[np.void]:
    n_companies = len(vocabulary.companies)
    area_codes = np.array(AREA_CODES.split(), dtype=np.int64)
    persons = np.zeros(n_persons, dtype=PERSON)

    is_international = rng.random(n_persons) < INTERNATIONAL
    persons["last"] = _draw_names(vocabulary.last_names, is_international, rng)
    is_international &= rng.random(n_persons) < 0.7  # the others have a common first name
    persons["first"] = _draw_names(vocabulary.first_names, is_international, rng)
    age = 18 + 72 * rng.beta(1.3, 1.8, n_persons)  # years; 18 to 90, half of them 34 to 62
    persons["born"] = TODAY - (365.25 * age).astype("timedelta64[D]")
    # Zipf's law, flattened: New York has near twice the people of Los Angeles, and the largest
    # company employs 1% of the people at 100,000, 0.5% at 1,000,000
    persons["city"] = draw(np.arange(1, len(words_of(CITIES)) + 1) ** -0.8, n_persons, rng)
    persons["company"] = draw(np.arange(11, n_companies + 11) ** -0.8, n_persons, rng)
    persons["phone"] = rng.choice(area_codes, n_persons) * 10_000_000
    persons["phone"] += rng.choice(EXCHANGES, n_persons) * 10_000
    persons["phone"] += rng.integers(0, 10_000, n_persons)

    is_free = rng.random(n_persons) < FREE_MAIL_SHARE
    email = persons["email"]
    work_user = len(FREE_USERS) + pick(WORK_USERS, n_persons, rng)
    email["user"] = np.where(is_free, pick(FREE_USERS, n_persons, rng), work_user)
    email["number"] = rng.integers(1, 2_100, n_persons)
    work_domain = len(FREE_MAIL) + persons["company"]
    email["domain"] = np.where(is_free, pick(FREE_MAIL, n_persons, rng), work_domain)
    return persons


def _draw_records(
    persons: NDArray[np.void], is_copy: Flags, vocabulary: Vocabulary, rng: np.random.Generator
) -> dict[str, Any]:
    """Draw how each person is written down this time.

    persons: (n_records,) the person of each record; is_copy: (n_records,) damage it.
    Returns the columns that RECORDS_SQL turns into text.
    """
    n_records = len(persons)
    damage = is_copy * np.array(list(DAMAGE))[pick(DAMAGE, n_records, rng)]

    def happens(rate: float | Weights) -> Flags:
        return rng.random(n_records) < rate

    strangers = _draw_persons(n_records, vocabulary, rng)
    written = persons.copy()
    for field, rate in CHANGED.items():
        is_changed = happens(rate * damage)
        written[field][is_changed] = strangers[field][is_changed]
    email, old_email = written["email"], persons["email"]
    is_new_job = (email["domain"] != old_email["domain"]) & (email["domain"] >= len(FREE_MAIL))
    email["domain"][is_new_job] = len(FREE_MAIL) + written["company"][is_new_job]

    first_names, last_names = vocabulary.first_names, vocabulary.last_names
    n_nicknames = first_names.n_nicknames[persons["first"]]
    nickname = first_names.first_nickname[persons["first"]]
    nickname += (rng.random(n_records) * n_nicknames).astype(np.int64)
    is_nickname = happens(NICKNAME * damage) & (n_nicknames > 0)
    spelling = draw(SPELLINGS, n_records, rng)
    legal_form = spelling + 4 * (written["company"] % len(LEGAL_FORMS))
    drawn = {
        "given_name": first_names.texts.take(np.where(is_nickname, nickname, persons["first"])),
        "first_handle": first_names.handles.take(persons["first"]),
        "surname": last_names.texts.take(written["last"]),
        "last_handle": last_names.handles.take(persons["last"]),
        "born": written["born"],
        "city_name": pa.array(words_of(CITIES)).take(written["city"]),
        "company_name": vocabulary.companies.take(written["company"]),
        "legal_form": pa.array(list(chain(*LEGAL_FORMS))).take(legal_form),
        "phone_digits": written["phone"],
        "email_pattern": pa.array([*FREE_USERS, *WORK_USERS]).take(email["user"]),
        "email_number": email["number"],
        "email_domain": vocabulary.email_domains.take(email["domain"]),
        "is_initial": happens(INITIAL * damage),
        "is_swapped": happens(SWAPPED * damage),
        "spot": rng.random(n_records),
        "title": pick_texts(TITLES, n_records, rng),
        "suffix": pick_texts(SUFFIXES, n_records, rng),
        "letters": pick_texts(LETTERS, n_records, rng),
        "phone_format": pick_texts(PHONE_FORMATS, n_records, rng),
        "date_format": pick_texts(DATE_FORMATS, n_records, rng),
    }
    for field, rate in TYPO.items():  # 0: none; 1 to 6: the kinds of `misspelt` and `misdated`
        drawn[f"{field}_typo"] = happens(rate * damage) * rng.integers(1, 7, n_records)
    for field, (rate, texts) in GAPS.items():  # 0: none; else a row of `texts`, past the end: NULL
        is_missing = happens(rate * (1 + MISSING_IN_COPY * damage))
        placeholder = happens(PLACEHOLDER) * rng.integers(1, 1 + len(texts), n_records)
        drawn[f"{field}_gap"] = np.where(is_missing, len(texts) + 1, placeholder)
    return drawn


def write_people(path: Path, *, n_records: int, seed: int) -> int:
    """Write generated people as CSV; return the number of persons among the records.

    Columns: id, first_name, last_name, email, company, phone, birth_date, city, person_id. The id
    is the place in the file, from "p0000000", and says nothing of the person; person_id is the
    truth: one number per person. An empty field is a missing value. Of the persons, 27% have two
    to five records; these are 46% of all records. A year of birth lies in 1936..2008.

    The file depends on n_records, seed and the versions of the libraries, not on the number of
    threads. It is written beside `path` and renamed: a reader never sees half of it.
    Cost: 1,000,000 records take 6 CPU s, 4 to 7 s and 0.65 GB of memory at the peak; 10,000,000
    take 53 CPU s, 41 s and 1 GB; a record is 100 bytes of file (2026-11, 2 cores).

    Raises ValueError if n_records is outside 1..10_000_000 or seed is negative.
    Source: name frequencies of the US Census 1990 (package `names`), package `nicknames`; the
    kinds of damage as in Tran, Vatsalan, Christen, "GeCo", CIKM 2013.
    """
    if not 1 <= n_records <= MAX_RECORDS:
        raise ValueError(f"n_records must be in 1..{MAX_RECORDS:_}, got {n_records}")
    rng = np.random.Generator(np.random.PCG64(seed))
    n_companies = max(20, n_records // 40)
    n_persons, person_of_record = _draw_person_of_record(n_records, rng)
    shuffled = rng.permutation(np.arange(n_records, dtype=np.int32))
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        duckdb.connect() as con,
        TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder,
    ):
        con.execute(MACROS_SQL)
        vocabulary = build_vocabulary(con, n_companies, rng)
        persons = _draw_persons(n_persons, vocabulary, rng)
        whole, part = Path(folder, "whole.csv"), Path(folder, "part.csv")
        with whole.open("wb") as file:
            for start in range(0, n_records, CHUNK_RECORDS):
                record = shuffled[start : start + CHUNK_RECORDS]
                person = person_of_record[record]
                is_copy = (record > 0) & (person_of_record[record - 1] == person)
                drawn = _draw_records(persons[person], is_copy, vocabulary, rng)
                drawn["record_no"] = np.arange(start, start + len(record))
                drawn["person_id"] = person
                con.register("drawn_records", pa.table(drawn))
                con.sql(RECORDS_SQL).write_csv(str(part), header=start == 0)
                with part.open("rb") as written:
                    copyfileobj(written, file)
        whole.replace(path)
    return n_persons
