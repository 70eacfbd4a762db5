import json
from pathlib import Path

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import Project
from er_pipeline_tests.projects import elsewhere as elsewhere
from er_pipeline_tests.projects import project as project

ROWS = "id,first_name,surname,email\n" + "".join(
    f"{i},Ann{i % 9},Smith{i % 7},p{i % 40}@acme.org\n" for i in range(80)
)


def test_a_table_is_declared_checked_and_run_without_an_edit(
    tmp_path: Path, elsewhere: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "people.csv").write_text(ROWS)
    assert main(["init", "people.csv", "--out", "people/defs.yaml"]) == 0
    assert "er-pipeline check people/defs.yaml" in capsys.readouterr().out
    assert main(["check", "people/defs.yaml"]) == 0
    assert main(["run", "people/defs.yaml", "--lake", "lake"]) == 0
    assert (tmp_path / "lake" / "catalog.duckdb").is_file()
    assert main(["init", "people.csv", "--out", "people/defs.yaml"]) == 2
    assert "--force" in capsys.readouterr().err


def test_what_was_declared_is_answered_in_json_and_a_folder_is_no_file(
    tmp_path: Path, elsewhere: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "people.csv").write_text(ROWS)
    assert main(["init", "people.csv", "--out", str(tmp_path), "--force"]) == 2
    assert "is a folder; name the file to write" in capsys.readouterr().err
    assert main(["init", "people.csv", "--out", "my people.yaml", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["file"], answer["mode"], answer["records"]) == ("my people.yaml", "dedupe", 80)
    assert answer["fields"]["email"] == "email"
    assert main(["init", "people.csv", "--out", "my people.yaml", "--force"]) == 0
    assert "  er-pipeline check 'my people.yaml'\n" in capsys.readouterr().out


def test_several_declarations_are_checked_and_the_worst_counts(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = project.folder / "wrong.yaml"
    wrong.write_text("type: other\n")
    assert main(["check", str(project.defs)]) == 0
    assert "ok, dataset people: 4 records" in capsys.readouterr().out
    assert main(["check", str(project.defs), str(wrong)]) == 2
    capsys.readouterr()
    assert main(["check", str(project.defs), str(wrong), "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"] == "failed"
    assert [file["dataset"] for file in answer["files"]] == ["people", ""]
    assert "must begin with" in answer["files"][1]["problems"]
