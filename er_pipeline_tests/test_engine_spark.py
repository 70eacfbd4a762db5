"""The engine of a cluster, tried on Sail: what holds of any engine, and its bounds."""

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BudgetError, LakeError
from er_pipeline_tests.test_engine import METHODS
from er_pipeline_tests.two_engines import SAIL, need_sail

need_sail()

from er_pipeline.blocking.tables.engine_spark import SparkEngine  # noqa: E402
from er_pipeline.blocking.tables.spark_session import sail_url  # noqa: E402


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkEngine]:
    few = replace(SAIL, driver_values=3, driver_records=3)
    with SparkEngine(few, tmp_path_factory.mktemp("scratch"), 1) as engine:
        yield engine


def upper(engine: Engine, records: str) -> str:
    return f"select no, upper(name) as name from {records}"


@pytest.mark.parametrize("method", METHODS)
def test_it_takes_the_parameters_that_steps_give_with_the_same_defaults(method: str) -> None:
    asked = inspect.signature(getattr(Engine, method)).parameters
    taken = inspect.signature(getattr(SparkEngine, method)).parameters
    assert [(p.name, p.kind, p.default) for p in taken.values()] == [
        (p.name, p.kind, p.default) for p in asked.values()
    ]


def test_values_in_memory_become_a_table_and_come_back(cluster: SparkEngine) -> None:
    cluster.put("t", {"n": np.array([1, 2], np.int32), "x": np.array([0.5, np.inf], np.float32)})
    assert cluster.described("select * from t") == [("n", "INTEGER"), ("x", "FLOAT")]
    assert cluster.arrow("select * from t").to_pydict() == {"n": [1, 2], "x": [0.5, float("inf")]}
    cluster.put("t", pa.table({"name": pa.array(["a", None], pa.string())}))
    assert cluster.rows("select * from t") == [("a",), (None,)]
    assert cluster.frame("select * from t")["name"].isna().tolist() == [False, True]
    found = cluster.columns("select * from t")
    assert np.ma.getmaskarray(found["name"]).tolist() == [False, True]
    cluster.put("t", {"n": np.arange(3)})
    parts = list(cluster.batches("select n from t order by n", 2))
    assert sorted(n for part in parts for n in part["n"].tolist()) == [0, 1, 2]


def test_rows_are_appended_column_by_column_and_keep_the_types(cluster: SparkEngine) -> None:
    cluster.make_table("t", "select 1 as a, cast(2 as bigint) as b")
    cluster.append("t", "select 3 as b, 4 as a")
    assert cluster.rows("select * from t order by a") == [(1, 2), (3, 4)]
    assert cluster.described("select * from t") == [("a", "INTEGER"), ("b", "BIGINT")]
    cluster.drop("t")
    with pytest.raises(LakeError, match=r"engine: spark: .*\(in: select \* from t\)"):
        cluster.rows("select * from t")


def test_a_table_without_rows_keeps_its_columns(cluster: SparkEngine, tmp_path: Path) -> None:
    cluster.make_table("none", "select 1 as a, 'x' as b where 1 = 0")
    assert cluster.described("select * from none") == [("a", "INTEGER"), ("b", "VARCHAR")]
    cluster.write("select * from none", tmp_path / "part-0.parquet")
    with DuckDBEngine(1) as engine:
        engine.read_folder(tmp_path, "none")
        assert engine.described("from none") == [("a", "INTEGER"), ("b", "VARCHAR")]


def test_what_is_written_is_in_order_from_file_to_file(
    cluster: SparkEngine, tmp_path: Path
) -> None:
    cluster.put("t", {"n": np.random.default_rng(5).permutation(50_000)})
    cluster.write("select n from t order by n", tmp_path / "part-0.parquet")
    with DuckDBEngine(1) as engine:
        engine.read_folder(tmp_path, "t")
        assert engine.columns("select n from t")["n"].tolist() == list(range(50_000))
    with DuckDBEngine(1) as engine:
        engine.put("t", {"n": np.arange(50_000)})
        assert engine.fingerprint("t", ["n"]) == cluster.fingerprint("t", ["n"])


def test_what_follows_from_one_record_is_computed_by_duckdb(cluster: SparkEngine) -> None:
    cluster.put("records", {"no": np.arange(3), "name": np.array(["a", "ß", "ÿ"])})
    made = cluster.record_wise("records", ["no", "name"], upper)
    assert sorted(cluster.rows(made)) == [(0, "A"), (1, "ẞ"), (2, "Ÿ")]
    cluster.make_view("some", "select * from records where no < 2")
    cluster.append("records", "select 3 as no, 'd' as name")
    with pytest.raises(BudgetError, match=r"keys of 4 records.*up to 3; raise spark"):
        cluster.record_wise("records", ["no", "name"], upper)
    assert len(cluster.rows(cluster.record_wise("some", ["no", "name"], upper))) == 2


def test_a_function_of_python_maps_distinct_values_up_to_a_bound(cluster: SparkEngine) -> None:
    cluster.make_table("t", "select 'a' as v union all select 'a' union all select null")
    cluster.map_distinct("mapped", "select v from t", str.upper)
    assert cluster.rows("select value, result from mapped") == [("a", "A")]
    cluster.put("t", {"v": np.array(["a", "b", "c", "d"])})
    with pytest.raises(BudgetError, match=r"4 distinct values.*raise spark: driver_values"):
        cluster.map_distinct("mapped", "select v from t", str.upper)


def test_tables_are_never_changed(cluster: SparkEngine) -> None:
    with pytest.raises(LakeError, match="changes no table: delete from t"):
        cluster.execute("delete from t")


def test_an_engine_leaves_nothing_behind(tmp_path: Path) -> None:
    with SparkEngine(SAIL, tmp_path, 1) as engine:
        engine.make_table("t", "select 1 as a")
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_writes_elsewhere_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sail as a server of its own address; what it writes is taken away, as on another machine.
    elsewhere = replace(SAIL, is_local=False, url=sail_url())
    with SparkEngine(elsewhere, tmp_path, 1) as engine:
        assert engine.row("select 1") == (1,)
        monkeypatch.setattr("er_pipeline.blocking.tables.engine_spark._parquet", lambda folder: [])
        with pytest.raises(LakeError, match=r"what was written to .* is not there"):
            engine.make_table("t", "select 1 as a")
    with pytest.raises(LakeError, match=r"does not share the folder .*by the same path"):
        SparkEngine(elsewhere, tmp_path, 1)


def test_a_lake_whose_path_is_a_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"for a pattern; name another lake"):
        SparkEngine(SAIL, tmp_path / "lake[1]", 1)
