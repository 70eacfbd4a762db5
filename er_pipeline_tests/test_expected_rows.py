from collections.abc import Callable

import pytest

from er_pipeline.blocking.records.expected_rows import ExpectedRows, expected_rows
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.flow import flow
from er_pipeline_tests.conftest import Dataset


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Dataset:
    rows = [{"id": str(i), "last": "ann" if i % 2 else None, "size": str(i)} for i in range(20)]
    people = dataset(rows, strategies={"last": "last"}, blocks={"max_size": 50})
    people.make("unified_pairs")
    return people


def looked_at(people: Dataset, table: str, *columns: str, most: int = 100) -> ExpectedRows:
    (declared,) = (step.writes[0] for step in flow(people.spec) if step.name == table)
    with DuckDBEngine(threads=2) as engine:
        return expected_rows(engine, people.lake, declared, columns, most)


def test_only_the_columns_asked_for_are_fetched(people: Dataset) -> None:
    rows = looked_at(people, "cleaned_records", "last", "record_id", "gone", "last")
    assert list(rows.frame.columns) == ["last", "record_id"]
    assert rows.columns == ["record_id", "source", "last", "size", "record_no"]
    assert rows.are_all
    assert rows.frame["last"].isna().sum() == 10


def test_of_a_long_table_a_sample_is_looked_at_the_same_every_time(people: Dataset) -> None:
    rows = looked_at(people, "cleaned_records", "record_no", most=7)
    assert rows.frame["record_no"].tolist() == [0, 3, 6, 9, 12, 15, 18]
    assert (rows.n_rows, rows.are_all) == (20, False)


def test_a_table_is_looked_at_as_people_see_it(people: Dataset) -> None:
    rows = looked_at(people, "unified_pairs", "left_id", "strategies")
    assert {tuple(names) for names in rows.frame["strategies"]} == {("last",)}
    assert rows.n_rows == len(rows.frame) == 45
    sampled = looked_at(people, "unified_pairs", "left_id", "right_id", most=9)
    again = looked_at(people, "unified_pairs", "left_id", "right_id", most=9)
    assert 0 < len(sampled.frame) < 45
    assert sampled.frame.equals(again.frame)


def test_without_columns_rows_are_still_counted(people: Dataset) -> None:
    assert looked_at(people, "cleaned_records").n_rows == 20
