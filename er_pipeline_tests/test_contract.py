from pathlib import Path

import duckdb
import pytest

from er_pipeline.blocking.tables.contract import judge_contract
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import Table
from er_pipeline.flow import flow
from er_pipeline_tests.conftest import Dataset, Rows

PEOPLE: Rows = [
    {"id": "1", "last": "lee", "words": "a b", "person_id": "p"},
    {"id": "2", "last": "lee", "words": None, "person_id": "p"},
    {"id": "3", "last": None, "words": "b", "person_id": ""},
]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    people = Dataset(
        tmp_path_factory.mktemp("people"),
        [PEOPLE],
        strategies={"last": "last", "words": "tokens(words)"},
        truth={"cluster_column": "person_id"},
    )
    people.make("blocking_report")
    people.make("pair_changes")
    return people


def table_of(people: Dataset, name: str) -> Table:
    return next(table for step in flow(people.spec) for table in step.writes if table.name == name)


def test_every_table_of_a_run_fits_its_contract(people: Dataset) -> None:
    tables = [table for step in flow(people.spec) for table in step.writes]
    assert sorted(table.name for table in tables) == people.lake.tables()
    with DuckDBEngine(threads=2) as engine:
        for table in tables:
            verdict = judge_contract(engine, people.lake, [table])
            assert verdict.passed, verdict.text
            assert table.about
            assert all(column.description for column in table.columns)


@pytest.mark.parametrize(
    ("table", "sql", "told"),
    [
        ("unified_pairs", "select * replace (left_no::bigint as left_no) from old", "columns are"),
        ("unified_pairs", "select * replace ((-1)::int as left_no) from old", "left_no: "),
        ("unified_pairs", "select * replace (0::bigint as strategy_mask) from old", "mask: "),
        ("unified_pairs", "select * replace (null::int as right_no) from old", "right_no: "),
        ("unified_pairs", "select * exclude (strategy_mask) from old", "columns are"),
        ("unified_pairs", "select *, 1 as more from old", "columns are"),
        ("unified_pairs", "select right_no, left_no, strategy_mask from old", "col"),
        ("filtered_blocks", "select * replace ('nobody' as strategy) from old", "strategy: isin"),
        ("blocks_last", "select * replace (' ' as block_key) from old", "no blank key"),
        ("dropped_blocks", "select * replace ('bored' as reason) from old", "reason: isin"),
        ("cleaned_records", "select * replace (null::varchar as record_id) from old", "record_id"),
        ("em_training_rules", "select * replace ((-1)::bigint as pairs) from old", "pairs: "),
    ],
)
def test_a_breach_of_contract_is_told(
    people: Dataset, tmp_path: Path, table: str, sql: str, told: str
) -> None:
    broken = Lake(tmp_path, "people")
    with DuckDBEngine(threads=2) as engine:
        people.lake.open(engine, table, "old")
        with broken.writing(table) as draft:
            engine.write(sql, draft.file())
        verdict = judge_contract(engine, broken, [table_of(people, table)])
    assert not verdict.passed
    assert verdict.severity == "error"
    assert told in verdict.text


def test_the_contract_of_a_long_table_is_held_on_spread_rows(
    people: Dataset, tmp_path: Path
) -> None:
    long = Lake(tmp_path, "people")
    with DuckDBEngine(threads=2) as engine:
        with long.writing("true_pairs") as draft:
            engine.write(
                "select i::int as left_no, (i + 1)::int as right_no from range(25000) as t(i)",
                draft.file(),
            )
        verdict = judge_contract(engine, long, [table_of(people, "true_pairs")])
    assert verdict.passed
    assert 5_000 < verdict.numbers["rows_looked_at"] <= 10_000
    assert "of 25,000 rows" in verdict.text


def test_fields_that_may_be_empty_are_the_only_ones_not_required(people: Dataset) -> None:
    columns = table_of(people, "cleaned_records").columns
    assert {column.name for column in columns if not column.required} == {"last", "words"}


def test_a_table_is_read_by_any_other_program(people: Dataset) -> None:
    files = people.lake.path("unified_pairs") / "*.parquet"
    pairs = duckdb.read_parquet(str(files)).order("all").project("left_no, right_no")
    assert pairs.fetchall() == [(0, 1), (0, 2)]
