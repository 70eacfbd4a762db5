from pathlib import Path

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import Project

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.mark.parametrize("more", [[], ["--prune"]])
def test_a_lake_that_is_not_there_holds_nothing_and_is_not_made(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    lake = tmp_path / "none"
    assert main(["versions", str(project.defs), "--lake", str(lake), *more]) == 0
    assert "nothing has been published yet" in capsys.readouterr().out
    assert not lake.exists()


def test_days_are_not_negative(project: Project) -> None:
    assert main(["versions", str(project.defs), "--prune", "--keep-days", "-1"]) == 2


def test_nothing_is_pruned_while_nobody_knows_what_the_catalog_shows(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run() == 0
    (project.lake / "catalog.duckdb").write_text("no database")
    versions = project.versions()
    assert main(["versions", str(project.defs), "--lake", str(project.lake), "--prune"]) == 1
    assert "nobody knows what it shows" in capsys.readouterr().err
    assert project.versions() == versions
