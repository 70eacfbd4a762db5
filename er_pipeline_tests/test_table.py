import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.table import RECORD_NO, Column, Table, arrow_of
from er_pipeline.flow import flow
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.test_flow import DECLARED

VALUES: dict[str, Any] = {
    "VARCHAR": "naïve 🙂",
    "VARCHAR[]": ["a", "b"],
    "TINYINT": 127,
    "SMALLINT": -32768,
    "INTEGER": 2**31 - 1,
    "BIGINT": 2**63 - 1,
    "FLOAT": 0.25,
    "DOUBLE": 0.1,
    "BOOLEAN": False,
    "TIMESTAMP WITH TIME ZONE": datetime(2026, 11, 1, 12, 30, 0, 17, tzinfo=UTC),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_of_every_type_goes_into_duckdb_as_declared(
    engine: DuckDBEngine, kind: str
) -> None:
    columns = [Column("v", kind, "a value")]
    for rows in ([(VALUES[kind],), (None,)], []):
        engine.put("t", arrow_of(columns, rows))
        assert engine.described("from t") == [("v", kind)]
        if kind.startswith("TIMESTAMP"):
            engine.execute("set timezone = 'UTC'")
            assert engine.rows("select epoch_us(v) from t") == [
                (int(row[0].timestamp()) * 1_000_000 + 17 if row[0] else None,) for row in rows
            ]
        else:
            assert engine.rows("from t") == rows


@pytest.mark.parametrize("declared", DECLARED)
def test_the_columns_of_every_table_are_of_a_type_that_is_tried(declared: str) -> None:
    fields = {"city": "text", "name": "person_name"}
    tables = [
        table
        for step in flow(small_spec(fields=fields, **DECLARED[declared]))
        for table in step.writes
    ]
    used = {column.type for table in tables for column in table.columns_among(99)}
    assert used <= set(VALUES)


PAIRS = Table("pairs", "Pairs.", [RECORD_NO], None)
VECTORS = Table("vectors", "Vectors.", [RECORD_NO], None, numbered=Column("v", "FLOAT", "A cell"))


def test_numbered_columns_make_up_the_rest() -> None:
    assert [column.name for column in VECTORS.columns_among(4)] == ["record_no", "v0", "v1", "v2"]
    assert {column.type for column in VECTORS.columns_among(4)[1:]} == {"FLOAT"}
    assert [column.name for column in VECTORS.columns_among(1)] == ["record_no"]
    assert [column.name for column in VECTORS.columns] == ["record_no"]


def test_a_table_without_numbered_columns_has_those_it_declares() -> None:
    assert PAIRS.columns_among(4) == [RECORD_NO]


def test_no_rows_give_an_empty_table_of_the_same_shape() -> None:
    assert PAIRS.arrow().num_rows == 0
    assert PAIRS.arrow().schema == PAIRS.arrow([(1,), (2,)]).schema


def test_a_table_without_rows_needs_no_pandas(engine: DuckDBEngine) -> None:
    code = (
        "import sys; from er_pipeline.blocking.tables.table import RECORD_NO, arrow_of;"
        " from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine;"
        " DuckDBEngine(1).put('empty', arrow_of((RECORD_NO,))); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    engine.put("empty", arrow_of((RECORD_NO, Column("texts", "VARCHAR[]", "some"))))
    assert engine.rows("select * from empty") == []
    assert [name for name, _ in engine.described("select * from empty")] == ["record_no", "texts"]
