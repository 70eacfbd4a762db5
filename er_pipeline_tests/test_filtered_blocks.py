from collections.abc import Callable

import pytest

from er_pipeline.blocking.blocks.filtered_blocks import filter_blocks
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline_tests.conftest import Dataset, Rows, write_csv

# Last names: lee 3 times, may twice, kim once; cities: one of 5, one of 1; pat has neither.
PEOPLE: Rows = [
    {"id": "1", "last": "lee", "city": "york"},
    {"id": "2", "last": "lee", "city": "york"},
    {"id": "3", "last": "lee", "city": "york"},
    {"id": "4", "last": "may", "city": "york"},
    {"id": "5", "last": "may", "city": "york"},
    {"id": "6", "last": "kim", "city": "bath"},
    {"id": "7", "last": None, "city": None},
]
STRATEGIES = {"last": "last", "city": "city"}


def test_only_blocks_between_min_size_and_cap_are_kept(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES, blocks={"min_size": 3, "max_size": 4})
    people.filter()
    assert people.rows("filtered_blocks", "strategy, block_key, block_size, record_no") == [
        ("last", "lee", 3, 0),
        ("last", "lee", 3, 1),
        ("last", "lee", 3, 2),
    ]


def test_the_ledger_lists_every_drop_most_pairs_first(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES, blocks={"max_size": 4})
    people.filter()
    with DuckDBEngine(threads=2) as engine:
        people.lake.open(engine, "dropped_blocks")
        assert engine.rows("select * from dropped_blocks") == [
            ("city", "york", 5, 10, "oversized", None),
            ("city", "bath", 1, 0, "below_min_size", None),
            ("last", "kim", 1, 0, "below_min_size", None),
        ]


def test_a_block_of_one_source_is_dropped_when_linking(dataset: Callable[..., Dataset]) -> None:
    left: Rows = [{"id": "1", "last": "lee"}, {"id": "2", "last": "lee"}]
    right: Rows = [{"id": "1", "last": "may"}, {"id": "2", "last": "may"}]
    both = dataset(left, [*right, {"id": "3", "last": "may"}], strategies={"last": "last"})
    facts = both.filter()
    assert both.rows("dropped_blocks", "block_key, pairs, reason") == [
        ("lee", 0, "one_source"),
        ("may", 0, "one_source"),
    ]
    assert (facts["pairs"], facts["possible_pairs"]) == (0, 6)
    assert facts["records_sharing_a_key"] == facts["records_in_a_block"] == 0


def test_blocks_of_other_records_are_refused(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES)
    people.filter()
    before = people.lake.version("filtered_blocks")
    write_csv(people.folder / "people.csv", PEOPLE[:5])
    people.clean()
    with (
        DuckDBEngine(threads=2) as engine,
        pytest.raises(LakeError, match="blocks_last was made from an older cleaned_records"),
    ):
        filter_blocks(engine, people.lake, people.spec)
    assert people.lake.version("filtered_blocks") == before
