"""The other generated people: what tests and benchmarks that use them rely on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import phonenumbers
import pytest
from duckdb import DuckDBPyConnection

from er_pipeline.blocking.values.cleaning import KINDS
from er_pipeline_tests import other_people
from er_pipeline_tests.other_people import (
    HOUSEHOLD_KINDS,
    HOUSEHOLD_RECORDS,
    LARGE_CLUSTER_KINDS,
    LARGE_CLUSTER_SIZES,
    WIDE_KINDS,
    WIDE_RECORDS,
    write_households,
    write_large_clusters,
    write_wide,
)

Write = Callable[[Path, int, int], Path]

N_RECORDS = 20_000
FILES: dict[str, tuple[Write, dict[str, str]]] = {
    "households": (write_households, HOUSEHOLD_KINDS),
    "wide": (write_wide, WIDE_KINDS),
    "large_clusters": (write_large_clusters, LARGE_CLUSTER_KINDS),
}
NOISE = list(WIDE_KINDS)[5:]
every_file = pytest.mark.parametrize("name", FILES)


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    """Every file as a table of texts, and <file>_pairs: its true pairs, as structs l and r."""
    folder = tmp_path_factory.mktemp("other_people")
    with duckdb.connect() as con:
        for name, (write, _) in FILES.items():
            path = str(write(folder / f"{name}.csv", N_RECORDS, 1))
            con.execute(f"create table {name} as from read_csv(?, all_varchar = true)", [path])
            con.execute(
                f"""
                create view {name}_pairs as
                select l, r from {name} as l
                join {name} as r on l.person_id = r.person_id and l.id < r.id
                """
            )
        yield con


def value(con: DuckDBPyConnection, expression: str, source: str) -> float:
    [(only,)] = con.sql(f"select {expression} from {source}").fetchall()
    return float(only)


def share(con: DuckDBPyConnection, condition: str, source: str) -> float:
    """Share of the rows for which the condition holds; those where it is NULL do not count."""
    return value(con, f"avg(({condition})::integer)", source)


def sizes(name: str) -> str:
    return f"(select count(*) as size from {name} group by person_id)"


@every_file
def test_columns_are_the_id_those_with_a_kind_and_the_truth(
    con: DuckDBPyConnection, name: str
) -> None:
    _, kinds = FILES[name]
    assert con.table(name).columns == ["id", *kinds, "person_id"]
    assert set(kinds.values()) <= set(KINDS)


@every_file
def test_there_are_as_many_records_as_asked_for_each_with_its_own_id(
    con: DuckDBPyConnection, name: str
) -> None:
    assert value(con, "count(*)", name) == N_RECORDS
    assert value(con, "count(distinct id)", name) == N_RECORDS
    assert share(con, "person_id is not null", name) == 1


@every_file
@pytest.mark.parametrize("n_records", [1, 2, 7])
def test_a_handful_of_records_works(tmp_path: Path, name: str, n_records: int) -> None:
    write, _ = FILES[name]
    path = write(tmp_path / "new folder" / "few.csv", n_records, 5)
    assert value(duckdb.connect(), "count(*)", f"'{path}'") == n_records


@every_file
def test_a_seed_gives_the_same_bytes_and_another_seed_other_people(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_people, "CHUNK_RECORDS", 800)  # so there are three chunks
    write, _ = FILES[name]
    first, again, other = (
        write(tmp_path / f"{i}.csv", 2_000, seed).read_bytes() for i, seed in enumerate([3, 3, 4])
    )
    assert first == again
    assert first != other
    assert first.count(b"person_id") == 1  # the header stands once


@pytest.mark.parametrize(
    ("name", "planned"), [("households", HOUSEHOLD_RECORDS), ("wide", WIDE_RECORDS)]
)
def test_persons_have_as_many_records_as_planned(
    con: DuckDBPyConnection, name: str, planned: dict[int, float]
) -> None:
    found = con.sql(
        f"select size, count(*) / sum(count(*)) over () from {sizes(name)} group by size"
    ).fetchall()
    assert {size: float(part) for size, part in found} == pytest.approx(planned, abs=0.015)


def test_two_in_a_hundred_people_of_the_log_have_50_to_200_records(
    con: DuckDBPyConnection,
) -> None:
    least, most = LARGE_CLUSTER_SIZES
    clusters = sizes("large_clusters")
    assert value(con, "max(size)", clusters) <= most
    # the last person drawn may have lost some
    assert value(con, f"count(*) filter (size > 3 and size < {least})", clusters) <= 1
    assert 0.013 < share(con, "size > 3", clusters) < 0.027
    assert 0.5 < value(con, "sum(size) filter (size > 3) / sum(size)", clusters) < 0.75


def test_records_of_the_log_are_repeats_or_nearly(con: DuckDBPyConnection) -> None:
    columns = ", ".join(LARGE_CLUSTER_KINDS)
    repeats = f"""(
        select count(*) as size, count(distinct ({columns})) as different
        from large_clusters group by person_id having size > 3
    )"""
    assert 0.15 < value(con, "sum(different) / sum(size)", repeats) < 0.35
    # of a hundred records each
    pairs = "large_clusters_pairs"
    assert share(con, "l.surname = r.surname", pairs) > 0.8
    assert share(con, "l.birth_date = r.birth_date", pairs) > 0.95


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [  # of the pairs with both values; measured .67, .63, .64, .70, .88, .93, .60, .62
        ("given_name", 0.62, 0.74),
        ("surname", 0.57, 0.69),
        ("street", 0.58, 0.70),
        ("suburb", 0.63, 0.76),
        ("state", 0.83, 0.94),
        ("birth_date", 0.88, 0.97),
        ("phone", 0.53, 0.68),  # not always written in the same way
        ("email", 0.56, 0.70),
    ],
)
def test_copies_in_the_register_are_damaged(
    con: DuckDBPyConnection, column: str, low: float, high: float
) -> None:
    same = share(con, f"l.{column} = r.{column}", "households_pairs")
    assert low < same < high, f"{same:.3f} of the pairs agree on {column}"


def test_some_copies_have_no_damage_and_one_in_five_has_many(con: DuckDBPyConnection) -> None:
    differences = " + ".join(
        f"(l.{column} is distinct from r.{column})::integer"
        for column in HOUSEHOLD_KINDS
        if column not in ("phone", "national_id")  # differ without a damage
    )
    pairs = f"""(
        select {differences} as n from households_pairs where l.person_id in (
            select person_id from households group by person_id having count(*) = 2
        )
    )"""
    assert 0.05 < share(con, "n = 0", pairs) < 0.25
    assert 0.12 < share(con, "n >= 5", pairs) < 0.35


def test_who_moves_changes_suburb_and_postcode_too(con: DuckDBPyConnection) -> None:
    moved = """households_pairs
        where jaro_winkler_similarity(l.street, r.street) < 0.6
            and l.postcode is not null and r.postcode is not null"""
    assert 0.05 < value(con, f"(select count(*) from {moved}) / count(*)", "households_pairs") < 0.2
    assert share(con, "l.postcode <> r.postcode", moved) > 0.9
    assert share(con, "l.suburb <> r.suburb", moved) > 0.9
    assert 0.4 < share(con, "l.phone[-4:] <> r.phone[-4:]", moved) < 0.8


def test_names_are_swapped_now_and_then(con: DuckDBPyConnection) -> None:
    swapped = "l.given_name = r.surname and l.surname = r.given_name"
    assert 0.003 < share(con, swapped, "households_pairs") < 0.03


def test_people_who_live_together_share_surname_and_often_the_phone(
    con: DuckDBPyConnection,
) -> None:
    housemates = """households as l join households as r
        using (house_number, street, suburb, postcode) where l.person_id < r.person_id"""
    assert value(con, "count(*)", housemates) > 0.3 * N_RECORDS
    assert 0.4 < share(con, "l.surname = r.surname", housemates) < 0.75  # .7 but for damages
    assert 0.1 < share(con, "l.phone = r.phone", housemates) < 0.35
    assert share(con, "l.birth_date = r.birth_date", housemates) < 0.02
    namesakes = f"{housemates} and l.given_name = r.given_name and l.surname = r.surname"
    assert value(con, "count(*)", namesakes) > 5


def test_most_people_have_no_national_id_and_nobody_shares_one(con: DuckDBPyConnection) -> None:
    assert 0.58 < share(con, "national_id is null", "households") < 0.62
    persons = "(select count(distinct person_id) as n from households group by national_id)"
    assert value(con, "count(*) filter (n = 2)", persons) < 5


def test_surnames_follow_zipf_and_grow_with_the_register(
    con: DuckDBPyConnection, tmp_path: Path
) -> None:
    most_frequent = (
        "(select count(*) as n from households where surname is not null group by surname)"
    )
    assert 0.006 < value(con, "max(n)", most_frequent) / N_RECORDS < 0.016
    few = write_households(tmp_path / "few.csv", N_RECORDS // 8, 1)
    n_few = value(con, "count(distinct surname)", f"'{few}'")
    n_many = value(con, "count(distinct surname)", "households")
    assert n_few > 500
    assert n_many > 2.5 * n_few


@every_file
def test_phones_are_australian_and_dates_are_digits(con: DuckDBPyConnection, name: str) -> None:
    phones = con.sql(f"select phone from {name} where phone is not null limit 500").fetchall()
    n_valid = 0
    for (phone,) in phones:
        try:
            number = phonenumbers.parse(phone, "AU")
        except phonenumbers.NumberParseException:
            continue
        n_valid += phonenumbers.is_valid_number_for_region(number, "AU")
    assert n_valid > 0.93 * len(phones)
    assert share(con, "regexp_full_match(birth_date, '[12][0-9]{7}')", name) == 1
    exists = "try_strptime(birth_date, '%Y%m%d') is not null"
    assert (
        0.985
        < share(con, f"{exists} and birth_date is not null", f"{name} where birth_date is not null")
        < 1
    )


def test_noise_says_nothing_about_the_person(con: DuckDBPyConnection) -> None:
    """Whom a record is about must not show in it: no more than in two records of two people."""
    strangers = "wide as l positional join (from wide offset 1) as r"
    for column in NOISE:
        if column in ("status", "loaded_at", "batch_no"):  # these follow the file or the copy
            continue
        agrees = f"l.{column} is not distinct from r.{column}"
        expected = pytest.approx(share(con, agrees, strangers), abs=0.04)
        assert share(con, agrees, "wide_pairs") == expected, column
    assert share(con, "l.status = r.status", "wide_pairs") == 0
    assert share(con, "l.batch_no = r.batch_no", "wide_pairs") < 0.08


def test_noise_is_of_every_sort(con: DuckDBPyConnection) -> None:
    for column in ("active_flag", "consent_flag", "deceased_flag"):
        counts = f"(select count(*) as n from wide group by {column})"
        assert 0.94 < value(con, "max(n)", counts) / N_RECORDS < 0.96
    assert 0.985 < share(con, "country = 'Australia'", "wide") < 0.995
    for column in ("fax", "legacy_code", "remark"):
        assert 0.97 < share(con, f"{column} is null", "wide") < 0.99
    for column in ("inserted_at", "score", "row_no"):
        assert value(con, f"count(distinct {column})", "wide") > 0.999 * N_RECORDS
    for column in ("loaded_at", "batch_no"):
        assert value(con, f"count(distinct {column})", "wide") == N_RECORDS / 1000
    assert share(con, "row_no = id[2:]::integer::varchar", "wide") == 1
    assert value(con, "count(distinct note)", "wide") > 0.9 * N_RECORDS
