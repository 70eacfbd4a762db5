import pytest
import sqlalchemy as sa

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.sinks.column_types import column_is_text, column_type, is_list, selected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("BIGINT", sa.BigInteger),
        ("TINYINT", sa.SmallInteger),
        ("DOUBLE", sa.Double),
        ("TIMESTAMP WITH TIME ZONE", sa.DateTime),
        ("UUID", sa.Text),
        ("DECIMAL(10,2)", sa.Numeric),
    ],
)
def test_a_type_has_its_like(kind: str, expected: type) -> None:
    assert isinstance(column_type(kind, has_arrays=True), expected)


def test_lists_and_objects_are_text_where_there_is_nothing_like_them() -> None:
    assert isinstance(column_type("VARCHAR[]", has_arrays=True), sa.ARRAY)
    assert isinstance(column_type("VARCHAR[]", has_arrays=False), sa.Text)
    assert isinstance(column_type("STRUCT(a INTEGER)", has_arrays=True), sa.JSON)
    assert isinstance(column_type("STRUCT(a INTEGER)", has_arrays=False), sa.Text)


def test_lists_are_written_as_arrays_or_json(engine: DuckDBEngine) -> None:
    sql = r"""select ['a"b', 'c\d', null, 'e,f'] as list, [[1], [2, 3]] as nested, 5 as n"""
    columns = engine.described(sql)
    (row,) = engine.rows(selected(columns, sql, has_arrays=True))
    assert row == (r'{"a\"b","c\\d",NULL,"e,f"}', "[[1],[2,3]]", 5)
    (row,) = engine.rows(selected(columns, sql, has_arrays=False))
    assert row == (r'["a\"b","c\\d",null,"e,f"]', "[[1],[2,3]]", 5)


def test_what_has_no_like_is_written_as_text() -> None:
    assert is_list("VARCHAR[]")
    assert not is_list("VARCHAR")
    assert column_is_text("UUID")
    assert column_is_text("ENUM('a')")
    assert not column_is_text("TIMESTAMP WITH TIME ZONE")


def test_no_list_is_none_and_an_empty_one_is_empty(engine: DuckDBEngine) -> None:
    sql = "select []::varchar[] as empty, null::varchar[] as none"
    columns = engine.described(sql)
    assert engine.rows(selected(columns, sql, has_arrays=True)) == [("{}", None)]
    assert engine.rows(selected(columns, sql, has_arrays=False)) == [("[]", None)]
