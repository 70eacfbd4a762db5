import re
import time
import unicodedata
from typing import Any

import pytest

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.labels.pair_display import ShownPair
from er_pipeline.terminal.label_lines import rendered
from er_pipeline_tests.test_label_session import pair

ANSI = re.compile(r"\x1b\[[0-9;]*m")


ALIKE: dict[str, Any] = {
    "name": ("smith", "smyth"),
    "city": ("springfield", "springfield"),
    "company": ("acme holding of the united kingdom limited", "zebra ltd"),
    "email": ("ann@acme.org", None),
    "address_of_delivery": ("12 main street springfield il", "12 main st springfield il"),
    "phone": (None, None),
}


def columns(line: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in ANSI.sub("", line))


@pytest.mark.parametrize("width", [24, 40, 41, 80, 120])
@pytest.mark.parametrize("colour", [False, True])
def test_no_line_is_wider_than_the_terminal(width: int, colour: bool) -> None:
    wide = pair("a", "b", **ALIKE, words=("東京都 千代田区 丸の内", "東京都 丸の内"))
    lines = rendered(wide, width=width, colour=colour)
    assert max(map(columns, lines)) <= width
    letters = "".join(ANSI.sub("", "".join(lines)).split())
    assert "千代田区" in letters or width < 80


def test_a_narrow_terminal_is_served_in_24_columns() -> None:
    shown = pair("a", "b", **ALIKE)
    assert rendered(shown, width=3, colour=False) == rendered(shown, width=24, colour=False)


def test_a_pair_at_40_columns() -> None:
    assert rendered(pair("a", "b", **ALIKE), width=40, colour=False) == [
        "Why: drawn at random from the",
        "candidates, for unbiased estimates",
        "  record     a             b",
        "~ name       smith         smyth",
        "               ^             ^",
        "= city       springfield   springfield",
        "≠ company    acme holding  zebra ltd",
        "             of the",
        "             united",
        "             kingdom",
        "             limited",
        "- email      ann@acme.org",
        "~ address_of 12 main       12 main st",
        "  _delivery  street        springfield",
        "              ^^^^",
        "             springfield   il",
        "             il",
        "- phone",
    ]


def test_a_pair_at_120_columns() -> None:
    assert rendered(pair("a", "b", **ALIKE), width=120, colour=False) == [
        "Why: drawn at random from the candidates, for unbiased estimates",
        f"  record              {'a':48}  b",
        f"~ name                {'smith':48}  smyth",
        f"                      {'  ^':48}    ^",
        f"= city                {'springfield':48}  springfield",
        f"≠ company             {'acme holding of the united kingdom limited':48}  zebra ltd",
        "- email               ann@acme.org",
        f"~ address_of_delivery {'12 main street springfield il':48}  12 main st springfield il",
        "                               ^^^^",
        "- phone",
    ]


def test_colour_marks_the_letters_that_differ() -> None:
    shown = pair("a", "b", name=("smith", "smyth"), city=("ulm", "ulm"), email=("a@b", None))
    _, _, name, city, email = rendered(shown, width=80, colour=True)
    assert "sm\x1b[4;31mi\x1b[0mth" in name
    assert "sm\x1b[4;32my\x1b[0mth" in name
    assert "ulm" in city
    assert "\x1b[4" not in city + email


def test_values_with_little_in_common_are_marked_whole() -> None:
    shown = pair("a", "b", name=("acme holding", "zebra ltd"))
    line = rendered(shown, width=80, colour=True)[-1]
    assert line.startswith("≠ ")
    assert "\x1b[4;31macme holding\x1b[0m" in line
    assert "\x1b[4;32mzebra ltd\x1b[0m" in line


def test_without_colour_no_escape_is_written() -> None:
    assert "\x1b" not in "".join(rendered(pair("a", "b", **ALIKE), width=80, colour=False))


def test_a_value_cannot_command_the_terminal() -> None:
    shown = ShownPair(
        RecordName("people", "\x1b[2J"),
        RecordName("people", "b\n"),
        "audit",
        (),
        {"x": ("a\r", "a")},
    )
    text = "".join(rendered(shown, width=80, colour=False))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "·[2J" in text


def test_records_of_two_sources_show_their_source() -> None:
    shown = ShownPair(
        RecordName("crm", "7"), RecordName("web", "7"), "audit", (), {"x": ("a", "b")}
    )
    assert re.search(r"record +crm 7 +web 7$", rendered(shown, width=80, colour=False)[1])


def test_a_field_called_record_is_shown_beside_the_ids() -> None:
    lines = rendered(pair("a", "b", record=("x", "x")), width=80, colour=False)
    assert [line.split() for line in lines[1:]] == [["record", "a", "b"], ["=", "record", "x", "x"]]


def test_long_texts_are_compared_word_by_word_in_no_time() -> None:
    words = [f"word{i}" for i in range(3_000)]
    changed = [*words[:1_500], "another", *words[1_501:]]
    began = time.process_time()
    lines = rendered(
        pair("a", "b", text=(" ".join(words), " ".join(changed))), width=120, colour=False
    )
    assert time.process_time() - began < 5
    assert lines[2].startswith("~ text")
    assert sum(set(line.strip()) == {"^", " "} or "^^^" in line for line in lines) in (1, 2)


def test_one_letter_of_a_long_value_is_marked_alone() -> None:
    left = "aab abb " * 34
    right = left[:200] + "x" + left[201:]
    lines = rendered(pair("a", "b", text=(left, right)), width=80, colour=False)
    assert sum(line.count("^") for line in lines) == 2
