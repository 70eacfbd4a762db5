from pathlib import Path

import pytest

from er_pipeline.blocking.spec.yaml_document import (
    MOST_DEPTH,
    MOST_INTEGER,
    check_read_as_written,
    read_document,
)
from er_pipeline.blocking.tables.errors import SpecError


def read(folder: Path, text: str) -> object:
    file = folder / "defs.yaml"
    file.write_text(text)
    return read_document(file).value


def test_values_are_read_as_dagster_reads_them(tmp_path: Path) -> None:
    assert read(tmp_path, "a: 2020-01-31\nb: [1, 1.5, true, ~]\n") == {
        "a": "2020-01-31",
        "b": [1, 1.5, True, None],
    }
    assert read(tmp_path, "s: &s {a: 1, b: 2}\nt: {<<: *s, b: 3}\n") == {
        "s": {"a": 1, "b": 2},
        "t": {"a": 1, "b": 3},
    }


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a:\n" + "  - [" + "[" * MOST_DEPTH, 2, f"more than {MOST_DEPTH} deep"),
        ("a: 1\nb: &b [*b]\n", 2, "contains itself"),
        ("a: 1\nb: " + "9" * 5_000, 2, "larger than any number here may be"),
        (f"a: {MOST_INTEGER + 1}\n", 1, f"{MOST_INTEGER:,}"),
        ('a: 1\nb: "x\\0"\n', 2, "NUL"),
        ("a: 1\nb: !!int x\n", 2, "not YAML"),
        ("a: 1\n---\na: 2\n", 2, "one dataset per file"),
        ("a: 1\n\tb: 2\n", 2, "not YAML"),
        ("a:\n  b: {c: 1}\n    d: 2\n", 3, "begins in another column than those beside"),
        ("a:\n  b: 1\n d: 2\n", 3, "begins in another column than those beside"),
        ("a:\n  b: 1\n    d: 2\n", 3, "indent a setting of its own as those beside it"),
        ("a: {b: 1,\n    b: 2}\n", 2, "b stands a second time (first in line 1)"),
    ],
)
def test_what_no_declaration_has_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'defs.yaml'}:{line}: ")
    assert message in str(caught.value)


def test_the_largest_that_is_taken_is_the_one_that_is_named(tmp_path: Path) -> None:
    assert read(tmp_path, f"a: {MOST_INTEGER}\n") == {"a": MOST_INTEGER}
    deepest = "[" * (MOST_DEPTH - 1) + "]" * (MOST_DEPTH - 1)
    assert read(tmp_path, f"a: {deepest}\n")


def test_aliases_of_aliases_are_counted_and_not_unfolded(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    with pytest.raises(SpecError, match="stands for more than"):
        read(tmp_path, "\n".join(lines))


def test_an_error_shows_the_line_with_a_caret_and_without_a_password(tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text("a: 1\n  \nb: {c: 'x://me:secret@db', d: 2}\n")
    document = read_document(file)
    text = document.error(("b", "d"), "is wrong").splitlines()
    assert text == [
        f"{file}:3: is wrong",
        "    b: {c: 'x://me:***@db', d: 2}",
        text[2],
    ]
    assert text[2].strip() == "^"
    assert document.error(("b", "e"), "is missing").splitlines()[2] == "    ^"


@pytest.mark.parametrize("name", ["a folder", "a device", "nothing"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    place = {"a folder": tmp_path, "a device": Path("/dev/zero"), "nothing": tmp_path / "x"}[name]
    with pytest.raises(SpecError, match=r"name (a|the) defs\.yaml"):
        read_document(place)


def test_repeated_settings_are_found_in_each_of_several_documents(tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text("a: 1\n---\nb: 1\nb: 2\n")
    with pytest.raises(SpecError, match=":4: b stands a second time"):
        check_read_as_written(file)
    file.write_text("a: [\n")
    check_read_as_written(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 0200\n", r":1: YAML reads '0200' as 128 \(to base 8\); write 128"),
        ("a:\n  - 1\n  - 1:30\n", r":3: YAML reads '1:30' as 90 \(to base 60\)"),
        ("a: -1:30.5\n", r"as -90\.5 \(to base 60\)"),
    ],
)
def test_numbers_of_other_bases_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text(text)
    for read in (read_document, check_read_as_written):
        with pytest.raises(SpecError, match=said):
            read(file)


def test_zeros_texts_and_modes_are_as_written(tmp_path: Path) -> None:
    file = tmp_path / "defs.yaml"
    file.write_text("a: [0, 00, 0.5, '0200', 0x1F, 08]\nlake: {file_mode: 0640}\n")
    document = read_document(file)
    assert document.value["a"] == [0, 0, 0.5, "0200", 31, "08"]
    assert document.value["lake"] == {"file_mode": 0o640}
