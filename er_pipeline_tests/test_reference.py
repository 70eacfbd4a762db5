"""The reference pages: they are what the code says, and nothing of it is missing."""

from pathlib import Path

import pytest

from er_pipeline.terminal.reference import PAGES, main, reference_pages
from er_pipeline_tests.reference_sections import page


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert page(name) == reference_pages()[name]


def test_pages_are_written_and_found_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    assert main([], tmp_path) == 0
    assert {file.stem for file in tmp_path.iterdir()} == set(PAGES)
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 0
    assert capsys.readouterr().out == ""
    (tmp_path / "keys.md").write_text("# Keys\n", "utf-8")
    assert main(["--check"], tmp_path) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{tmp_path / 'keys.md'} is stale")
    assert (tmp_path / "keys.md").read_text("utf-8") == "# Keys\n"


def test_an_unknown_argument_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chekc"], tmp_path) == 2
    assert "usage" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
