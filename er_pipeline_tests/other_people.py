"""People to test on that `generated_people` did not make, so that nothing fits one generator.

A register of households in Australian style: homes -> persons -> records -> file. Every text is a
row of bytes in a numpy matrix, and a typo moves bytes. Three files show the register:

- households: all of it; relatives share surname, home and often the phone
- wide: five of its columns among twenty that say nothing about the person
- large_clusters: a log of visits, where some people stand a hundred times

The file depends on n_records, seed and the versions of the libraries. 1,000,000 records take 3 to 5
CPU s, and 350 MB of memory at the peak (2026-11).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from er_pipeline_tests.other_people_draws import (
    Columns,
    Numbers,
    Rng,
    as_column,
    number_groups,
    padded,
    pick,
)
from er_pipeline_tests.other_people_noise import make_no_noise, make_noise
from er_pipeline_tests.other_people_records import write_down
from er_pipeline_tests.other_people_register import draw_register

# fmt: off
CHUNK_RECORDS = 100_000  # drawn and written at a time: some 200 MB
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
# fmt: on


def write_households(path: Path, n_records: int, seed: int) -> Path:
    """Write a population register as CSV; return the path.

    Columns: id, those of HOUSEHOLD_KINDS, person_id. An empty field is a missing value. Of the
    persons 35% have two to six records, lying anywhere; every one but the first is damaged.
    """
    rng = np.random.default_rng(seed)
    person_of_record = number_groups(pick(HOUSEHOLD_RECORDS, n_records, rng), n_records)
    n_damages = pick(N_DAMAGES, n_records, rng)
    return _write(path, person_of_record, n_damages, list(HOUSEHOLD_KINDS), make_no_noise, rng)


def write_wide(path: Path, n_records: int, seed: int) -> Path:
    """Write five columns of people among twenty of noise as CSV; return the path.

    Columns: id, those of WIDE_KINDS, person_id. Of the persons 40% have two or three records.
    No noise says who a person is: most of it is drawn anew for every record, or nearly constant,
    or follows the place in the file; status always differs between the records of a person.
    """
    rng = np.random.default_rng(seed)
    person_of_record = number_groups(pick(WIDE_RECORDS, n_records, rng), n_records)
    n_damages = pick(N_DAMAGES, n_records, rng)
    return _write(path, person_of_record, n_damages, list(WIDE_KINDS)[:5], make_noise, rng)


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
    sizes = np.where(is_large, many, pick(FEW_RECORDS, n_records, rng))
    person_of_record = number_groups(sizes, n_records)
    in_log = is_large[person_of_record]
    n_damages = np.where(
        in_log, pick(N_DAMAGES_IN_LOG, n_records, rng), pick(N_DAMAGES, n_records, rng)
    )
    return _write(path, person_of_record, n_damages, list(LARGE_CLUSTER_KINDS), make_no_noise, rng)


def _write(
    path: Path,
    person_of_record: Numbers,
    n_damages: Numbers,
    columns: list[str],
    make_noise: Callable[[Numbers, Numbers, Rng], Columns],
    rng: Rng,
) -> Path:
    n_records = len(person_of_record)
    register = draw_register(int(person_of_record[-1]) + 1, rng)
    first_record = np.searchsorted(person_of_record, person_of_record)
    place = np.arange(n_records) - first_record  # among the records of the person
    shuffled = rng.permutation(n_records)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start in range(0, n_records, CHUNK_RECORDS):
            record = shuffled[start : start + CHUNK_RECORDS]
            person = person_of_record[record]
            row_no = np.arange(start, start + len(record))
            written = write_down(register, person, place[record], n_damages[record], rng)
            table = {"id": as_column(np.strings.add(b"r", padded(row_no, 8)))}
            table |= {column: written[column] for column in columns}
            table |= make_noise(row_no, person + place[record], rng)
            table["person_id"] = pa.array(person)
            options = pyarrow.csv.WriteOptions(include_header=start == 0)
            pyarrow.csv.write_csv(pa.table(table), file, options)
    return path
