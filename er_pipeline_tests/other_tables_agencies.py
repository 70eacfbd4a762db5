"""Places that several agencies register: most columns are filled by one agency only.

Shared are the name, the address, and mostly zip and phone, each written as the agency writes it.
The dozen columns of an agency's own have few values (programme, option), or belong to the place
there (director, codes), or to its organisation (website). An agency lists a place once for each of
its programmes, so that some matches lie within an agency.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from er_pipeline_tests.other_people_words import STREETS
from er_pipeline_tests.other_tables_draws import (
    CLUSTER,
    Dice,
    Names,
    Row,
    lexicon,
    mistype_some,
    write_rows,
)

# fmt: off
SHARED = ("Source", "Site name", "Address", "Zip", "Phone")
OWN = {  # agency: its own columns
    "city_portal_scrape.csv": ("Program Name", "Length of Day", "Neighborhood", "Ages served",
        "Ward", "Accepts vouchers"),
    "state_providers_2012.csv": ("Provider ID", "Agency", "Fax", "Funded Enrollment",
        "Program Option", "Number per site", "License until", "County"),
    "head_start_sites.csv": ("Director", "Head Start Fund", "Early Head Start Fund", "Progmod",
        "Executive Director", "Grantee code", "Delegate"),
    "accreditation.csv": ("Website", "Email Address", "Accredited until", "Accreditation Id",
        "Available Programs", "Center Director"),
}
AGENCIES = tuple(OWN)
COLUMNS = (*SHARED, *(column for columns in OWN.values() for column in columns))
REGISTERS = (0.75, 0.6, 0.35, 0.3)  # share of the places that each agency registers
N_PROGRAMS = {1: 0.62, 2: 0.25, 3: 0.09, 4: 0.04}  # rows of a place in one agency
WRITTEN_ANEW = 0.4  # of these rows: not as the agency wrote the place before
PROGRAMS = ("Child Care", "Head Start", "State Pre-Kindergarten", "Community Partnerships",
    "Child Parent Center", "Prekindergarten For All")
DAYS = ("3-4 hours", "HALF DAY/FULL DAY", "EXTENDED DAY", "8-11 Hours, varies by facility")
OPTIONS = ("Center Based", "Home Based", "Family Child Care", "Full Day", "Part Day")
SAINTS = ("mary", "joseph", "john", "paul", "anne", "catherine", "lucy", "francis", "peter")
KINDS_OF_SITE = ("Learning Center", "Day Care Center", "Child Development Center", "School",
    "Academy", "Early Learning Center", "Nursery School", "Community Center", "Head Start")
FIRST_WORDS = """little bright rainbow sunshine happy kids first new hope grace bethel trinity
    community lincoln washington jefferson garfield carver easter_seals salvation_army hull
    childrens precious kiddie tiny discovery stepping_stones angels world"""
SECOND_WORDS = """stars steps beginnings life house place garden kingdom land village haven tots
    scholars minds ark friends hands hearts"""
SHORTER = {  # as an agency that is short of room writes
    "Learning Center": "LC", "Center": "Ctr", "Development": "Dev", "School": "Sch",
    "Academy": "Acad.", "Community": "Comm.", "Early Learning": "ELC", "Association": "Assoc.",
}
STREET_TYPES = {"Street": "St", "Avenue": "Ave", "Boulevard": "Blvd", "Place": "Pl", "Road": "Rd"}
DIRECTIONS = {"North": "N", "South": "S", "East": "E", "West": "W"}
TYPOS = {"Site name": 0.06, "Address": 0.05, "Phone": 0.03, "Zip": 0.02}
ORGANISATIONS_PER_PLACE = 0.45  # so that a place shares its organisation with others
SHARED_BUILDING = 0.06  # of the places: two of them at one address
# fmt: on


@dataclass(frozen=True)
class Organisation:
    """Who runs places; its office answers the phone of some of them."""

    name: str
    phone: str
    website: str
    director: str


@dataclass(frozen=True)
class Place:
    """A place as it is: what the agencies write down of it, each in its way."""

    organisation: Organisation
    name: str
    number: int
    direction: str
    street: str
    street_type: str
    zip: str
    phone: str
    director: str


def write_agencies(folder: Path, n_records: int, seed: int) -> list[Path]:
    """Write the merged registers of four agencies as CSV; return the path.

    Columns: id, COLUMNS, CLUSTER. A place has 1 to some 8 records, 2.7 on average.
    """
    dice = Dice(np.random.default_rng(seed))
    rows: list[Row] = []
    for cluster, place in enumerate(_places(n_records, dice)):
        registered = [a for a, share in enumerate(REGISTERS) if dice.falls(share)]
        for agency in registered or [0]:
            own = _own_of_place(place, dice)
            shared = _shared(place, agency, dice)
            for _ in range(dice.sized(N_PROGRAMS)):
                own |= _own_of_program(dice)
                if dice.falls(WRITTEN_ANEW):
                    shared = _shared(place, agency, dice)
                filled = {column: own[column] for column in OWN[AGENCIES[agency]]}
                rows.append({**shared, **filled, CLUSTER: str(cluster)})
        if len(rows) >= n_records:
            break
    del rows[n_records:]
    mistype_some(rows, TYPOS, dice)
    return [write_rows(folder / "agencies.csv", COLUMNS, rows, dice)]


def _places(n_most: int, dice: Dice) -> Iterator[Place]:
    names = Names(dice)
    streets = [word.replace("_", " ").title() for word in lexicon(STREETS, 250, dice)]
    firsts = [word.replace("_", " ").title() for word in lexicon(FIRST_WORDS, 300, dice)]
    seconds = SECOND_WORDS.title().split()
    organisations: list[Organisation] = []
    last: Place | None = None
    for _ in range(n_most):
        if not organisations or dice.falls(ORGANISATIONS_PER_PLACE):
            organisations.append(_organisation(firsts, seconds, names, dice))
        organisation = dice.one(organisations[-40:])
        kind = dice.one(KINDS_OF_SITE)
        name = f"{dice.common(firsts)} {dice.one(seconds)} {kind}"
        if dice.falls(0.25):
            name = f"St. {dice.one(SAINTS).title()} {kind}"
        elif dice.falls(0.2):
            name = f"{dice.common(names.surnames).title()} {kind}"
        street = dice.common(streets)
        number, zip_code = (
            dice.number(1, 120) * 100 + dice.number(1, 99),
            f"606{dice.number(1, 60):02}",
        )
        direction, street_type = dice.one(list(DIRECTIONS)), dice.one(list(STREET_TYPES))
        if last and dice.falls(SHARED_BUILDING):
            number, zip_code = last.number, last.zip
            direction, street, street_type = last.direction, last.street, last.street_type
        phone = organisation.phone if dice.falls(0.15) else dice.digits(7)
        director = " ".join(names.draw())
        last = Place(
            organisation, name, number, direction, street, street_type, zip_code, phone, director
        )
        yield last


def _organisation(firsts: list[str], seconds: list[str], names: Names, dice: Dice) -> Organisation:
    words = [dice.common(firsts), *([dice.one(seconds)] if dice.falls(0.5) else [])]
    ending = dice.one(["Inc.", "Association", "Services", "Corporation", "Foundation", ""])
    website = f"www.{''.join(words).replace(' ', '').lower()}.org"
    name = " ".join([*words, ending]).strip()
    return Organisation(name, dice.digits(7), website, " ".join(names.draw()))


def _shared(place: Place, agency: int, dice: Dice) -> Row:
    row = {"Source": AGENCIES[agency]}
    name = place.name
    if dice.falls((0.1, 0.35, 0.2, 0.5)[agency]):
        name = f"{place.organisation.name}{dice.one([' - ', ' ', ', '])}{name}"
    elif dice.falls((0.03, 0.12, 0.06, 0.02)[agency]):
        name = place.organisation.name
    if dice.falls((0.1, 0.5, 0.3, 0.1)[agency]):
        for long, short in SHORTER.items():
            name = name.replace(long, short)
    if dice.falls(0.12):  # what kind of place it is goes without saying there
        name = " ".join(name.split()[:-1])
    if dice.falls(0.5):
        name = name.replace("St. ", dice.one(["Saint ", "St "]))
    row["Site name"] = name.upper() if agency == 1 else name
    is_short = agency in (0, 2)
    direction = DIRECTIONS[place.direction] + "." * (agency == 0) if is_short else place.direction
    types = STREET_TYPES[place.street_type] + "." * (agency == 0)
    street_type = types if is_short else place.street_type
    if dice.falls((0.25, 0.05, 0.1, 0.05)[agency]):
        street_type = ""
    if dice.falls(0.05):
        direction = ""
    number = place.number + (2 * dice.number(1, 3) if dice.falls(0.03) else 0)
    address = f"{number} {direction} {place.street} {street_type}"
    if agency == 2:
        address += f" Chicago IL {place.zip}"
    row["Address"] = " ".join(address.split())
    if agency in (1, 3) and not dice.falls(0.1):
        row["Zip"] = place.zip
    if not dice.falls((0.1, 0.25, 0.15, 0.2)[agency]):
        row["Phone"] = place.organisation.phone if dice.falls(0.08) else place.phone
    return row


def _own_of_place(place: Place, dice: Dice) -> Row:
    """Draw what an agency knows of a place, the same in all its rows there."""
    organisation = place.organisation
    return {
        "Neighborhood": f"Area {int(place.zip) % 77}",
        "Ward": str(int(place.zip) % 50),
        "Provider ID": dice.digits(9),
        "Agency": organisation.name,
        "Fax": dice.digits(7) if dice.falls(0.5) else "",
        "County": "Cook",
        "License until": f"201{dice.number(2, 5)}-{dice.number(1, 12):02}-01",
        "Director": place.director,
        "Executive Director": organisation.director,
        "Grantee code": f"05CH{dice.digits(4)}",
        "Delegate": organisation.name if dice.falls(0.5) else "",
        "Website": organisation.website,
        "Email Address": f"info@{organisation.website[4:]}" if dice.falls(0.6) else "",
        "Accredited until": f"201{dice.number(3, 7)}-{dice.number(1, 12):02}-28",
        "Accreditation Id": dice.digits(6),
        "Center Director": place.director if dice.falls(0.7) else "",
    }


def _own_of_program(dice: Dice) -> Row:
    """Draw what differs between the programmes of a place."""
    return {
        "Program Name": dice.one(PROGRAMS),
        "Length of Day": dice.one(DAYS),
        "Ages served": dice.one(["3-5", "0-3", "0-5", ""]),
        "Accepts vouchers": dice.one(["Yes", "No", ""]),
        "Funded Enrollment": str(17 * dice.number(1, 8)),
        "Program Option": dice.one(OPTIONS),
        "Number per site": str(dice.number(1, 6)),
        "Head Start Fund": dice.one(["X", ""]),
        "Early Head Start Fund": dice.one(["X", "", ""]),
        "Progmod": dice.one(["HS FD", "HS PD", "EHS CB", "COLLAB"]),
        "Available Programs": dice.one(["Preschool", "Infant", "Toddler", "Infant, Toddler"]),
    }
