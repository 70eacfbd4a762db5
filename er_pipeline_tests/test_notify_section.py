from pathlib import Path

import pytest

from er_pipeline.blocking.spec.notify_section import shown_url
from er_pipeline.blocking.spec.yaml_file import examine, read_spec
from er_pipeline_tests.projects import HEAD, SMALL

SECRET = "T0123456789"


def declared(folder: Path, notify: str) -> Path:
    path = folder / "defs.yaml"
    path.write_text(f"{HEAD}{SMALL}  notify: {notify}\n")
    return path


def problem(folder: Path, notify: str) -> str:
    return "\n".join(examine(declared(folder, notify)).problems)


def test_on_is_read_though_yaml_takes_it_for_true(tmp_path: Path) -> None:
    spec = read_spec(declared(tmp_path, "{on: [success], command: [page]}"))
    assert spec.notify is not None
    assert spec.notify.on == ["success"]
    assert spec.changed({"description": "the same, again"}).notify == spec.notify


def test_failures_and_warnings_are_what_is_said_unless_asked_otherwise(tmp_path: Path) -> None:
    spec = read_spec(declared(tmp_path, "{command: [page]}"))
    assert spec.notify is not None
    assert spec.notify.on == ["failure", "warning"]


def test_the_sender_is_called_from_in_the_file_and_survives_a_copy(tmp_path: Path) -> None:
    email = "{email: {host: mail, from: er@example.org, to: data@example.org}}"
    copied = read_spec(declared(tmp_path, email)).changed({})
    assert copied.notify is not None
    assert copied.notify.email is not None
    assert (copied.notify.email.sender, copied.notify.email.to) == (
        "er@example.org",
        ["data@example.org"],
    )


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        ("{on: [faliure], command: [page]}", "notify.on.0: 'faliure' is unknown"),
        ("{on: [failure]}", "says nothing of where messages go"),
        ("{command: page --team data}", "is a list of the program and its arguments"),
        ("{command: ['']}", "the first part names the program"),
        ("{webhook: hooks.example.org/a}", "is no URL of a webhook"),
        ("{webhook: 'https://h.example.org/a', webhook_env: HOOK}", "leave one of them out"),
        ("{webhook_env: 'https://h.example.org/a'}", "is the name of an environment variable"),
        ("{email: {host: m, from: er, to: a@b}}", "'er' is no e-mail address"),
        ("{email: {host: m, form: e@b, to: a@b}}", "unknown setting 'form'; did you mean 'from'?"),
        ("{email: {host: m, from: e@b, to: a@b, user: er}}", "belong together"),
        (
            "{email: {host: m, from: e@b, to: a@b, user: er, password_env: P, starttls: false}}",
            "over an encrypted connection only",
        ),
    ],
)
def test_a_mistake_is_shown_with_its_line(tmp_path: Path, notify: str, said: str) -> None:
    found = problem(tmp_path, notify)
    assert said in found
    assert found.startswith(f"{tmp_path / 'defs.yaml'}:9: ")


@pytest.mark.parametrize(
    "notify",
    [
        f"{{webhook: 'ftp://hooks.example.org/{SECRET}'}}",
        f"{{on: [no], webhook: 'https://hooks.slack.com/services/{SECRET}'}}",
        f"{{email: {{host: m, from: e@b, to: a@b, user: er, password_env: '{SECRET}!'}}}}",
    ],
)
def test_a_secret_in_a_wrong_line_is_not_repeated(tmp_path: Path, notify: str) -> None:
    found = problem(tmp_path, notify)
    assert "defs.yaml:9: notify" in found
    assert SECRET not in found


def test_a_secret_stands_in_no_dump_of_the_settings(tmp_path: Path) -> None:
    url = f"https://hooks.slack.com/services/{SECRET}"
    spec = read_spec(declared(tmp_path, f"{{webhook: '{url}'}}"))
    assert SECRET not in f"{spec!r} {spec.model_dump_json()} {spec.model_dump()}"
    assert spec.notify is not None
    assert spec.notify.webhook is not None
    assert spec.notify.webhook.get_secret_value() == url


def test_a_url_is_shown_without_path_user_and_query() -> None:
    assert shown_url("https://me:pw@h.example.org:8443/a/b?c=d") == "https://h.example.org:8443/…"
