"""Which records the night before cleaned already, and when all are cleaned anew."""

import random
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.records.cleaned_before import CONTENTS, hash_contents
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.conftest import made_up_people
from er_pipeline_tests.nights import Nights
from er_pipeline_tests.rebuilt_nights import FIELDS, OF_HISTORY, Person, edited, settings_of

UNTIL = "true_pairs"
MADE = ("cleaned_records", "rejected_records", CONTENTS.name, "true_clusters")


def nights_of(folder: Path, mode: str = "dedupe", **more: Any) -> Nights:
    return Nights(folder, {**settings_of("caps", mode), "labels": None, **more})


def taken_over(nights: Nights, *files: list[Person], **options: Any) -> int | str:
    """Run a night; give how many records it took over, or why none."""
    facts = nights.night(*files, until=UNTIL, **options).facts("cleaned_records")
    found: int | str = (
        facts["taken_over"] if "taken_over" in facts else facts.get("done_in_full", "")
    )
    return found


@pytest.fixture
def people(tmp_path: Path) -> list[Person]:
    return made_up_people(tmp_path, 60)


@pytest.mark.parametrize("mode", ["dedupe", "link", "link_and_dedupe"])
def test_after_random_edits_records_are_those_of_a_rebuild(tmp_path: Path, mode: str) -> None:
    rng = random.Random(f"cleaned {mode}")
    people = made_up_people(tmp_path, 160)
    pool = people[120:]
    n_sources = 1 if mode == "dedupe" else 2
    files = [people[i:120:n_sources] for i in range(n_sources)]
    nights = nights_of(tmp_path / "nights", mode)
    for night in range(4):
        n_taken = taken_over(nights, *files)
        assert bool(n_taken) == (night > 0), n_taken
        rebuilt = nights_of(tmp_path / f"rebuilt-{night}", mode)
        rebuilt.night(*files, until=UNTIL, publish=False)
        for table in MADE:
            assert nights.rows(table) == rebuilt.rows(table), table
        facts = [lake.facts("cleaned_records") for lake in (nights.lake, rebuilt.lake)]
        one, other = ({k: v for k, v in f.items() if k not in OF_HISTORY} for f in facts)
        assert one == other
        files = [[respelt(row, rng) for row in edited(rows, rng, pool)] for rows in files]


def respelt(row: Person, rng: random.Random) -> Person:
    """Write a record otherwise now and then: alike once clean, or emptied."""
    field = rng.choice([*FIELDS, "person_id"])
    value, chance = row[field], rng.random()
    if value is None or chance > 0.1:
        return row
    return {**row, field: "n/a" if chance < 0.03 else f" {value.upper()} "}


def test_only_records_that_stand_otherwise_are_cleaned(
    tmp_path: Path, people: list[Person]
) -> None:
    nights = nights_of(tmp_path / "nights")
    assert taken_over(nights, people) == ""
    respelt_one = [{**people[0], "city": f" {people[0]['city']}"}, *people[1:]]
    assert taken_over(nights, respelt_one) == len(people) - 1
    assert nights.lake.facts("cleaned_records")["records"] == len(people)


def test_rows_in_another_order_are_the_same_records(tmp_path: Path, people: list[Person]) -> None:
    nights = nights_of(tmp_path / "nights")
    taken_over(nights, people)
    assert taken_over(nights, people[::-1][:50]) == 50


def test_other_settings_of_cleaning_clean_all_anew(tmp_path: Path, people: list[Person]) -> None:
    nights = nights_of(tmp_path / "nights")
    taken_over(nights, people)
    nights.settings["cleaning"] = {"phone_region": "DE"}
    assert "otherwise than by the last good run" in str(taken_over(nights, people))


def test_a_column_that_is_read_otherwise_is_cleaned_anew(tmp_path: Path) -> None:
    nights = Nights(
        tmp_path,
        {
            "sources": [{"path": "0.csv", "record_id": "id"}],
            "fields": {"name": "text", "born": "date"},
            "strategies": {"name": "name"},
        },
    )
    days: list[Person] = [
        {"id": f"{i}", "name": "ann", "born": f"0{i}/04/2020"} for i in range(1, 10)
    ]
    nights.night(days, until="cleaned_records")
    assert nights.rows("cleaned_records")[1][-1] == "2020-02-04"
    # One day beyond 12 shows that the day comes first, in all other rows as well.
    more: list[Person] = [*days, {"id": "a", "name": "bob", "born": "25/04/2020"}]
    lake = nights.night(more, until="cleaned_records")
    assert "read otherwise" in lake.facts("cleaned_records")["done_in_full"]
    assert nights.rows("cleaned_records")[1][-1] == "2020-04-02"


def test_a_full_run_takes_nothing_over(tmp_path: Path, people: list[Person]) -> None:
    nights = nights_of(tmp_path / "nights")
    taken_over(nights, people)
    assert taken_over(nights, people, full=True) == ""


def test_of_other_records_all_are_cleaned(tmp_path: Path, people: list[Person]) -> None:
    nights = nights_of(tmp_path / "nights")
    taken_over(nights, people[:30])
    assert str(taken_over(nights, people[20:])).startswith("only 25% of the records")


def test_values_that_run_into_each_other_are_other_contents() -> None:
    rows = [("1", "ab", "c"), ("1", "a", "bc"), ("1", None, "2:bc"), ("1", "2:bc", None)]
    rows += [("1", "-", None), ("1", None, "-"), ("1", "", None), ("1", None, None)]
    with DuckDBEngine(threads=1) as engine:
        engine.execute(
            "create table raw (source_no smallint, record_id varchar, a varchar, b varchar)"
        )
        for row in rows:
            engine.execute("insert into raw values (0, ?, ?, ?)", row)
        hash_contents(engine, "raw", ["a", "b"])
        (n_contents,) = engine.row("select count(distinct content) from raw_contents")
    assert n_contents == len(rows)
