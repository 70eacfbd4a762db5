import pytest

from er_pipeline.blocking.records.number_marks import (
    NumberMarks,
    judge_number_marks,
    number_marks,
)
from er_pipeline.blocking.tables.engine import Engine


def marks_of(engine: Engine, *numbers: str) -> list[NumberMarks]:
    engine.execute("create or replace table raw (source_no smallint, price varchar)")
    for number in numbers:
        engine.execute("insert into raw values (0, ?)", [number])
    return number_marks(engine, "raw", ["price"])


def test_numbers_show_their_mark_or_leave_it_open(engine: Engine) -> None:
    assert marks_of(engine, "12,50", "1.234,5 €", "1.234.567", "1.234", "1.234", "7", "n/a") == [
        NumberMarks("price", 0, comma=3, point=0, open=2)
    ]
    assert marks_of(engine, "12.50", "1,234") == [NumberMarks("price", 0, 0, 1, 1)]
    assert marks_of(engine, "7", "12.03.2020") == []
    assert number_marks(engine, "raw", []) == []


def test_most_numbers_decide_and_a_point_where_none_does() -> None:
    assert NumberMarks("price", 0, 2, 1, 5).is_decimal_comma
    assert not NumberMarks("price", 0, 0, 0, 5).is_decimal_comma


@pytest.mark.parametrize(
    ("counts", "declared", "passed", "says"),
    [
        ((3, 0, 2), None, True, "read with a comma"),
        ((0, 3, 2), None, True, "read with a point"),
        ((0, 0, 2), None, False, "as nothing shows it"),
        ((0, 0, 2), True, True, "read with a comma"),
        ((3, 1, 2), None, False, "3 numbers have a comma before decimals, 1 a point"),
        ((3, 0, 2), False, False, "read with a point"),
        ((3, 1, 0), None, True, "No number leaves open"),
    ],
)
def test_what_contradicts_or_shows_nothing_is_a_warning(
    counts: tuple[int, int, int], declared: bool | None, passed: bool, says: str
) -> None:
    marks = [NumberMarks("price", 0, *counts)]
    verdict = judge_number_marks(marks, ["shop"], declared)
    assert verdict.passed is passed
    assert says in verdict.text
