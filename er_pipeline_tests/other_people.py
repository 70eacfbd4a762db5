"""People to test on that `generated_people` did not make, so that nothing fits one generator.

A register of households in Australian style: homes -> persons -> records -> file. Every text is a
row of bytes in a numpy matrix, and a typo moves bytes. Three files show the register:

- households: all of it; relatives share surname, home and often the phone
- wide: five of its columns among twenty that say nothing about the person
- large_clusters: a log of visits, where some people stand a hundred times

The file depends on n_records, seed and the versions of the libraries. 1,000,000 records take 3 to 5
CPU s, and 350 MB of memory at the peak (2026-11).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

CHUNK_RECORDS = 100_000  # drawn and written at a time: some 200 MB

# fmt: off
HOUSEHOLD_KINDS = {  # field: kind, as `fields` of a defs.yaml declares it; for phone_region AU
    "given_name": "person_name", "surname": "person_name", "house_number": "identifier",
    "street": "address", "suburb": "text", "postcode": "identifier", "state": "identifier",
    "birth_date": "date", "phone": "phone", "email": "email", "national_id": "identifier",
}
WIDE_KINDS = {  # a moment is a text, as the kind date would leave only its day
    "given_name": "person_name", "surname": "person_name", "birth_date": "date", "city": "text",
    "phone": "phone",
    # noise from here on
    "active_flag": "text", "consent_flag": "text", "deceased_flag": "text", "country": "text",
    "segment": "identifier", "channel": "text", "branch": "identifier", "tier": "identifier",
    "status": "text", "score": "text", "balance": "text", "risk": "text", "note": "text",
    "inserted_at": "text", "loaded_at": "text", "batch_no": "identifier", "row_no": "identifier",
    "fax": "phone", "legacy_code": "identifier", "remark": "text",
}
LARGE_CLUSTER_KINDS = {
    "given_name": "person_name", "surname": "person_name", "birth_date": "date", "email": "email",
    "city": "text", "phone": "phone",
}

# Records of a person: share of the persons.
HOUSEHOLD_RECORDS = {1: 0.65, 2: 0.25, 3: 0.07, 4: 0.018, 5: 0.008, 6: 0.004}
WIDE_RECORDS = {1: 0.6, 2: 0.28, 3: 0.12}
FEW_RECORDS = {1: 0.65, 2: 0.25, 3: 0.10}
LARGE_CLUSTER_SHARE = 0.02
LARGE_CLUSTER_SIZES = (50, 200)

# Damages of a copy: share of the copies. Light ones have two on average, heavy ones five to seven.
N_DAMAGES = {0: 0.08, 1: 0.2, 2: 0.24, 3: 0.2, 4: 0.08, 5: 0.1, 6: 0.06, 7: 0.04}
N_DAMAGES_IN_LOG = {0: 0.65, 1: 0.27, 2: 0.08}

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
SECOND_TYPO = 0.2  # of the typos: another one in the same value
PHONE_CHANGES = 0.6  # of those who move

HOUSEHOLD_SIZES = {1: 0.27, 2: 0.35, 3: 0.16, 4: 0.14, 5: 0.06, 6: 0.02}
SAME_SURNAME, HOME_PHONE, MOBILE_AT_HOME = 0.85, 0.5, 0.3
TWIN, NAMED_LIKE_PARENT = 0.03, 0.02  # of the children
COMPACT_PHONE = 0.15  # of the records: written without blanks

GIVEN_NAMES = """olivia jack amelia oliver charlotte noah isla william mia thomas grace james ella
    george emily henry sophie harry ruby charlie lucy samuel chloe joshua jessica benjamin hannah
    alexander sarah daniel emma matthew georgia joseph kate michael anna david rebecca christopher
    elizabeth andrew margaret robert patricia peter susan john christine paul jennifer mark helen
    stephen julie anthony karen ian linda kenneth michelle graham deborah colin sandra keith janet
    brian barbara alan jane kevin nicole gary amanda philip tracey simon louise nigel rachel craig
    victoria stuart catherine timothy katherine edward alice frederick florence albert edith ernest
    doris walter gladys arthur phyllis leonard joan ronald jean raymond beryl hugh fiona angus
    heather duncan morag rhys megan gareth bronwyn dylan cerys declan niamh liam caitlin mohammed
    aisha raj priya wei mei nguyen linh giovanni maria nikos eleni ahmed fatima dimitri olga"""
SURNAMES = """smith jones williams brown taylor wilson johnson white martin anderson thompson
    nguyen thomas walker harris lee ryan robinson kelly king davis wright evans roberts green hall
    wood jackson clarke patel khan lewis james phillips mason mitchell rose davies rodriguez cox
    alexander morgan singh li chen wang zhang liu tran pham campbell stewart scott murray macdonald
    reid ross mackenzie fraser hamilton graham ferguson gordon cameron kennedy murphy obrien
    sullivan oconnor mccarthy doyle byrne gallagher doherty moore hill allen young turner edwards
    collins cooper parker bennett cook bailey baker carter shaw richardson watson hughes price
    griffiths owen lloyd rees powell jenkins howell barker webb hunt palmer mills knight matthews
    barnes chapman ellis fisher hunter dixon harvey pearson gibson simpson marshall russell butler
    foster holmes gray lawrence armstrong black grant spencer payne stone hart fox dunn perry
    bishop pearce burton dawson newton francis tucker west lane hopkins rogers saunders day adams
    papadopoulos rossi russo schneider kowalski novak petrov silva santos cohen ali hussain ahmed
    begum kaur sharma gupta kim park tanaka suzuki ivanov hansen jensen larsen vanderberg deboer"""
NICKNAMES = {
    "william": "bill", "thomas": "tom", "james": "jim", "charlotte": "lottie", "henry": "harry",
    "samuel": "sam", "joshua": "josh", "jessica": "jess", "benjamin": "ben", "alexander": "alex",
    "daniel": "dan", "matthew": "matt", "joseph": "joe", "michael": "mick", "rebecca": "bec",
    "christopher": "chris", "elizabeth": "liz", "andrew": "andy", "margaret": "peggy",
    "robert": "bob", "patricia": "trish", "susan": "sue", "christine": "tina", "stephen": "steve",
    "jennifer": "jenny", "anthony": "tony", "kenneth": "ken", "michelle": "shelly",
    "deborah": "deb", "barbara": "barb", "amanda": "mandy", "philip": "phil", "victoria": "vicky",
    "catherine": "cathy", "katherine": "kate", "timothy": "tim", "edward": "ted", "david": "dave",
    "frederick": "fred", "albert": "bert", "ronald": "ron", "raymond": "ray", "leonard": "len",
}
STREETS = """church station victoria george high king queen albert william john park railway mill
    main wellington york london bridge the_grove green manor kings queens alexandra elizabeth
    charles edward napier nelson wattle banksia acacia grevillea kookaburra ocean beach harbour
    river lake hill valley forest garden rose oak elm ash cedar pine willow chestnut school market
    chapel college hospital cemetery north south east west new old first second third fourth"""
STREET_TYPES = "street road avenue lane court drive crescent place close way terrace parade"
SUBURBS = """richmond newtown kingston brighton preston hamilton windsor croydon epping kensington
    chelsea camberwell ashfield burwood parramatta blacktown liverpool penrith bankstown hurstville
    manly bondi coogee randwick marrickville glebe balmain leichhardt ryde hornsby gosford newcastle
    wollongong geelong ballarat bendigo footscray sunshine brunswick coburg northcote reservoir
    dandenong frankston mornington toowoomba ipswich cairns townsville mackay rockhampton bundaberg
    logan redcliffe caboolture nambour glenelg norwood unley salisbury elizabeth gawler fremantle
    rockingham mandurah joondalup midland armadale bunbury hobart launceston devonport canberra
    belconnen darwin palmerston st_albans st_leonards mount_gambier alice_springs port_augusta"""
STATES = {  # share, first digit of postcodes, area code and first digit of phones
    "nsw": (0.32, 2, 29), "vic": (0.26, 3, 39), "qld": (0.2, 4, 73), "wa": (0.1, 6, 89),
    "sa": (0.07, 5, 88), "tas": (0.02, 7, 36), "act": (0.02, 2, 26), "nt": (0.01, 0, 89),
}
MOBILES = (400_000_000, 440_000_000)  # without the zero in front; all of them are in use
ONSETS = """b br c ch cl cr d dr f fl fr g gl gr h j k kn l m n p pr qu r rh s sc sh sl sm sp st sw
    t th tr v w wh z"""
VOWELS = "a e i o u ai ea ee ie oo ou y"
MIDDLES = "b d g l ll m n nd nn p r rr rt s st t tt th v ck x"
CODAS = """ck d ff ford gh h kins l land ld ley ll low man mer mm n nd ner nt r rd rs s sey son ss
    ston t ter th ton well worth x by den don ham"""
EMAIL_DOMAINS = {
    "gmail.com": 0.4, "hotmail.com": 0.15, "bigpond.com": 0.12, "outlook.com.au": 0.1,
    "yahoo.com.au": 0.08, "icloud.com": 0.06, "optusnet.com.au": 0.05, "btinternet.com": 0.04,
}

# What is heard alike, and what scanners take for one another; either way round.
SOUNDS = """ph-f ck-k c-k ie-y ee-ea ei-ai mac-mc z-s v-w gh-g ll-l tt-t nn-n rr-r oo-u ou-ow th-t
    qu-kw x-ks er-ar or-er dg-j a-e i-e ey-y wh-w kn-n"""
LOOKS = "l-1 o-0 m-rn i-l s-5 b-8 d-cl g-9 z-2 vv-w h-b e-c u-v n-h 1-7 3-8 6-0 5-6"
KEYBOARD = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
TYPO_KINDS = {  # share of the typos
    "sound": 0.3, "look": 0.15, "next_key": 0.2, "swap": 0.15, "drop": 0.15, "double": 0.05,
}

NOTE_WORDS = """called back left message requested update please confirm new customer payment
    received invoice sent by post account review pending follow up next week no answer address
    checked email bounced spoke to partner wants quote delivery late refund issued thanks see file
    closed open again priority low high visit planned moved maybe"""
STATUSES = ("new", "open", "checked", "merged", "closed", "archived")

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
FIRST_MOMENT = np.datetime64("2024-03-01T08:00:00.000000")

Texts = NDArray[np.bytes_]
Numbers = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]
Columns = dict[str, Any]
Rng = np.random.Generator


def write_households(path: Path, n_records: int, seed: int) -> Path:
    """Write a population register as CSV; return the path.

    Columns: id, those of HOUSEHOLD_KINDS, person_id. An empty field is a missing value. Of the
    persons 35% have two to six records, lying anywhere; every one but the first is damaged.
    """
    rng = np.random.default_rng(seed)
    person_of_record = _repeat(_pick(HOUSEHOLD_RECORDS, n_records, rng), n_records)
    n_damages = _pick(N_DAMAGES, n_records, rng)
    return _write(path, person_of_record, n_damages, list(HOUSEHOLD_KINDS), _no_noise, rng)


def write_wide(path: Path, n_records: int, seed: int) -> Path:
    """Write five columns of people among twenty of noise as CSV; return the path.

    Columns: id, those of WIDE_KINDS, person_id. Of the persons 40% have two or three records.
    No noise tells who a person is: most of it is drawn anew for every record, or nearly constant,
    or follows the place in the file; status always differs between the records of a person.
    """
    rng = np.random.default_rng(seed)
    person_of_record = _repeat(_pick(WIDE_RECORDS, n_records, rng), n_records)
    n_damages = _pick(N_DAMAGES, n_records, rng)
    return _write(path, person_of_record, n_damages, list(WIDE_KINDS)[:5], _noise, rng)


def write_large_clusters(path: Path, n_records: int, seed: int) -> Path:
    """Write a merged log of visits as CSV; return the path.

    Columns: id, those of LARGE_CLUSTER_KINDS, person_id. Of the persons 2% have 50 to 200 records,
    together near two thirds of all: three in four repeat another one, the others differ a little.
    The other persons have one to three records, damaged as in the register. The last person drawn
    may have fewer records than its share, as the file is full.
    """
    rng = np.random.default_rng(seed)
    is_large = rng.random(n_records) < LARGE_CLUSTER_SHARE
    least, most = LARGE_CLUSTER_SIZES
    many = rng.integers(least, most + 1, n_records)
    sizes = np.where(is_large, many, _pick(FEW_RECORDS, n_records, rng))
    person_of_record = _repeat(sizes, n_records)
    in_log = is_large[person_of_record]
    n_damages = np.where(
        in_log, _pick(N_DAMAGES_IN_LOG, n_records, rng), _pick(N_DAMAGES, n_records, rng)
    )
    return _write(path, person_of_record, n_damages, list(LARGE_CLUSTER_KINDS), _no_noise, rng)


@dataclass(frozen=True)
class _Register:
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


def _write(
    path: Path,
    person_of_record: Numbers,
    n_damages: Numbers,
    columns: list[str],
    make_noise: Callable[[Numbers, Numbers, Rng], Columns],
    rng: Rng,
) -> Path:
    n_records = len(person_of_record)
    register = _draw_register(int(person_of_record[-1]) + 1, rng)
    first_record = np.searchsorted(person_of_record, person_of_record)
    place = np.arange(n_records) - first_record  # among the records of the person
    shuffled = rng.permutation(n_records)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start in range(0, n_records, CHUNK_RECORDS):
            record = shuffled[start : start + CHUNK_RECORDS]
            person = person_of_record[record]
            row_no = np.arange(start, start + len(record))
            written = _write_down(register, person, place[record], n_damages[record], rng)
            table = {"id": _texts(np.strings.add(b"r", _padded(row_no, 8)))}
            table |= {column: written[column] for column in columns}
            table |= make_noise(row_no, person + place[record], rng)
            table["person_id"] = pa.array(person)
            options = pyarrow.csv.WriteOptions(include_header=start == 0)
            pyarrow.csv.write_csv(pa.table(table), file, options)
    return path


# Drawing the register


def _draw_register(n_persons: int, rng: Rng) -> _Register:
    # vocabularies grow with the people, surnames fastest (Heaps' law)
    given_names = _vocabulary(GIVEN_NAMES, 200 + int(15 * n_persons**0.4), rng)
    surnames = _vocabulary(SURNAMES, 400 + int(60 * n_persons**0.55), rng)
    suburbs = _vocabulary(SUBURBS, 150 + int(2 * n_persons**0.5), rng)
    roads = _vocabulary(STREETS, 200 + int(5 * n_persons**0.5), rng)
    types = np.array(STREET_TYPES.encode().split())
    # the first type is the most frequent, and so are the first roads
    streets = np.strings.add(np.strings.add(np.repeat(roads, 4), b" "), _take_each(types, roads))
    shares = {state: share for state, (share, _, _) in STATES.items()}
    state_of_suburb = _pick_rows(shares, len(suburbs), rng)
    _, first_digits, _ = (np.array(column) for column in zip(*STATES.values(), strict=True))
    postcodes = 1000 * first_digits[state_of_suburb] + rng.integers(0, 900, len(suburbs))

    sizes = _pick(HOUSEHOLD_SIZES, n_persons, rng)
    household = _repeat(sizes, n_persons)
    n_households = int(household[-1]) + 1
    homes = np.zeros(n_households + n_persons, dtype=HOME)
    homes["number"] = np.minimum(1 + rng.geometric(0.02, len(homes)), 999)
    homes["street"] = _zipf(len(streets), 30, len(homes), rng)
    homes["suburb"] = _zipf(len(suburbs), 20, len(homes), rng)
    homes["phone"] = _draw_phones(state_of_suburb[homes["suburb"]], rng)
    return _Register(
        persons=_draw_persons(household, homes, len(given_names), len(surnames), rng),
        homes=homes,
        given_names=given_names,
        nicknames=_nicknames(given_names),
        surnames=surnames,
        streets=np.strings.replace(streets, b"_", b" "),
        suburbs=np.strings.replace(suburbs, b"_", b" "),
        state_of_suburb=state_of_suburb,
        postcodes=_padded(postcodes, 4),
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
    persons["given"] = _zipf(n_given_names, 10, n_persons, rng)
    surname = _zipf(n_surnames, 12, n_persons, rng)  # the first has 1%
    is_namesake = is_child & happens(NAMED_LIKE_PARENT)
    shares_surname = happens(SAME_SURNAME) | is_namesake
    persons["surname"] = np.where(shares_surname, surname[head], surname)
    persons["married"] = _zipf(n_surnames, 12, n_persons, rng)
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
    persons["email"] = _draw_emails(n_persons, rng)
    persons["national_id"] = rng.integers(10**8, 10**9, n_persons)
    return persons


def _draw_phones(state: Numbers, rng: Rng) -> Numbers:
    """Draw the phones of homes: nine digits, those of the state first; some have a mobile."""
    starts = np.array([start for _, _, start in STATES.values()])
    n_phones = len(state)
    landline = starts[state] * 10_000_000 + rng.integers(0, 10_000_000, n_phones)
    mobile = rng.integers(*MOBILES, n_phones)
    return np.where(rng.random(n_phones) < MOBILE_AT_HOME, mobile, landline)


def _draw_emails(n_emails: int, rng: Rng) -> NDArray[np.void]:
    emails = np.zeros(n_emails, dtype=EMAIL)
    emails["shape"] = rng.integers(0, 5, n_emails)
    emails["number"] = rng.integers(1, 1000, n_emails)
    emails["domain"] = _pick_rows(EMAIL_DOMAINS, n_emails, rng)
    return emails


def _vocabulary(common: str, n_words: int, rng: Rng) -> Texts:
    """The common words, most frequent first, then invented ones; all different."""
    words: Texts = np.array(common.encode().split())
    onsets, vowels, middles, codas = (
        np.array(syllables.encode().split()) for syllables in (ONSETS, VOWELS, MIDDLES, CODAS)
    )
    while len(words) < n_words:
        n = 2 * n_words
        is_long = rng.random(n) < 0.6
        middle = np.strings.add(rng.choice(middles, n), rng.choice(vowels, n))
        parts = (
            rng.choice(onsets, n),
            rng.choice(vowels, n),
            np.where(is_long, middle, np.bytes_(b"")),
            rng.choice(codas, n),
        )
        invented = parts[0]
        for part in parts[1:]:
            invented = np.strings.add(invented, part)
        words = np.concatenate([words, invented])
        _, first = np.unique(words, return_index=True)
        words = words[np.sort(first)]
    return words[:n_words]


def _take_each(types: Texts, roads: Texts) -> Texts:
    """Four different types for each road, beginning with another one each time."""
    row = np.arange(len(roads))[:, None] + np.arange(4)
    taken: Texts = types[(row % len(types)).ravel()]
    return taken


def _nicknames(given_names: Texts) -> Texts:
    """Per given name its nickname; where none is known, its first letters: gwenallin -> gwen."""
    known = {name.encode(): nickname.encode() for name, nickname in NICKNAMES.items()}
    return np.array([known.get(name, name[:4]) for name in given_names.tolist()])


# Writing records down


def _write_down(
    register: _Register, person: Numbers, place: Numbers, n_damages: Numbers, rng: Rng
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
    emails = np.where(does["change_email"], _draw_emails(n_records, rng), persons["email"])

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
        "phone": _write_phones(phone, rng),
        "email": _write_emails(given, maiden, emails),
        "national_id": persons["national_id"].astype("S"),
    }
    for column in TYPOS:
        written[column] = _mistype(written[column], does[f"mistype {column}"], rng)
    given, surname, is_swapped = written["given_name"], written["surname"], does["swap_names"]
    written["given_name"] = np.where(is_swapped, surname, given)
    written["surname"] = np.where(is_swapped, given, surname)

    missing = {"national_id": rng.random(n_records) < NO_NATIONAL_ID}
    for column, percent in MISSING.items():
        misses_at_first = rng.random(n_records) < MISSING_IN_FIRST * percent / 100
        missing[column] = np.where(is_first, misses_at_first, does[f"miss {column}"])
    columns: Columns = {column: _texts(written[column], missing[column]) for column in written}
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
    return _as_texts(letters)


def _write_phones(phone: Numbers, rng: Rng) -> Texts:
    digits = _padded(phone, 10)
    letters = digits.view(np.uint8).reshape(len(digits), 10)
    blank = np.full((len(digits), 1), ord(" "), dtype=np.uint8)
    # 0412 345 678, but 02 9123 4567
    mobile = np.hstack([letters[:, :4], blank, letters[:, 4:7], blank, letters[:, 7:]])
    landline = np.hstack([letters[:, :2], blank, letters[:, 2:6], blank, letters[:, 6:]])
    spaced = np.where(phone // 10**8 == 4, _as_texts(mobile), _as_texts(landline))
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


# Typos


def _mistype(texts: Texts, is_mistyped: Flags, rng: Rng) -> Texts:
    """Misspell the texts that are marked, once or twice."""
    rows = np.flatnonzero(is_mistyped)
    wider = texts.astype(f"S{texts.dtype.itemsize + 4}")  # the two letters that a typo may add
    wider[rows] = _misspell(wider[rows], rng)
    rows = rows[rng.random(len(rows)) < SECOND_TYPO]
    wider[rows] = _misspell(wider[rows], rng)
    return wider


def _misspell(texts: Texts, rng: Rng) -> Texts:
    kind = np.array(list(TYPO_KINDS))[_pick_rows(TYPO_KINDS, len(texts), rng)]
    misspelt = texts.copy()
    for pairs, of_kind in ((SOUNDS, "sound"), (LOOKS, "look")):
        rows = np.flatnonzero(kind == of_kind)
        misspelt[rows] = _respell(texts[rows], pairs, rng)
        kind[rows[misspelt[rows] == texts[rows]]] = "drop"  # nothing to mistake in it
    return _slip(misspelt, kind, rng)


def _respell(texts: Texts, pairs: str, rng: Rng) -> Texts:
    """Replace a part of each text by what it is taken for, wherever one is found."""
    spellings = [tuple(pair.encode().split(b"-")) for pair in pairs.split()]
    both_ways = spellings + [(heard, spelt) for spelt, heard in spellings]
    respelt = texts.copy()
    for i in rng.permutation(2 * len(both_ways)):
        spelt, heard = both_ways[i % len(both_ways)]
        rows = np.flatnonzero((respelt == texts) & (rng.random(len(texts)) < 0.4))
        if len(rows):  # numpy cannot replace in nothing
            respelt[rows] = np.strings.replace(texts[rows], spelt, heard, 1)
    return respelt


def _slip(texts: Texts, kind: NDArray[np.str_], rng: Rng) -> Texts:
    """Let fingers slip once in each text whose kind tells how: next_key, swap, drop, double."""
    width = texts.dtype.itemsize
    letters = texts.view(np.uint8).reshape(len(texts), width)
    length = np.strings.str_len(texts)
    place = (rng.random(len(texts)) * length).astype(np.int64)
    place = np.where(kind == "swap", np.minimum(place, np.maximum(length - 2, 0)), place)[:, None]
    column = np.arange(width)
    source = column + ((kind == "drop")[:, None] & (column >= place))
    source -= (kind == "double")[:, None] & (column > place)
    swaps = (kind == "swap")[:, None] & (length > 1)[:, None]
    source += swaps & (column == place)
    source -= swaps & (column == place + 1)
    slipped = np.take_along_axis(letters, np.minimum(source, width - 1), axis=1)
    # the last byte is always spare, see `_mistype`: what is drawn in from the right is empty
    rows = np.flatnonzero((kind == "next_key") & (length > 0))
    spot = place[rows, 0]
    slipped[rows, spot] = _next_keys(rng.random(len(rows)) < 0.5, slipped[rows, spot])
    return _as_texts(slipped)


def _next_keys(is_left: Flags, keys: NDArray[np.uint8]) -> NDArray[np.uint8]:
    left, right = np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8)
    for row in KEYBOARD:
        codes = np.frombuffer(row.encode(), dtype=np.uint8)
        left[codes[1:]], left[codes[0]] = codes[:-1], codes[1]
        right[codes[:-1]], right[codes[-1]] = codes[1:], codes[-2]
    return np.where(is_left, left[keys], right[keys])


# Noise


def _no_noise(row_no: Numbers, turn: Numbers, rng: Rng) -> Columns:
    return {}


def _noise(row_no: Numbers, turn: Numbers, rng: Rng) -> Columns:
    """Make the columns of WIDE_KINDS that tell nothing; turn counts on with a person's records."""
    n = len(row_no)

    def mostly(usual: str, share: float, *others: str) -> Any:
        rate = (1 - share) / len(others)
        return _any_of({usual: share, **dict.fromkeys(others, rate)}, n, rng)

    def evenly(*texts: str) -> Any:
        return _any_of(dict.fromkeys(texts, 1.0), n, rng)

    def rarely(texts: Texts) -> Any:
        return _texts(texts, rng.random(n) < 0.98)

    inserted_at = row_no * 7_000_000 + rng.integers(0, 7_000_000, n)  # microseconds
    batch_no = row_no // 1000
    loaded_at = FIRST_MOMENT + batch_no * np.timedelta64(3, "h")
    return {
        "active_flag": mostly("Y", 0.95, "N"),
        "consent_flag": mostly("1", 0.95, "0"),
        "deceased_flag": mostly("false", 0.95, "true"),
        "country": mostly("Australia", 0.99, "New Zealand", "United Kingdom"),
        "segment": evenly(*"ABCDEFGH"),
        "channel": evenly("web", "phone", "shop", "agent", "post"),
        "branch": evenly(*(f"BR{number:03}" for number in range(60))),
        "tier": evenly("1", "2", "3"),
        "status": pa.array(STATUSES).take(pa.array(turn % len(STATUSES))),
        "score": pa.array(rng.random(n)),
        "balance": pa.array(np.round(rng.normal(500, 400, n), 2)),
        "risk": pa.array(np.round(rng.beta(2, 5, n), 4)),
        "note": _notes(n, rng),
        "inserted_at": pa.array(FIRST_MOMENT + inserted_at.astype("timedelta64[us]")),
        "loaded_at": pa.array(loaded_at.astype("datetime64[s]")),
        "batch_no": pa.array(1 + batch_no),
        "row_no": pa.array(row_no),
        "fax": rarely(_write_phones(290_000_000 + rng.integers(0, 10_000_000, n), rng)),
        "legacy_code": rarely(np.strings.add(b"L", rng.integers(0, 10**6, n).astype("S"))),
        "remark": rarely(rng.choice(np.array(NOTE_WORDS.encode().split()), n)),
    }


