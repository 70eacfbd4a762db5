from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from er_pipeline.blocking.spec.dated_paths import (
    checked_date,
    day_in,
    glob_of,
    is_dated,
    label_of,
    path_of,
    path_problem,
)

PATHS = {
    "people_{date}.parquet": ("people_2026-11-01.parquet", "people"),
    "people_{date:%Y%m%d}.csv": ("people_20261101.csv", "people"),
    "in/{date:%Y}/{date:%m}/{date:%d}/people.csv": ("in/2026/11/01/people.csv", "people"),
    "in/people/dt={date}/*.csv": ("in/people/dt=2026-11-01/*.csv", "people"),
    "{date}/people_{date}.csv": ("2026-11-01/people_2026-11-01.csv", "people"),
    "shop/people/{date}.csv.gz": ("shop/people/2026-11-01.csv.gz", "people"),
    "s3://bucket/crm/{date}/*.parquet?region=x": (
        "s3://bucket/crm/2026-11-01/*.parquet?region=x",
        "crm",
    ),
    "{date}.csv": ("2026-11-01.csv", "snapshots"),
}


@pytest.mark.parametrize("path", PATHS)
def test_a_date_is_written_into_a_path_and_the_rest_names_the_source(path: str) -> None:
    written, label = PATHS[path]
    assert is_dated(path)
    assert not is_dated(written)
    assert path_of(path, "2026-11-01") == written
    assert label_of(path) == label
    assert path_problem(path) is None


@given(st.dates(), st.sampled_from([path for path in PATHS if "?" not in path]))
def test_what_was_written_into_a_path_is_read_out_of_it(day: date, path: str) -> None:
    place = path_of(path, day.isoformat()).replace("*", "part-0")
    assert day_in(path, place) == day.isoformat()


@pytest.mark.parametrize(
    "place",
    [
        "people_2026-11-31.csv",
        "people_2026-1-1.csv",
        "people_latest.csv",
        "people_2026-11-01.csv.bak",
        "old_people_2026-11-01.csv",
    ],
)
def test_other_files_beside_are_of_no_date(place: str) -> None:
    assert day_in("people_{date}.csv", place) is None


def test_the_parts_of_a_date_agree_and_a_folder_is_of_its_date() -> None:
    assert day_in("{date}/people_{date}.csv", "2026-11-01/people_2026-11-02.csv") is None
    assert day_in("crm/{date}", "crm/2026-11-01/part-0.parquet") == "2026-11-01"
    assert day_in("**/crm/{date}/*.csv", "a/b/crm/2026-11-01/x.csv") == "2026-11-01"
    assert glob_of("crm/{date:%Y%m%d}/*.csv") == "crm/*/*.csv"


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        ("people_{date:%B}.csv", "use %Y, %m and %d"),
        ("people_{date:today}.csv", "use %Y, %m and %d"),
        ("people_{date:%Y%m}.csv", "the date lacks %d"),
        ("https://example.org/people_{date}.csv", "a web server's cannot"),
    ],
)
def test_a_wrong_date_in_a_path_names_the_cure(path: str, cure: str) -> None:
    assert cure in (path_problem(path) or "")


def test_a_date_is_one_of_the_calendar() -> None:
    assert checked_date("2026-11-01") == "2026-11-01"
    for wrong in ("2026-11-31", "20261101", "today", ""):
        with pytest.raises(ValueError, match="write one such as 2026-11-01"):
            checked_date(wrong)
