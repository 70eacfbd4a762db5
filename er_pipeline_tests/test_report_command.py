import json
import webbrowser

import pytest

from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.run_metrics import collect_run_metrics
from er_pipeline.catalog import publish_dataset
from er_pipeline.flow import flow, open_lake, run
from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import SMALL, Project

pytestmark = pytest.mark.usefixtures("elsewhere")


def publish(project: Project) -> None:
    spec = read_spec(project.defs)
    lake, steps = open_lake(project.lake, spec), flow(spec)
    for _ in run(steps, lake, threads=2):
        pass
    with DuckDBEngine(threads=2) as engine:
        collect_run_metrics(engine, lake)
    tables = [table for step in steps for table in step.writes]
    publish_dataset(lake, tables, spec.lake.retention, {})


def test_the_page_is_named_shown_and_made_anew_if_it_is_missing(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def show(url: str) -> bool:
        shown.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", show)
    command = ["report", str(project.defs), "--lake", str(project.lake)]
    assert main(command) != 0
    assert "run er-pipeline run first" in capsys.readouterr().err
    assert not project.lake.exists()
    publish(project)
    page = project.lake / "people" / "report.html"
    assert main([*command, "--open"]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert shown == [page.as_uri()]
    text = page.read_bytes()
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"page": str(page)}
    # A declaration that has changed says nothing of the last run: its page stays.
    project.declare(SMALL.replace("same_last: last_name", "same_last: first_name"))
    assert main(command) == 0
    assert page.read_bytes() == text
    assert "of the last run" in capsys.readouterr().err
