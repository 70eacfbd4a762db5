from pathlib import Path

import pytest

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
