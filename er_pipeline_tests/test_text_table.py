from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from er_pipeline.terminal.text_table import cell_text, table_lines

HEADER = ("name", "n", "strategies")
ROWS = [("Ann", 7, ["a", "b"]), (None, 1200, []), ("Žofie", None, ["a"])]


def test_texts_stand_left_and_numbers_right() -> None:
    assert list(table_lines(HEADER, ROWS, None)) == [
        "name      n  strategies",
        "Ann       7  a, b",
        "NULL   1200",
        "Žofie  NULL  a",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\nlines\tand \x1b[31m", "two\\nlines\\tand \\x1b[31m"),
        (0.123456789, "0.123457"),
        (True, "true"),
        (datetime(2026, 11, 27, 2, tzinfo=UTC), "2026-11-27 02:00:00"),
        ([1, None], "1, NULL"),
    ],
)
def test_a_value_stands_on_one_line(value: object, text: str) -> None:
    assert cell_text(value) == text


@pytest.mark.parametrize("width", [24, 30, 80])
def test_long_values_are_cut_so_that_a_row_fits(width: int) -> None:
    rows = [("東京" * 40, "x" * 50, 1)]
    lines = list(table_lines(("city", "text", "n"), rows, width))
    assert all(cell_len(line) <= width for line in lines)
    assert "…" in lines[1]
    assert lines[1].rstrip().endswith("1")


def test_rows_that_do_not_fit_stand_below_each_other() -> None:
    columns = [f"column_{i}" for i in range(9)]
    lines = list(table_lines(columns, [["x" * 99] * 9, ["y"] * 9], 40))
    assert lines[0].startswith("-- 1 ---")
    assert lines[1].startswith("column_0  xxx")
    assert lines[11] == "column_0  y"
    assert all(cell_len(line) <= 40 for line in lines)
    assert list(table_lines(columns, [], 40)) == [", ".join(columns)]


def test_a_value_is_cut_to_the_most_and_what_names_its_row_is_not() -> None:
    rows = [("r" * 20, "東京" * 10, "short")]
    header, line = table_lines(("rule", "key", "note"), rows, None, most=9)
    assert line == f"{'r' * 20}  東京東京…  short"
    assert header == f"rule{' ' * 18}key        note"
