"""What goes to a cluster: translated where engines share it, refused by name where they do not."""

from pathlib import Path

import numpy as np
import pytest

from er_pipeline.blocking.tables.cluster import Cluster
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.spark_sql import (
    REWRITES,
    ClusterSqlError,
    to_spark,
    without_order,
)
from er_pipeline_tests.two_engines import need_sail

REFUSED = {
    "select list(x) from a": ("ArrayAgg", "a join"),
    "select concat(x, y) from a": ("Concat", "||"),
    "create table a as select 1": ("Create", "Engine.make_table"),
    "delete from a": ("Delete", "made anew"),
    "select unnest(string_split(x, ' ')) as x from a": ("Explode", "record_wise"),
    "select x, count(*) from a group by all": ("GroupByAll", "the columns by name"),
    "select any_value(x) from a": ("IgnoreNulls", "min or max"),
    "insert into a select 1": ("Insert", "Engine.append"),
    "select * from a qualify row_number() over (order by x) = 1": ("Qualify", "row_number()"),
    "from read_parquet('a.parquet')": ("ReadParquet", "read_folder"),
    "select * exclude (x) from a": ("StarExcept", "the columns by name"),
    "select list_transform(x, lambda y: y + 1) as x from a": ("Transform", "record_wise"),
    "select * from a where (x, y) in (select x, y from b)": ("Tuple", "semi or anti join"),
    "select * from (values (1)) as t(x)": ("Values", "Engine.put"),
    "select hash(x) from a": ("hash", "row_hash"),
    "select x::hugeint from a": ("type INT128", "bigint"),
    "select jaro_winkler_similarity(x, y) from a": ("JarowinklerSimilarity", ""),
    "select random() from a": ("Rand", ""),
}


@pytest.mark.parametrize("sql", REFUSED)
def test_what_engines_do_not_share_is_refused_by_name_with_what_to_write(sql: str) -> None:
    construct, cure = REFUSED[sql]
    with pytest.raises(ClusterSqlError, match=f"(?i)holds {construct}.*") as error:
        to_spark(sql)
    assert cure in str(error.value)
    assert sql.split()[1] in str(error.value)  # the statement stands in the error


def test_sql_that_nobody_can_read_is_shown() -> None:
    with pytest.raises(ClusterSqlError, match=r"cannot be read \(select from where"):
        to_spark("select from where (")


def test_each_rewrite_is_of_something_that_is_refused() -> None:
    asked = {construct for construct, cure in REFUSED.values() if cure}
    assert set(REWRITES) == asked


@pytest.mark.parametrize(
    ("sql", "spark"),
    [
        ("with a as materialized (select 1 as x) select x from a", "WITH a AS (SELECT"),
        ("select n // 2 as half from a", "DIV"),
        ("select row_number() over () as no from a", "OVER (ORDER BY 1"),
        ('select "order" from a', "`order`"),
        ("select strlen(x) as n from a", "OCTET_LENGTH"),
    ],
)
def test_what_spark_writes_otherwise_is_translated(sql: str, spark: str) -> None:
    assert spark in to_spark(sql)


def test_parts_within_replaced_parts_are_translated_too() -> None:
    assert "DIV" in to_spark("select round(cast(n // 2 as double), 4) as half from a")
    assert "OCTET_LENGTH" in to_spark("select strlen(x) // 2 as half from a")


def test_the_order_of_a_result_is_one_of_its_columns() -> None:
    sql = "select r.a, b from r join t on t.c = r.c order by r.a desc, b"
    rest, order = without_order(sql)
    assert "ORDER" not in rest
    assert order == "ORDER BY a DESC, b"
    assert without_order("select a from t order by a limit 3")[1] == ""
    assert without_order("select a from t")[1] == ""


def test_numbers_round_divide_and_hash_as_in_duckdb(tmp_path: Path) -> None:
    need_sail()
    from er_pipeline.blocking.tables.engine_spark import SparkEngine

    drawn = np.random.default_rng(5).normal(0, 30, 20_000).astype(np.float32)
    halves = np.array([0.03125, -0.03125, 1.5, -1.5, 0.00005, -0.00005], np.float32)
    whole = np.array([2**53 + 1, 7, 0, 10**18 + 1])
    words = np.array(["", "a", "ÿ", "李", "x" * 70, *(f"word {i}" for i in range(300))])
    queries = [
        "select v, round(v, 4)::float as r from floats order by v",
        "select v, v // 2 as q, v % 7 as m from whole order by v",
        "select v, strlen(v) as n from words order by v",
    ]
    with SparkEngine(Cluster(is_local=True), tmp_path, 1) as spark, DuckDBEngine(1) as duckdb:
        for engine in (spark, duckdb):
            engine.put("floats", {"v": np.concatenate([drawn, halves])})
            engine.put("whole", {"v": whole})
            engine.put("words", {"v": words})
        for sql in queries:
            assert spark.rows(sql) == duckdb.rows(sql)
        hashes = f"select v, {duckdb.row_hash('v')} as h from words"
        assert dict(spark.rows(hashes)) == dict(duckdb.rows(hashes))
        assert spark.fingerprint("words", ["v"]) == duckdb.fingerprint("words", ["v"])
