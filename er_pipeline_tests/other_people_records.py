"""Records of the other people: a person written down again, damaged but for the first time."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from er_pipeline_tests.other_people_draws import (
    Columns,
    Flags,
    Numbers,
    Rng,
    Texts,
    as_column,
    padded,
    rows_as_texts,
)
from er_pipeline_tests.other_people_register import EMAIL_DOMAINS, STATES, Register, draw_emails
from er_pipeline_tests.other_people_typos import mistype

# fmt: off
# Chances of the damages, in percent of the copies; together the mean of N_DAMAGES. A copy has none
# twice, so that frequent ones come out rarer: 25 for 27, and rare ones a little more often.
EVENTS = {
    "swap_names": 1.5, "nickname": 8, "move": 12, "marry": 4, "change_email": 21,
    "swap_day_and_month": 4,  # two in five have a day up to 12 that is not the month
    "wrong_digit_in_birth_date": 3, "wrong_birth_year": 1,
}
TYPOS = {
    "given_name": 22, "surname": 30, "house_number": 6, "street": 22, "suburb": 15, "postcode": 8,
    "phone": 10, "email": 18, "national_id": 6,
}
MISSING = {
    "given_name": 3, "surname": 3, "house_number": 5, "street": 6, "suburb": 5, "postcode": 7,
    "state": 5, "birth_date": 6, "phone": 15, "email": 27,
}
MISSING_IN_FIRST = 0.5  # the first record of a person misses a value half as often
NO_NATIONAL_ID = 0.6  # of all records
PHONE_CHANGES = 0.6  # of those who move
COMPACT_PHONE = 0.15  # of the records: written without blanks
# fmt: on


def write_down(
    register: Register, person: Numbers, place: Numbers, n_damages: Numbers, rng: Rng
) -> Columns:
    """Write each person down once more; return every column of the register.

    person, place, n_damages: (n_records,) who it is, the how-manieth record of theirs, from 0,
    and how many damages to do unless it is the first.
    """
    n_records = len(person)
    is_first = place == 0
    does = _draw_damages(np.where(is_first, 0, n_damages), rng)
    persons = register.persons[person]

    n_households = len(register.homes) - len(register.persons)
    home_no = np.where(does["move"], n_households + person, persons["home"])
    homes = register.homes[home_no]
    gets_phone = does["move"] & (rng.random(n_records) < PHONE_CHANGES)
    phone = np.where(gets_phone, homes["phone"], persons["phone"])
    emails = np.where(does["change_email"], draw_emails(n_records, rng), persons["email"])

    given = register.given_names[persons["given"]]
    maiden = register.surnames[persons["surname"]]
    nickname = register.nicknames[persons["given"]]
    married = register.surnames[persons["married"]]
    written = {
        "given_name": np.where(does["nickname"], nickname, given),
        "surname": np.where(does["marry"], married, maiden),
        "house_number": homes["number"].astype("S"),
        "street": register.streets[homes["street"]],
        "suburb": register.suburbs[homes["suburb"]],
        "postcode": register.postcodes[homes["suburb"]],
        "state": np.array(list(STATES), dtype="S")[register.state_of_suburb[homes["suburb"]]],
        "birth_date": _misdate(persons["born"], does, rng),
        "phone": write_phones(phone, rng),
        "email": _write_emails(given, maiden, emails),
        "national_id": persons["national_id"].astype("S"),
    }
    for column in TYPOS:
        written[column] = mistype(written[column], does[f"mistype {column}"], rng)
    given, surname, is_swapped = written["given_name"], written["surname"], does["swap_names"]
    written["given_name"] = np.where(is_swapped, surname, given)
    written["surname"] = np.where(is_swapped, given, surname)

    missing = {"national_id": rng.random(n_records) < NO_NATIONAL_ID}
    for column, percent in MISSING.items():
        misses_at_first = rng.random(n_records) < MISSING_IN_FIRST * percent / 100
        missing[column] = np.where(is_first, misses_at_first, does[f"miss {column}"])
    columns: Columns = {column: as_column(written[column], missing[column]) for column in written}
    return columns | {"city": columns["suburb"]}


def _draw_damages(n_damages: Numbers, rng: Rng) -> dict[str, Flags]:
    """Draw that many different damages for each record, the frequent ones more often."""
    percents = {
        **EVENTS,
        **{f"mistype {column}": percent for column, percent in TYPOS.items()},
        **{f"miss {column}": percent for column, percent in MISSING.items()},
    }
    does = np.zeros((len(percents), len(n_damages)), dtype=np.bool_)
    damaged = np.flatnonzero(n_damages)
    if len(damaged):
        # the damage with the highest chance tends to be the first to happen
        waits = rng.standard_exponential((len(damaged), len(percents)), dtype=np.float32)
        waits /= np.array(list(percents.values()), dtype=np.float32)
        last = np.sort(waits, axis=1)[np.arange(len(damaged)), n_damages[damaged] - 1]
        does[:, damaged] = (waits <= last[:, None]).T
    return dict(zip(percents, does, strict=True))


def _misdate(born: NDArray[np.datetime64], does: Mapping[str, Flags], rng: Rng) -> Texts:
    """Write dates as YYYYMMDD, some wrong; a wrong digit need not leave a date that exists."""
    n_dates = len(born)
    months = born.astype("datetime64[M]")
    year = months.astype("datetime64[Y]").astype(np.int64) + 1970
    month = months.astype(np.int64) % 12 + 1
    day = (born - months).astype(np.int64) + 1
    is_swapped = does["swap_day_and_month"] & (day <= 12)
    month, day = np.where(is_swapped, day, month), np.where(is_swapped, month, day)
    year = year + does["wrong_birth_year"] * rng.choice(np.array([-10, -1, 1, 10]), n_dates)
    letters = (10_000 * year + 100 * month + day).astype("S8").view(np.uint8).reshape(n_dates, 8)
    wrong = np.flatnonzero(does["wrong_digit_in_birth_date"])
    digit = rng.integers(2, 8, len(wrong))  # the century is right
    other = letters[wrong, digit] - ord("0") + rng.integers(1, 10, len(wrong))
    letters[wrong, digit] = ord("0") + other % 10
    return rows_as_texts(letters)


def write_phones(phone: Numbers, rng: Rng) -> Texts:
    digits = padded(phone, 10)
    letters = digits.view(np.uint8).reshape(len(digits), 10)
    blank = np.full((len(digits), 1), ord(" "), dtype=np.uint8)
    # 0412 345 678, but 02 9123 4567
    mobile = np.hstack([letters[:, :4], blank, letters[:, 4:7], blank, letters[:, 7:]])
    landline = np.hstack([letters[:, :2], blank, letters[:, 2:6], blank, letters[:, 6:]])
    spaced = np.where(phone // 10**8 == 4, rows_as_texts(mobile), rows_as_texts(landline))
    return np.where(rng.random(len(digits)) < COMPACT_PHONE, digits, spaced)


def _write_emails(given: Texts, surname: Texts, emails: NDArray[np.void]) -> Texts:
    number = emails["number"].astype("S")
    add = np.strings.add
    users = [
        add(add(given, b"."), surname),
        add(add(given.astype("S1"), surname), number),
        add(given, number),
        add(add(surname, b"."), given.astype("S1")),
        add(add(add(given, b"_"), surname), number),
    ]
    user = np.select(
        [emails["shape"] == shape for shape in range(len(users))], users, np.bytes_(b"")
    )
    domains = np.array(list(EMAIL_DOMAINS), dtype="S")[emails["domain"]]
    return add(add(user, b"@"), domains)
