"""What holds of any engine, tried on the one that is always there."""

import inspect

import numpy as np
import pyarrow as pa
import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine

ASKED = [name for name, value in vars(Engine).items() if inspect.isfunction(value)]
METHODS = [name for name in ASKED if not name.startswith("_")]


@pytest.mark.parametrize("method", METHODS)
def test_an_engine_takes_the_parameters_that_steps_give_with_the_same_defaults(method: str) -> None:
    asked = inspect.signature(getattr(Engine, method)).parameters
    taken = inspect.signature(getattr(DuckDBEngine, method)).parameters
    assert [(p.name, p.kind, p.default) for p in taken.values()] == [
        (p.name, p.kind, p.default) for p in asked.values()
    ]


def test_values_in_memory_become_a_table_and_come_back(engine: DuckDBEngine) -> None:
    engine.put("t", {"n": np.array([1, 2], np.int32), "x": np.array([0.5, np.inf], np.float32)})
    assert engine.described("from t") == [("n", "INTEGER"), ("x", "FLOAT")]
    assert engine.arrow("from t").to_pydict() == {"n": [1, 2], "x": [0.5, float("inf")]}
    engine.put("t", pa.table({"name": pa.array(["a", None], pa.string())}))
    assert engine.rows("from t") == [("a",), (None,)]
    assert engine.frame("from t")["name"].isna().tolist() == [False, True]


def test_a_column_with_nulls_is_a_masked_array(engine: DuckDBEngine) -> None:
    found = engine.columns("select * from (values (1, 2), (null, 3)) as t(few, filled)")
    assert np.ma.getmaskarray(found["few"]).tolist() == [False, True]
    assert not np.ma.getmaskarray(found["filled"]).any()


def test_rows_are_appended_column_by_column_in_their_order(engine: DuckDBEngine) -> None:
    engine.make_table("t", "select 1 as a, 2 as b")
    engine.append("t", "select 3 as b, 4 as a")
    assert engine.rows("from t order by a") == [(1, 2), (3, 4)]
    engine.drop("t")
    engine.make_view("t", "select 5 as a")
    assert engine.row("select a from t") == (5,)


def test_the_hash_of_a_text_is_a_whole_number_below_2_to_the_64_for_each_text(
    engine: DuckDBEngine,
) -> None:
    n, least, most = engine.row(
        f"select count(distinct h), min(h), max(h) from"
        f" (select {engine.row_hash('i::varchar')} as h from range(10000) as t(i))"
    )
    assert n == 10_000
    assert 0 <= least < 2**54
    assert 2**64 - 2**54 < most < 2**64


def test_mapping_nothing_makes_an_empty_table(engine: DuckDBEngine) -> None:
    engine.map_distinct("upper_names", "select null::varchar", str.upper)
    assert engine.rows("select value, result from upper_names") == []


def test_mapping_again_replaces_the_table(engine: DuckDBEngine) -> None:
    engine.map_distinct("upper_names", "select 'old'", str.upper)
    engine.map_distinct("upper_names", "select 'new'", str.upper)
    assert engine.rows("select * from upper_names") == [("new", "NEW")]


def test_an_error_of_the_function_is_not_swallowed(engine: DuckDBEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        engine.map_distinct("upper_names", "select 'a'", lambda value: str(1 // 0))


def test_the_fingerprint_does_not_depend_on_the_order_of_rows(engine: DuckDBEngine) -> None:
    engine.make_table("up", "select i, i::varchar as id from range(1000) as t(i)")
    engine.make_table("down", "from up order by i desc")
    assert engine.fingerprint("up", ("i", "id")) == engine.fingerprint("down", ("i", "id"))


@pytest.mark.parametrize(
    "changed",
    [
        "(0, 'a'), (1, 'b'), (2, 'x')",  # another value
        "(0, 'b'), (1, 'a'), (2, 'c')",  # two ids change places
        "(0, 'a'), (1, 'b')",
        "(0, 'a'), (1, 'b'), (2, 'c'), (3, 'd')",
        "(0, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (3, 'd')",  # a pair that xor alone cancels out
        "(0, 'a'), (1, 'b'), (2, null)",
    ],
)
def test_the_fingerprint_changes_with_the_rows(engine: DuckDBEngine, changed: str) -> None:
    engine.make_table("old", "select * from (values (0, 'a'), (1, 'b'), (2, 'c')) as t(no, id)")
    engine.make_table("new", f"select * from (values {changed}) as t(no, id)")
    assert engine.fingerprint("old", ("no", "id")) != engine.fingerprint("new", ("no", "id"))
