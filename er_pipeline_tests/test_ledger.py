import pytest

from er_pipeline.blocking.tables.errors import SinkError
from er_pipeline.sinks.ledger import Entry, check_owner, holds_all, shape_of
from er_pipeline_tests.published_content import content

A = content("a", "select 1", "7")
MINE = {"a": Entry("people", "7", "x INTEGER")}


def test_a_place_holds_what_is_there_with_the_same_stamp_of_the_same_dataset() -> None:
    assert holds_all(MINE, ["a"], "people", [A])
    assert not holds_all(MINE, [], "people", [A]), "somebody has dropped it"
    assert not holds_all(MINE, ["a"], "shops", [A])
    assert not holds_all({"a": Entry("people", "8", "")}, ["a"], "people", [A])
    assert not holds_all({}, ["a"], "people", [A])


def test_tables_of_others_are_refused() -> None:
    check_owner(MINE, ["a"], "people", [A], "db")
    check_owner({}, ["b"], "people", [A], "db")
    with pytest.raises(SinkError, match="db: the table a there is of dataset 'people'"):
        check_owner(MINE, ["a"], "shops", [A], "db")
    with pytest.raises(SinkError, match="db: a table a stands there that was not written"):
        check_owner({}, ["a"], "people", [A], "db")


def test_a_shape_names_columns_and_types() -> None:
    assert shape_of([("a", "INTEGER"), ("b", "VARCHAR[]")]) == "a INTEGER, b VARCHAR[]"
