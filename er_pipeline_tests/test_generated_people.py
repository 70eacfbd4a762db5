"""The generated people: what a benchmark that uses them relies on."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import phonenumbers
import pytest
from duckdb import DuckDBPyConnection

from er_pipeline.blocking.records.generated_people import write_people

N_RECORDS = 20_000


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("people") / "people.csv"
    n_persons = write_people(path, n_records=N_RECORDS, seed=1)
    with duckdb.connect() as con:
        con.execute("create table people as from read_csv(?, all_varchar = true)", [str(path)])
        con.execute("create table written as select ? as n_persons", [n_persons])
        yield con


def value(con: DuckDBPyConnection, expression: str, source: str = "people") -> float:
    [(only,)] = con.sql(f"select {expression} from {source}").fetchall()
    return float(only)


def test_file_has_the_header_and_exactly_the_records_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "people.csv"
    write_people(path, n_records=1_234, seed=3)
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    assert header == "id,first_name,last_name,email,company,phone,birth_date,city,person_id"
    assert len(lines) == 1_234
    assert [entry.name for entry in path.parent.iterdir()] == ["people.csv"]


@pytest.mark.parametrize("n_records", [1, 2, 7])
def test_a_handful_of_records_works(tmp_path: Path, n_records: int) -> None:
    n_persons = write_people(tmp_path / "few.csv", n_records=n_records, seed=5)
    persons = duckdb.execute(f"select person_id from '{tmp_path}/few.csv'").fetchall()
    assert len(persons) == n_records
    assert len(set(persons)) == n_persons


@pytest.mark.parametrize("n_records", [-1, 0, 10_000_001])
def test_number_of_records_outside_the_limits_is_refused(tmp_path: Path, n_records: int) -> None:
    with pytest.raises(ValueError, match=r"n_records must be in 1\.\.10_000_000, got"):
        write_people(tmp_path / "people.csv", n_records=n_records, seed=1)
    assert not list(tmp_path.iterdir())


def test_a_seed_gives_the_same_bytes_whatever_the_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "er_pipeline.blocking.records.generated_people.CHUNK_RECORDS", 4_000
    )  # so there are three chunks
    connect = duckdb.connect
    files = []
    for n_threads in (1, 4):
        monkeypatch.setattr(
            "er_pipeline.blocking.records.generated_people.duckdb.connect",
            lambda n_threads=n_threads: connect(config={"threads": n_threads}),
        )
        write_people(tmp_path / "people.csv", n_records=10_000, seed=7)
        files.append((tmp_path / "people.csv").read_bytes())
    assert files[0] == files[1]


def test_another_seed_gives_other_people(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_people(tmp_path / f"{seed}.csv", n_records=100, seed=seed)
    assert (tmp_path / "1.csv").read_bytes() != (tmp_path / "2.csv").read_bytes()


def test_ids_are_unique_and_the_returned_number_counts_the_persons(
    people: DuckDBPyConnection,
) -> None:
    assert value(people, "count(distinct id)") == N_RECORDS
    assert value(people, "count(distinct person_id)") == value(people, "n_persons", "written")


def test_nearly_half_of_the_records_have_a_duplicate(people: DuckDBPyConnection) -> None:
    sizes = "(select count(*) as size from people group by person_id)"
    assert 0.42 < value(people, "sum(size) filter (size > 1) / sum(size)", sizes) < 0.50
    assert value(people, "max(size)", sizes) == 5


def test_duplicates_lie_apart_and_are_damaged(people: DuckDBPyConnection) -> None:
    pairs = "people as l join people as r on l.person_id = r.person_id and l.id < r.id"
    distance = "median(r.id[2:]::integer - l.id[2:]::integer)"
    assert 0.2 * N_RECORDS < value(people, distance, pairs) < 0.4 * N_RECORDS
    for field, low, high in [
        ("first_name", 0.4, 0.85),
        ("last_name", 0.5, 0.85),
        ("email", 0.4, 0.75),
        ("phone", 0.05, 0.4),  # written in another way, mostly
        ("birth_date", 0.6, 0.9),
        ("city", 0.6, 0.9),
    ]:
        same = value(people, f"avg((l.{field} = r.{field})::integer)", pairs)
        assert low < same < high, f"{field}: {same:.3f} of pairs with both values agree"


def test_last_names_are_as_skewed_as_in_the_census(people: DuckDBPyConnection) -> None:
    smiths = value(people, "avg((lower(last_name) = 'smith')::integer)")
    assert 0.006 < smiths < 0.013  # 1.006% in the census, less international names and typos
    assert value(people, "count(distinct last_name)") > 0.2 * N_RECORDS


def test_some_names_have_accents(people: DuckDBPyConnection) -> None:
    accented = value(people, "avg((last_name <> strip_accents(last_name))::integer)")
    assert 0.02 < accented < 0.08


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("first_name", 0.005, 0.02),
        ("last_name", 0.002, 0.01),
        ("email", 0.09, 0.13),
        ("company", 0.17, 0.22),
        ("phone", 0.14, 0.18),
        ("birth_date", 0.07, 0.10),
        ("city", 0.04, 0.07),
    ],
)
def test_fields_are_missing_as_often_as_planned(
    people: DuckDBPyConnection, field: str, low: float, high: float
) -> None:
    assert low < value(people, f"avg(({field} is null)::integer)") < high


def test_half_of_the_emails_are_free_mail_and_few_persons_share_one(
    people: DuckDBPyConnection,
) -> None:
    free = "regexp_matches(email, '@(gmail|yahoo|hotmail|outlook|aol|icloud)[.]com$', 'i')"
    assert 0.45 < value(people, f"avg({free}::integer)") < 0.60
    persons = "(select count(distinct person_id) as n from people group by lower(email))"
    assert value(people, "avg((n > 1)::integer)", persons) < 0.01


def test_phones_are_valid_us_numbers_but_for_typos_and_placeholders(
    people: DuckDBPyConnection,
) -> None:
    phones = people.sql("select phone from people where phone is not null limit 500").fetchall()
    n_valid = 0
    for (phone,) in phones:
        try:
            number = phonenumbers.parse(phone, "US")
        except phonenumbers.NumberParseException:  # "n/a"
            continue
        n_valid += phonenumbers.is_valid_number_for_region(number, "US")
    assert n_valid > 0.96 * len(phones)


def test_birth_dates_are_those_of_adults(people: DuckDBPyConnection) -> None:
    born = (
        "(select try_cast(birth_date as date) as born from people where birth_date <> '1900-01-01')"
    )
    assert 1920 < value(people, "min(year(born))", born) < 1940
    assert 2005 < value(people, "max(year(born))", born) <= 2010
