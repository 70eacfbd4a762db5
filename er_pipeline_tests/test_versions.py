import json

import pytest

from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.terminal.cli import main
from er_pipeline.terminal.versions import kept_publications, version_lines
from er_pipeline_tests.projects import SMALL, Project

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_nothing_is_listed_before_the_first_publication(project: Project) -> None:
    listed = kept_publications(Lake(project.lake, "people"))
    assert list(version_lines(listed)) == ["nothing has been published yet"]


def test_versions_are_listed_and_pruned(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        assert project.run("--full") == 0
    capsys.readouterr()
    command = ["versions", str(project.defs), "--lake", str(project.lake)]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert " now " in lines[1]
    folders = list((project.lake / "people" / "unified_pairs").glob("2*"))
    assert len(folders) == 3
    before = project.catalog()
    assert main([*command, "--prune", "--keep-days", "0", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["publications"]) == 2  # keep_versions: 2
    assert answer["bytes_freed"] > 0
    assert len(list((project.lake / "people" / "unified_pairs").glob("2*"))) == 2
    assert project.catalog() == before
    project.declare(SMALL + "  lake: {keep_versions: 1, keep_days: 0}\n")
    assert main([*command, "--prune"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert len(list((project.lake / "people" / "unified_pairs").glob("2*"))) == 1
    assert project.catalog() == before
