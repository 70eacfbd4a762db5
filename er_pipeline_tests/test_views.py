from functools import partial
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.tables.table import View
from er_pipeline.blocking.tables.views import (
    all_columns,
    pairs_by_id,
    records_by_id,
    some_columns,
    with_records,
)
from er_pipeline.flow import flow
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.test_flow import DECLARED

# Two sources share an id; where each table is read from is not its own name.
TABLES = {
    "cleaned_records": "select * from (values (0, 'x', 'shop'), (1, 'it''s', 'shop'),"
    " (2, 'x', 'web')) as t(record_no, record_id, source)",
    "blocks": "select * from (values ('k', 2), ('k', 0)) as t(block_key, record_no)",
    "pairs": "select * from (values (0, 1, 1::bigint, 0.5), (0, 2, 6::bigint, 0.25),"
    " (1, 2, 0::bigint, 0.75)) as t(left_no, right_no, strategy_mask, similarity)",
    "scored": "select * from (values (0, 2, 9.5), (0, 1, 3.5)) as t(left_no, right_no, weight)",
    "rules": "select * from (values (1, 'second rule'), (0, 'first rule')) as t(rule_no, rule)",
    "odd": """select 1 as "se""lect", 2 as "b c", 3 as d""",
}


@pytest.fixture
def engine(engine: DuckDBEngine) -> DuckDBEngine:
    """Give an engine that has the tables."""
    for table, sql in TABLES.items():
        engine.make_table(f"lake of {table}", sql)
    return engine


def shown(engine: DuckDBEngine, view: View) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Give the names of a view's columns and its rows in order."""
    sql = view({table: quoted(f"lake of {table}") for table in TABLES})
    return [name for name, _ in engine.described(sql)], engine.rows(f"from ({sql}) order by all")


def test_a_table_is_shown_as_it_lies_in_the_lake(engine: DuckDBEngine) -> None:
    assert shown(engine, all_columns("blocks")) == (
        ["block_key", "record_no"],
        [("k", 0), ("k", 2)],
    )


def test_some_columns_are_shown_in_the_given_order_whatever_their_names(
    engine: DuckDBEngine,
) -> None:
    assert shown(engine, some_columns("odd", ["d", 'se"lect'])) == (["d", 'se"lect'], [(3, 1)])


def test_records_are_shown_by_id_and_source(engine: DuckDBEngine) -> None:
    assert shown(engine, with_records("blocks", ["block_key"])) == (
        ["block_key", "record_id", "source"],
        [("k", "x", "shop"), ("k", "x", "web")],
    )
    assert shown(engine, with_records("blocks", []))[0] == ["record_id", "source"]


def test_columns_may_stand_after_the_record(engine: DuckDBEngine) -> None:
    view = partial(records_by_id, table="blocks", before=[], after=["record_no", "block_key"])
    assert shown(engine, view) == (
        ["record_id", "source", "record_no", "block_key"],
        [("x", "shop", 0, "k"), ("x", "web", 2, "k")],
    )


def test_pairs_are_shown_by_the_ids_of_both_records_with_the_sources_last(
    engine: DuckDBEngine,
) -> None:
    columns, rows = shown(
        engine,
        pairs_by_id(
            "pairs",
            before=["p.similarity"],
            before_strategies=["p.left_no as one"],
            strategies=["it's", "b", "c"],
            after=["p.right_no as other"],
        ),
    )
    assert columns == [
        *["similarity", "left_id", "right_id", "one", "strategies", "other"],
        *["left_source", "right_source"],
    ]
    assert [(float(row[0]), *row[1:]) for row in rows] == [
        (0.25, "x", "x", 0, ["b", "c"], 2, "shop", "web"),
        (0.5, "x", "it's", 0, ["it's"], 1, "shop", "shop"),
        (0.75, "it's", "x", 1, [], 2, "shop", "web"),
    ]


def test_without_strategies_there_is_no_list_of_them(engine: DuckDBEngine) -> None:
    assert shown(engine, pairs_by_id("scored"))[0] == [
        *["left_id", "right_id", "left_source", "right_source"]
    ]


def test_learned_rules_have_the_bits_after_the_strategies_in_the_order_of_their_numbers(
    engine: DuckDBEngine,
) -> None:
    _, rows = shown(engine, pairs_by_id("pairs", strategies=["a"], rules="rules"))
    assert sorted(row[2] for row in rows) == [[], ["a"], ["first rule", "second rule"]]
    _, rows = shown(engine, pairs_by_id("pairs", strategies=[], rules="rules"))
    assert sorted(row[2] for row in rows) == [[], ["first rule"], ["second rule"]]


def test_the_mask_may_be_that_of_another_table_of_the_same_pairs(engine: DuckDBEngine) -> None:
    view = pairs_by_id("scored", strategies=["a", "b", "c"], masks="pairs", after=["p.weight"])
    _, rows = shown(engine, view)
    assert {(row[1], str(row[3])): row[2] for row in rows} == {
        ("it's", "3.5"): ["a"],
        ("x", "9.5"): ["b", "c"],
    }


@pytest.mark.parametrize("declared", DECLARED)
def test_no_table_handed_from_step_to_step_is_shown_to_people(declared: str) -> None:
    fields = {"city": "text", "name": "person_name"}
    steps = flow(small_spec(fields=fields, **DECLARED[declared]))
    tables = [table for step in steps for table in step.writes]
    assert [table.name for table in tables if table.is_internal and table.view] == []
    views = {table.name: table.view for table in tables if table.view}
    places = {table.name: f"read_parquet('lake/{table.name}')" for table in tables}
    internal = {table.name for table in tables if table.is_internal}
    for name, view in views.items():
        read = {table for table, place in places.items() if place in view(places)}
        assert name in read
        assert not read & internal, f"the view {name} reads {read & internal}"
