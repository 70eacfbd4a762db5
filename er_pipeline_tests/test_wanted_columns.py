import pytest

from er_pipeline.blocking.records.wanted_columns import find_columns
from er_pipeline.blocking.tables.errors import InputError


def test_upper_and_lower_case_are_one_name() -> None:
    assert find_columns(["id", "NAME"], ["Name", "ID"], "people") == {"id": "ID", "NAME": "Name"}


def test_of_columns_that_differ_in_case_alone_the_one_written_so_is_meant() -> None:
    present = ["name", "NAME", " id "]
    assert find_columns(["NAME", "ID"], present, "people") == {"NAME": "NAME", "ID": " id "}
    with pytest.raises(InputError, match=r"people: column 'name', 'NAME' stands more than once"):
        find_columns(["Name"], present, "people")


@pytest.mark.parametrize("present", ["nam\u200be\u0301", "\ufeffNam\u00e9", "\u00a0nam\u00e9 "])
def test_names_that_look_alike_are_one(present: str) -> None:
    assert find_columns(["nam\u00e9"], ["id", present], "people") == {"nam\u00e9": present}
    both = ["name", "na\u200bme"]
    assert find_columns(["name"], both, "people") == {"name": "name"}


@pytest.mark.parametrize(
    ("present", "said"),
    [
        (
            ["id", "nmae"],
            r"people: has no column 'name'; it has 'id', 'nmae'\. Did you mean 'nmae'",
        ),
        (["id", "zip"], r"it has 'id', 'zip'\. Correct `record_id`, `fields` or `columns`"),
        ([f"c{i}" for i in range(1_041)], r"'c39' and 1,001 more\. Correct"),
        (["id;name"], r"Is it one column only\? Else say how columns are divided"),
    ],
)
def test_a_missing_column_is_an_error_that_says_what_there_is(
    present: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        find_columns(["name"], present, "people")
