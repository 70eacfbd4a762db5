import pytest

from er_pipeline.blocking.records.wanted_columns import find_columns, keep_wanted
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError


def test_wanted_columns_become_text_under_the_names_they_are_wanted_by(
    engine: Engine,
) -> None:
    engine.make_table("given", "select 7 as ID, date '2020-01-02' as born, null as name, 1 as more")
    keep_wanted(engine, "given", ["name", "id", "Born", "id"], "kept", "people")
    assert engine.rows("select column_name, column_type from (describe kept)") == [
        ("name", "VARCHAR"),
        ("id", "VARCHAR"),
        ("Born", "VARCHAR"),
    ]
    assert engine.rows("from kept") == [(None, "7", "2020-01-02")]


def test_upper_and_lower_case_are_one_name() -> None:
    assert find_columns(["id", "NAME"], ["Name", "ID"], "people") == {"id": "ID", "NAME": "Name"}


@pytest.mark.parametrize(
    ("present", "said"),
    [
        (
            ["id", "nmae"],
            r"people: has no column 'name'; it has 'id', 'nmae'\. Did you mean 'nmae'",
        ),
        (["id", "zip"], r"it has 'id', 'zip'\. Correct `record_id`, `fields` or `columns`"),
        (["id;name"], r"Is it one column only\? Else say how columns are divided"),
    ],
)
def test_a_missing_column_is_an_error_that_says_what_there_is(
    present: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        find_columns(["name"], present, "people")
