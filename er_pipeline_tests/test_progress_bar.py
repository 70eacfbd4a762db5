import re

import pytest

from er_pipeline.terminal.progress_bar import takes_a_moving_line, waited_for
from er_pipeline_tests.projects import Project, at_a_terminal

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_at_a_terminal_a_run_shows_one_moving_line(project: Project) -> None:
    arguments = ["run", str(project.defs), "--lake", str(project.lake)]
    code, shown = at_a_terminal(*arguments, folder=project.folder)
    assert code == 0, shown
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"(checking )?unified_pairs +[━╺╸]+ +\d+ of \d+ 0:\d\d:\d\d", text)
    n_of = [tuple(map(int, found)) for found in re.findall(r"(\d+) of (\d+) 0:\d\d:", text)]
    assert n_of == sorted(n_of)
    assert n_of[0][0] == 0
    assert n_of[-1][0] == n_of[-1][1]
    assert "cleaned_records ..." not in text
    assert "  cleaned_records          4 rows" in text
    assert "Records:               4\r\n" in text


def test_no_color_leaves_the_moving_line_plain(project: Project) -> None:
    arguments = ["run", str(project.defs), "--dry-run"]
    code, shown = at_a_terminal(*arguments, folder=project.folder, NO_COLOR="1")
    assert code == 0, shown
    assert "counting pairs" in shown
    assert re.findall(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", shown) == []


def test_piped_items_are_waited_for_without_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert not takes_a_moving_line()
    assert list(waited_for(iter([1, 2]), "counting")) == [1, 2]
    assert capfd.readouterr() == ("", "")


def test_a_terminal_that_cannot_rewrite_a_line_gets_none(project: Project) -> None:
    arguments = ["run", str(project.defs), "--dry-run"]
    code, shown = at_a_terminal(*arguments, folder=project.folder, TERM="dumb")
    assert code == 0, shown
    assert "pairs_within_budget" in shown
    assert "counting pairs" not in shown
    assert "\x1b" not in shown
