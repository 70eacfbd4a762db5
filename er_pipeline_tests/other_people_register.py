"""The register of the other people: homes, and the persons who live there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from er_pipeline_tests.other_people_draws import (
    Flags,
    Numbers,
    Rng,
    Texts,
    number_groups,
    padded,
    pick,
    pick_rows,
    zipf,
)
from er_pipeline_tests.other_people_words import (
    GIVEN_NAMES,
    STREET_TYPES,
    STREETS,
    SUBURBS,
    SURNAMES,
    invent_words,
    nicknames_of,
    take_each,
)

# fmt: off
HOUSEHOLD_SIZES = {1: 0.27, 2: 0.35, 3: 0.16, 4: 0.14, 5: 0.06, 6: 0.02}
SAME_SURNAME, HOME_PHONE, MOBILE_AT_HOME = 0.85, 0.5, 0.3
TWIN, NAMED_LIKE_PARENT = 0.03, 0.02  # of the children
STATES = {  # share, first digit of postcodes, area code and first digit of phones
    "nsw": (0.32, 2, 29), "vic": (0.26, 3, 39), "qld": (0.2, 4, 73), "wa": (0.1, 6, 89),
    "sa": (0.07, 5, 88), "tas": (0.02, 7, 36), "act": (0.02, 2, 26), "nt": (0.01, 0, 89),
}
MOBILES = (400_000_000, 440_000_000)  # without the zero in front; all of them are in use
EMAIL_DOMAINS = {
    "gmail.com": 0.4, "hotmail.com": 0.15, "bigpond.com": 0.12, "outlook.com.au": 0.1,
    "yahoo.com.au": 0.08, "icloud.com": 0.06, "optusnet.com.au": 0.05, "btinternet.com": 0.04,
}
EMAIL = np.dtype([("shape", np.int8), ("number", np.int16), ("domain", np.int8)])
HOME = np.dtype([
    ("number", np.int16), ("street", np.int32), ("suburb", np.int32), ("phone", np.int64),
])
PERSON = np.dtype([
    ("given", np.int32), ("surname", np.int32), ("married", np.int32), ("home", np.int32),
    ("born", "datetime64[D]"), ("phone", np.int64), ("email", EMAIL), ("national_id", np.int64),
])
# fmt: on

TODAY = np.datetime64("2026-01-01")  # fixed: the same seed gives the same people next year


@dataclass(frozen=True)
class Register:
    """Everybody and where they live: numbers, which are rows of the vocabularies beside them."""

    persons: NDArray[np.void]
    homes: NDArray[np.void]  # of the households, then one per person to move to
    given_names: Texts
    nicknames: Texts  # per given name
    surnames: Texts
    streets: Texts
    suburbs: Texts
    state_of_suburb: Numbers
    postcodes: Texts  # per suburb


def draw_register(n_persons: int, rng: Rng) -> Register:
    # vocabularies grow with the people, surnames fastest (Heaps' law)
    given_names = invent_words(GIVEN_NAMES, 200 + int(15 * n_persons**0.4), rng)
    surnames = invent_words(SURNAMES, 400 + int(60 * n_persons**0.55), rng)
    suburbs = invent_words(SUBURBS, 150 + int(2 * n_persons**0.5), rng)
    roads = invent_words(STREETS, 200 + int(5 * n_persons**0.5), rng)
    types = np.array(STREET_TYPES.encode().split())
    # the first type is the most frequent, and so are the first roads
    streets = np.strings.add(np.strings.add(np.repeat(roads, 4), b" "), take_each(types, roads))
    shares = {state: share for state, (share, _, _) in STATES.items()}
    state_of_suburb = pick_rows(shares, len(suburbs), rng)
    _, first_digits, _ = (np.array(column) for column in zip(*STATES.values(), strict=True))
    postcodes = 1000 * first_digits[state_of_suburb] + rng.integers(0, 900, len(suburbs))

    sizes = pick(HOUSEHOLD_SIZES, n_persons, rng)
    household = number_groups(sizes, n_persons)
    n_households = int(household[-1]) + 1
    homes = np.zeros(n_households + n_persons, dtype=HOME)
    homes["number"] = np.minimum(1 + rng.geometric(0.02, len(homes)), 999)
    homes["street"] = zipf(len(streets), 30, len(homes), rng)
    homes["suburb"] = zipf(len(suburbs), 20, len(homes), rng)
    homes["phone"] = _draw_phones(state_of_suburb[homes["suburb"]], rng)
    return Register(
        persons=_draw_persons(household, homes, len(given_names), len(surnames), rng),
        homes=homes,
        given_names=given_names,
        nicknames=nicknames_of(given_names),
        surnames=surnames,
        streets=np.strings.replace(streets, b"_", b" "),
        suburbs=np.strings.replace(suburbs, b"_", b" "),
        state_of_suburb=state_of_suburb,
        postcodes=padded(postcodes, 4),
    )


def _draw_persons(
    household: Numbers, homes: NDArray[np.void], n_given_names: int, n_surnames: int, rng: Rng
) -> NDArray[np.void]:
    n_persons = len(household)
    persons = np.zeros(n_persons, dtype=PERSON)
    head = np.searchsorted(household, household)  # the first person of each household
    place = np.arange(n_persons) - head
    is_child = place > 1

    def happens(rate: float) -> Flags:
        return rng.random(n_persons) < rate

    persons["home"] = household
    persons["given"] = zipf(n_given_names, 10, n_persons, rng)
    surname = zipf(n_surnames, 12, n_persons, rng)  # the first has 1%
    is_namesake = is_child & happens(NAMED_LIKE_PARENT)
    shares_surname = happens(SAME_SURNAME) | is_namesake
    persons["surname"] = np.where(shares_surname, surname[head], surname)
    persons["married"] = zipf(n_surnames, 12, n_persons, rng)
    persons["given"][is_namesake] = persons["given"][head[is_namesake]]

    age_in_days = rng.integers(22 * 365, 88 * 365, n_persons)
    partner_in_days = age_in_days[head] + rng.integers(-6 * 365, 6 * 365, n_persons)
    child_in_days = age_in_days[head] - rng.integers(20 * 365, 38 * 365, n_persons)
    child_in_days = np.where(child_in_days > 0, child_in_days, rng.integers(0, 1500, n_persons))
    age_in_days = np.select([is_child, place == 1], [child_in_days, partner_in_days], age_in_days)
    twin = np.flatnonzero((place > 2) & happens(TWIN) & ~is_namesake)
    age_in_days[twin] = age_in_days[twin - 1]
    persons["born"] = TODAY - age_in_days.astype("timedelta64[D]")

    mobile = rng.integers(*MOBILES, n_persons)
    persons["phone"] = np.where(happens(HOME_PHONE), homes["phone"][household], mobile)
    persons["email"] = draw_emails(n_persons, rng)
    persons["national_id"] = rng.integers(10**8, 10**9, n_persons)
    return persons


def _draw_phones(state: Numbers, rng: Rng) -> Numbers:
    """Draw the phones of homes: nine digits, those of the state first; some have a mobile."""
    starts = np.array([start for _, _, start in STATES.values()])
    n_phones = len(state)
    landline = starts[state] * 10_000_000 + rng.integers(0, 10_000_000, n_phones)
    mobile = rng.integers(*MOBILES, n_phones)
    return np.where(rng.random(n_phones) < MOBILE_AT_HOME, mobile, landline)


def draw_emails(n_emails: int, rng: Rng) -> NDArray[np.void]:
    emails = np.zeros(n_emails, dtype=EMAIL)
    emails["shape"] = rng.integers(0, 5, n_emails)
    emails["number"] = rng.integers(1, 1000, n_emails)
    emails["domain"] = pick_rows(EMAIL_DOMAINS, n_emails, rng)
    return emails
