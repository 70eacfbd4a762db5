import json

import pyarrow.parquet as pq
import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import SMALL, Project

pytestmark = pytest.mark.usefixtures("elsewhere")


def forget(project: Project, *arguments: str) -> int:
    return main(["forget", str(project.defs), *arguments, "--lake", str(project.lake)])


def test_a_record_is_forgotten_and_the_nights_go_on(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL + "  publish: [{parquet: out, tables: [cleaned_records]}]\n")
    assert project.run() == 0
    capsys.readouterr()
    assert forget(project, "people", "2", "--dry-run") == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert forget(project, "people", "2") == 0
    answer = capsys.readouterr().out
    assert "nothing of record people:2 is left" in answer
    assert "searched " in answer
    assert "The places of `publish` (parquet) hold it until the next run writes them." in answer
    assert [row[0] for row in project.catalog()["cleaned_records"]] == ["1", "3", "4"]
    assert project.run() == 0
    report = capsys.readouterr().out
    assert "Forgotten records:     1 of the sources" in report
    sent = pq.read_table(project.folder / "out" / "cleaned_records.parquet")
    assert sent["record_id"].to_pylist() == ["1", "3", "4"]
    assert [row[0] for row in project.catalog()["cleaned_records"]] == ["1", "3", "4"]
    assert forget(project, "people", "2", "--allow-again") == 0
    assert project.run() == 0
    assert [row[0] for row in project.catalog()["cleaned_records"]] == ["1", "2", "3", "4"]


def test_programs_get_one_object(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert project.run() == 0
    capsys.readouterr()
    assert forget(project, "people", "2", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["records"] == 1
    assert answer["rows"]["cleaned_records"] == 1
    assert answer["left"] == []


def test_something_left_is_a_failure(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.run() == 0
    monkeypatch.setattr("er_pipeline.forgetting.thin_file", lambda *_: None)
    assert forget(project, "people", "2") == 1
    assert "something of record people:2 is left in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["people"], 2, "name at least one ID"),
        (["clients", "2"], 2, "no source of people"),
        (["people", "2", "--dry-run", "--allow-again"], 2, "leave --dry-run out"),
        (["people", "2"], 1, "is not in the lake"),
        (["people", "2", "--allow-again"], 1, "was not forgotten"),
    ],
)
def test_wrong_use_changes_nothing_and_says_what_to_do(
    project: Project,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    assert forget(project, *arguments) == code
    assert message in capsys.readouterr().err


def test_records_without_ids_cannot_be_named(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL.replace("record_id: id", "record_id: null"))
    assert forget(project, "people", "2") == 2
    assert "declares no record_id" in capsys.readouterr().err
