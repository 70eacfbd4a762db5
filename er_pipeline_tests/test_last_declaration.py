from pathlib import Path

import pytest

from er_pipeline.terminal.last_declaration import note_declaration, other_declaration
from er_pipeline_tests.projects import SMALL, Project


def test_another_declaration_of_the_same_dataset_is_warned_of_once(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.touch()
    other.touch()
    lake = tmp_path / "lake" / "people"
    assert other_declaration(one, lake) is None
    note_declaration(one, lake)
    assert other_declaration(one, lake) is None
    warning = other_declaration(other, lake)
    assert warning is not None
    assert f"people was last run from {one}, now from {other}: " in warning
    note_declaration(other, lake)
    assert other_declaration(other, lake) is None


def test_a_declaration_that_was_moved_is_no_other(tmp_path: Path) -> None:
    one = tmp_path / "one.yaml"
    one.touch()
    note_declaration(one, tmp_path / "people")
    moved = one.rename(tmp_path / "moved.yaml")
    assert other_declaration(moved, tmp_path / "people") is None


@pytest.mark.usefixtures("elsewhere")
def test_a_run_warns_on_stderr(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    first = project.folder / "first.yaml"
    first.write_text(SMALL)
    note_declaration(first, project.lake / "people")
    assert project.run() == 0
    said = capsys.readouterr()
    assert f"[warning] people was last run from {first}, now from {project.defs}: " in said.err
    assert project.run() == 0
    assert "was last run from" not in capsys.readouterr().err
