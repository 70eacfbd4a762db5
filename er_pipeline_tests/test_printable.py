import pytest

from er_pipeline.blocking.tables.printable import (
    MOST_SHOWN,
    markdown_cell,
    printable,
    shown,
    without_password,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("Łukasz 王 🙂\n\tnext", "Łukasz 王 🙂\n\tnext"),
        ("red\x1b[31m", "red\\x1b[31m"),
        ("bell\x07 nul\x00 del\x7f c1\x9b", "bell\\x07 nul\\x00 del\\x7f c1\\x9b"),
        ("turned \u202e text", "turned \\u202e text"),
        ("line\u2028end\r", "line\\u2028end\\r"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_what_could_steer_a_terminal_is_written_out(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_a_shown_value_is_quoted_on_one_line_and_cut() -> None:
    assert shown("a\nb") == "'a\\nb'"
    assert shown({"a": 1}) == "{'a': 1}"
    assert len(shown("x" * 10_000_000)) <= MOST_SHOWN + 5
    assert len(shown(["x" * 500] * 3)) <= MOST_SHOWN + 5


def test_a_cell_of_markdown_is_neither_divided_nor_closed() -> None:
    assert markdown_cell("a|b") == "a\\|b"
    assert markdown_cell("a\\|b") == "a\\\\\\|b"
    assert markdown_cell("two\r\nlines") == "two lines"
    assert markdown_cell("\x1b[1m") == "\\x1b[1m"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:s3@cr:t@db/x", "postgresql://me:***@db/x"),
        (
            "postgresql://db/x?user=me&password=a&ssl=on",
            "postgresql://db/x?user=me&password=***&ssl=on",
        ),
        (
            "mssql://?odbc_connect=UID%3Dme%3BPWD%3Da%3Bx",
            "mssql://?odbc_connect=UID%3Dme%3BPWD%3D***%3Bx",
        ),
        ("sqlite:///people.db", "sqlite:///people.db"),
    ],
)
def test_a_password_is_taken_out_wherever_a_url_has_it(url: str, expected: str) -> None:
    assert without_password(url) == expected
