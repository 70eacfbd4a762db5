from pathlib import Path

import pytest

from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.terminal.cli import main
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline.terminal.run_notice import notifying_of_errors
from er_pipeline_tests.projects import SMALL, Project
from er_pipeline_tests.small_spec import small_spec

HEARD = '  notify: {on: [failure, warning, success], command: [sh, -c, "cat >> heard"]}\n'


def heard(folder: Path) -> str:
    file = folder / "heard"
    return file.read_text() if file.exists() else ""


def test_a_failed_run_says_so_once_without_values_and_a_deaf_place_only_warns(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    project.declare(SMALL + HEARD.replace("]}", "], webhook_env: NOT_SET}"))
    project.records("4711,Ann,Smith", "4711,Bob,Smith")
    assert project.run("--json") == 1
    printed = capsys.readouterr()
    assert "warning: the message to $NOT_SET was not sent" in printed.err
    assert '"notified": [\n    "the command sh"\n  ]' in printed.out
    text = heard(project.folder)
    assert text.count("the run of people has failed") == 1
    assert "1 ids stand more than once in column 'id': '…' (2 times)" in text
    assert "4711" not in text
    assert "so the catalog shows none of its tables" in text


def test_a_wrong_declaration_is_said_if_the_place_can_be_read(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(SMALL.replace("last_name}", "lst_name}") + HEARD)
    assert project.run() == 2
    assert "What failed:" in heard(project.folder)
    assert "lst_name" in heard(project.folder)


def test_nothing_is_said_where_nobody_wants_it(project: Project) -> None:
    wrong = SMALL.replace("last_name}", "lst_name}")
    project.declare(wrong + HEARD)
    assert project.run("--no-notify") == 2
    project.declare(wrong + HEARD.replace("command:", "comand:"))
    assert project.run() == 2
    assert heard(project.folder) == ""


def test_an_error_before_the_end_is_said_wrong_use_is_not(tmp_path: Path) -> None:
    notify = {"command": ["sh", "-c", "cat >> heard"]}
    spec = small_spec(notify=notify).located_in(tmp_path)
    errors = (UsageError("no"), KeyboardInterrupt(), LakeError("the lake is full"))
    for error in errors:
        with pytest.raises(type(error)), notifying_of_errors(spec, tmp_path, wanted=True):
            raise error
    assert heard(tmp_path).count("has failed") == 1
    assert "What failed: the run: the lake is full" in heard(tmp_path)


def test_help_names_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    assert "--no-notify" in capsys.readouterr().out