def _notes(n: int, rng: Rng) -> Any:
    ends = np.concatenate([[0], np.cumsum(rng.integers(3, 11, n))]).astype(np.int32)
    words = NOTE_WORDS.split()
    drawn = pa.array(words).take(pa.array(rng.integers(0, len(words), ends[-1])))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), drawn), " ")


def _any_of(shares: Mapping[str, float], n: int, rng: Rng) -> Any:
    return pa.array(list(shares)).take(pa.array(_pick_rows(shares, n, rng)))


# Numbers and texts


def _draw(weights: NDArray[np.floating[Any]], n: int, rng: Rng) -> Numbers:
    cumulative = np.cumsum(weights)
    return np.searchsorted(cumulative / cumulative[-1], rng.random(n), side="right")


def _zipf(n_words: int, offset: int, n: int, rng: Rng) -> Numbers:
    """Draw rows by the law of Zipf and Mandelbrot: the first ones are about equally frequent."""
    return _draw(1 / np.arange(1 + offset, 1 + offset + n_words), n, rng)


def _pick_rows(shares: Mapping[Any, float], n: int, rng: Rng) -> Numbers:
    return _draw(np.array(list(shares.values())), n, rng)


def _pick(shares: Mapping[int, float], n: int, rng: Rng) -> Numbers:
    return np.array(list(shares))[_pick_rows(shares, n, rng)]


def _repeat(sizes: Numbers, n: int) -> Numbers:
    """Number the groups of these sizes: n numbers, ascending; the last group may be cut."""
    return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[:n]


def _padded(numbers: Numbers, width: int) -> Texts:
    return np.strings.zfill(numbers.astype(f"S{width}"), width)


def _as_texts(letters: NDArray[np.uint8]) -> Texts:
    return np.ascontiguousarray(letters).view(f"S{letters.shape[1]}")[:, 0]


def _texts(texts: Texts, is_missing: Flags | None = None) -> Any:
    # a typo can leave nothing of a text of one letter
    is_empty = texts == b"" if is_missing is None else is_missing | (texts == b"")
    return pa.array(texts, mask=is_empty).cast(pa.string())
