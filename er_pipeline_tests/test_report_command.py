import json
import webbrowser

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import SMALL, Project

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_the_page_is_named_shown_and_made_anew_if_it_is_missing(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: not shown.append(url))
    command = ["report", str(project.defs), "--lake", str(project.lake)]
    assert main(command) != 0
    assert "run er-pipeline run first" in capsys.readouterr().err
    assert not project.lake.exists()
    assert project.run() == 0
    capsys.readouterr()
    page = project.lake / "people" / "report.html"
    text = page.read_bytes()
    page.unlink()
    assert main([*command, "--open"]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert shown == [page.as_uri()]
    assert page.read_bytes() == text
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"page": str(page)}
    # A declaration that has changed says nothing of the last run: its page stays.
    project.declare(SMALL.replace("same_last: last_name", "same_last: first_name"))
    assert main(command) == 0
    assert page.read_bytes() == text
    assert "of the last run" in capsys.readouterr().err
