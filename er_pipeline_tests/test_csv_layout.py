from pathlib import Path

import pytest

from er_pipeline.blocking.records import csv_layout
from er_pipeline.blocking.records.csv_layout import find_layout
from er_pipeline.blocking.spec.sources_section import CsvFormat
from er_pipeline.blocking.tables.errors import InputError


def header_of(folder: Path, text: str, **csv: str) -> tuple[list[str], str, int, int]:
    (folder / "p.csv").write_text(text, newline="")
    layout = find_layout(folder / "p.csv", CsvFormat(**csv), ["id", "name"])
    return layout.header, layout.delimiter, layout.lines_above, layout.titles


@pytest.mark.parametrize(
    ("text", "delimiter", "lines_above", "titles"),
    [
        ("id,name\n", ",", 1, 0),
        ("id;name\r\n1;a,b,c\r\n", ";", 1, 0),
        ("sep=|\nid|name\n", "|", 2, 0),
        ("Title; of, all\n\nid\tname\n", "\t", 3, 1),
        ('"id","name"\n', ",", 1, 0),
    ],
)
def test_the_header_is_the_line_that_names_the_columns(
    tmp_path: Path, text: str, delimiter: str, lines_above: int, titles: int
) -> None:
    assert header_of(tmp_path, text) == (["id", "name"], delimiter, lines_above, titles)


def test_without_such_a_line_the_first_is_the_header(tmp_path: Path) -> None:
    assert header_of(tmp_path, "\nid,nmae\nx,y\n") == (["id", "nmae"], ",", 2, 0)


def test_a_header_may_hold_line_ends(tmp_path: Path) -> None:
    assert header_of(tmp_path, 'id,name,"a\nb"\n1,2,3\n') == (["id", "name", "a\nb"], ",", 2, 0)


def test_a_file_of_blank_lines_has_no_header(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"p\.csv:1: has no header line"):
        header_of(tmp_path, "\n \n")


def test_the_rest_of_a_line_that_is_too_long_is_not_taken_for_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_layout, "MAX_LINE", 50)
    file = tmp_path / "p.csv"
    file.write_text("id,name\n1,ann\n2," + 1_000 * ";" + "\n")
    layout = find_layout(file, CsvFormat(), [])
    assert (layout.header, layout.delimiter) == (["id", "name"], ",")


def test_a_header_that_is_too_long_is_looked_at_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_layout, "MAX_LINE", 50)
    file = tmp_path / "p.csv"
    file.write_text(f"id,name,{'x' * 500}\n1,ann,x\n")
    assert find_layout(file, CsvFormat(), []).header[:2] == ["id", "name"]


@pytest.mark.parametrize(
    "text",
    ["| id | name |\n|---|:---:|\n", "id | name\n----+----\n", "t\n\nid,name\n--,----\n"],
)
def test_a_rule_below_the_header_is_of_a_printed_table(tmp_path: Path, text: str) -> None:
    line = text.count("\n")
    with pytest.raises(InputError, match=rf"p\.csv:{line}: is a rule of dashes.*export the rows"):
        header_of(tmp_path, text)


def test_dashes_for_nothing_are_no_rule(tmp_path: Path) -> None:
    assert header_of(tmp_path, "id,name\n1,---\n")[2] == 1
