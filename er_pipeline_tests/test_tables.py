from pathlib import Path

import duckdb
import pytest
from er_pipeline.blocking.tables.contracts import columns_of, judge_contract

from er_pipeline.blocking.blocks.em_training_blocks import build_em_training_blocks
from er_pipeline.blocking.records.true_pairs import write_true_pairs
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.blocking_report import evaluate
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
    people.pair()
    with DuckDBEngine(threads=2) as engine:
        write_true_pairs(engine, people.lake, people.spec)
        build_em_training_blocks(engine, people.lake, people.spec)
        evaluate(engine, people.lake, people.spec)
    return people


def test_every_table_of_a_run_fits_its_contract(people: Dataset) -> None:
    tables = [table for table in people.lake.tables() if table != "record_codes"]
    assert len(tables) == 13
    with DuckDBEngine(threads=2) as engine:
        for table in tables:
            verdict = judge_contract(engine, people.lake, people.spec, table)
            assert verdict.passed, verdict.text
            assert all(column.description for column in columns_of(table, people.spec))


def test_a_name_that_is_no_table_has_no_columns(people: Dataset) -> None:
    for name in ("blocks_unknown", "pairs", "record_codes"):
        with pytest.raises(KeyError):
            columns_of(name, people.spec)


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
        verdict = judge_contract(engine, broken, people.spec, table)
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
        verdict = judge_contract(engine, long, people.spec, "true_pairs")
    assert verdict.passed
    assert 5_000 < verdict.numbers["rows_looked_at"] <= 10_000
    assert "of 25,000 rows" in verdict.text


def test_fields_that_may_be_empty_are_the_only_ones_not_required(people: Dataset) -> None:
    optional = {
        column.name for column in columns_of("cleaned_records", people.spec) if not column.required
    }
    assert optional == {"last", "words", "true_cluster"}


def test_a_table_is_read_by_any_other_program(people: Dataset) -> None:
    files = people.lake.path("unified_pairs") / "*.parquet"
    pairs = duckdb.read_parquet(str(files)).order("all").project("left_no, right_no")
    assert pairs.fetchall() == [(0, 1), (0, 2)]
