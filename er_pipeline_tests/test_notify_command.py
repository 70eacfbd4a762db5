import json

import pytest

from er_pipeline.terminal.cli import main
from er_pipeline_tests.projects import SMALL, Project
from er_pipeline_tests.servers import webhook_server


def test_a_test_message_goes_to_every_place(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with webhook_server() as server:
        url = f"http://127.0.0.1:{server.port}/s3cr3t"
        project.declare(f"{SMALL}  notify: {{webhook: '{url}', command: ['true']}}\n")
        assert main(["notify", str(project.defs), "--test"]) == 0
        ((path, body),) = server.messages
    printed = capsys.readouterr()
    assert path == "/s3cr3t"
    assert body["text"].startswith("er_pipeline: a test message of people.")
    assert "sent to the command true" in printed.out
    assert "s3cr3t" not in printed.out + printed.err


def test_a_place_that_hears_nothing_is_an_error(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(f"{SMALL}  notify: {{command: ['false']}}\n")
    assert main(["notify", str(project.defs), "--test", "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out) == [
        {"place": "the command false", "error": "it ended with exit code 1"}
    ]


def test_without_test_the_message_is_shown_and_nothing_sent(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.declare(f"{SMALL}  notify: {{command: [sh, -c, 'cat > heard']}}\n")
    assert main(["notify", str(project.defs), "--lake", str(project.lake)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("er_pipeline: the run of people ")
    assert "the command sh" in printed.err
    assert not (project.folder / "heard").exists()


def test_without_a_section_the_error_says_what_to_write(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["notify", str(project.defs), "--test"]) == 2
    assert "write notify: {webhook_env: SLACK_WEBHOOK}" in capsys.readouterr().err
