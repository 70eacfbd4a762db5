import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import Project


def step(project: Project, *arguments: str) -> int:
    return main(["step", str(project.defs), "--lake", str(project.lake), *arguments])


def test_tables_are_made_of_what_lies_in_the_lake_and_none_is_published(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    records = ("--table", "cleaned_records")
    assert step(project, "--table", "blocks_same_last", *records) == 0
    versions = project.versions()
    assert {"cleaned_records", "rejected_records", "blocks_same_last"} <= set(versions)
    assert not (project.lake / "catalog.duckdb").exists()
    assert step(project, *records) == 0
    assert project.versions() == versions
    assert "cleaned_records: unchanged" in caplog.messages
    assert step(project, *records, "--full") == 0
    assert project.versions()["cleaned_records"] > versions["cleaned_records"]


def test_what_is_missing_or_unknown_is_named(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert step(project, "--table", "blocks_same_last") == 1
    assert "cleaned_records" in capsys.readouterr().err
    assert step(project, "--table", "blocks_none") == 2
    assert "no step of people makes 'blocks_none'; there are" in capsys.readouterr().err
    assert step(project) == 2
