import json

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import Project

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_two_records_are_explained_and_for_programs_as_json(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run() == 0
    capsys.readouterr()
    ids = ["1", "2"]
    command = ["explain", str(project.defs), *ids, "--lake", str(project.lake)]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert f"people:{ids[0]}" in text
    assert "candidate pair" in text
    assert main([*command, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["sentence"] == text.strip().splitlines()[-1]
    assert [key["strategy"] for key in answer["keys"]]


def test_an_unknown_record_is_one_sentence_and_no_success(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert project.run() == 0
    command = ["explain", str(project.defs), "nobody", "else", "--lake", str(project.lake)]
    assert main(command) != 0
    assert "has a record 'nobody'" in capsys.readouterr().err


def test_without_tables_it_says_what_to_run(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(project.defs), "1", "2", "--lake", str(project.lake)]) != 0
    assert "is not in the lake" in capsys.readouterr().err
