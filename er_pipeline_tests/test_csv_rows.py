import random
from pathlib import Path

import pytest

from er_pipeline.blocking.records.csv_layout import find_layout
from er_pipeline.blocking.records.csv_rows import MOST_LINES_OF_ROW, CsvRow, csv_rows
from er_pipeline.blocking.spec.sources_section import CsvFormat


def rows_of(folder: Path, text: str | bytes) -> list[CsvRow]:
    file = folder / "p.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(csv_rows(file, find_layout(file, CsvFormat(), ["id", "name"])))


def test_each_row_has_the_number_of_its_first_line(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, 'id,name\n\n1,"a\nb"\n2,c\n3\n')
    assert [(row.line, list(row.cells)) for row in rows] == [
        (3, ["1", "a\nb"]),
        (5, ["2", "c"]),
        (6, []),
    ]


def test_a_quote_that_is_not_closed_soon_is_rejected_with_its_line_alone(tmp_path: Path) -> None:
    lines = [f"{i},x" for i in range(2 * MOST_LINES_OF_ROW)]
    lines[3] = '3,"x'
    rows = rows_of(tmp_path, "\n".join(["id,name", *lines]))
    assert [row.line for row in rows] == list(range(2, len(lines) + 2))
    assert [row.line for row in rows if row.reason] == [5]


@pytest.mark.parametrize("seed", range(20))
def test_every_line_is_of_a_row_or_blank(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    parts = ["1", "a", ",", '"', "\n", "\r\n", "", " ", "é", "\x00", '""', ",x\n", "\r"]
    body = "".join(draw.choice(parts) for _ in range(400))
    rows = rows_of(tmp_path, "id,name\n" + body)
    starts = [row.line for row in rows]
    assert starts == sorted(set(starts))
    lines = body.split("\n")
    for here, after in zip(starts, [*starts[1:], len(lines) + 2], strict=True):
        row = rows[starts.index(here)]
        n_lines = 1 if row.reason else sum(cell.count("\n") for cell in row.cells) + 1
        between = lines[here - 2 + n_lines : after - 2]
        assert not any(line.strip(' \r\t"') for line in between)
