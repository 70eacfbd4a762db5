from collections.abc import Mapping
from pathlib import Path

import pytest

from er_pipeline.blocking.records.parts import Given, Into, append_parts
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError


class OneRow:
    """A part whose one row holds the names of its columns."""

    def __init__(self, name: str, *columns: str) -> None:
        self.file, self.names = Path(name), columns

    def append(self, engine: Engine, columns: Mapping[str, str | Given], into: Into) -> None:
        values = [c.sql if isinstance(c, Given) else f"'{c}'" for c in columns.values()]
        engine.append(into.table, f"select {', '.join(values)}")


def read(engine: Engine, *parts: tuple[OneRow, dict[str, str | None]]) -> Into:
    into = Into("texts", "rejects")
    into.make_empty(engine, ["id", "zip", "id"])
    append_parts(engine, parts, ["id", "zip", "id"], into, "all", ["id"], "Correct it")
    return into


def test_columns_are_found_by_name_and_folders_say_what_a_part_lacks(engine: Engine) -> None:
    into = read(
        engine,
        (OneRow("a", "zip", "ID"), {}),
        (OneRow("b", "id"), {"zip": "1"}),
        (OneRow("c", "id", "zip"), {"zip": "2"}),
        (OneRow("d", "id"), {"Zip": None}),
        (OneRow("e", "id"), {}),
    )
    assert engine.rows("from texts") == [
        ("ID", "zip"),
        ("id", "1"),
        ("id", "zip"),
        ("id", None),
        ("id", None),
    ]
    assert into.notes == [
        "e: has no column 'zip', which other files have; its records have no such value"
    ]


def test_a_column_that_no_part_has_or_an_id_that_one_lacks_is_an_error(engine: Engine) -> None:
    with pytest.raises(InputError, match=r"all: has no column 'zip'; it has 'id'.*Correct it"):
        read(engine, (OneRow("a", "id"), {}), (OneRow("b", "id"), {}))
    with pytest.raises(InputError, match=r"b: has no column 'id', which other files of all have"):
        read(engine, (OneRow("a", "id", "zip"), {}), (OneRow("b", "zip"), {}))
