import os
import time
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.spec.notify_section import Notify
from er_pipeline.notices.delivery import (
    Delivery,
    deliver,
    notify_of,
    places_of,
    warning_of,
    webhook_body,
)
from er_pipeline.notices.notice import Notice
from er_pipeline_tests.servers import mail_server, webhook_server
from er_pipeline_tests.small_spec import small_spec

NOTICE = Notice("people", "failure", "people has failed", "people has failed.\nNext: mend it.")
SECRET = "s3cr3t"


def sent(folder: Path = Path(), **notify: Any) -> list[Delivery]:
    return deliver(Notify.model_validate(notify), NOTICE, folder)


def mail_to(port: int, **settings: Any) -> dict[str, Any]:
    return {
        **{"host": "127.0.0.1", "port": port, "from": "er@example.org"},
        **{"to": ["a@example.org", "b@example.org"], "starttls": False},
        **settings,
    }


def test_a_webhook_gets_the_text_and_no_place_shows_its_path() -> None:
    with webhook_server() as server:
        url = f"http://127.0.0.1:{server.port}/{SECRET}"
        assert sent(webhook=url) == [Delivery(f"http://127.0.0.1:{server.port}/…")]
        assert server.messages == [(f"/{SECRET}", {"text": NOTICE.text})]


def test_a_webhooks_url_is_read_from_its_variable_when_it_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    (unset,) = sent(webhook_env="HOOK")
    assert (unset.place, unset.error) == ("$HOOK", "the environment variable HOOK is not set")
    monkeypatch.setenv("HOOK", SECRET)
    (wrong,) = sent(webhook_env="HOOK")
    assert "is no URL of a webhook" in wrong.error
    assert SECRET not in warning_of(wrong)
    with webhook_server() as server:
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{server.port}/{SECRET}")
        assert [one.error for one in sent(webhook_env="HOOK")] == [""]
        assert len(server.messages) == 1


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_an_error_and_redirects_are_not_followed(status: int) -> None:
    with webhook_server(status) as server:
        (one,) = sent(webhook=f"http://127.0.0.1:{server.port}/{SECRET}")
        assert one.error == f"the server answered {status}; is the URL complete and still valid?"
        assert [path for path, _ in server.messages] == [f"/{SECRET}"]


def test_nothing_is_waited_for_longer_than_the_declaration_says() -> None:
    began = time.monotonic()
    with webhook_server(wait=30) as server:
        (one,) = sent(webhook=f"http://127.0.0.1:{server.port}/", timeout_seconds=0.2)
    assert "no answer in time" in one.error
    assert time.monotonic() - began < 5


def test_slack_calls_nobody_and_teams_gets_a_card() -> None:
    text = "a <!channel> & b\nNext: c"
    slack = webhook_body("https://hooks.slack.com/services/T", text)
    assert slack == {"text": "a &lt;!channel&gt; &amp; b\nNext: c"}
    assert webhook_body("https://hooks.example.org/x", text) == {"text": text}
    teams = webhook_body("https://prod-1.westeurope.logic.azure.com:443/workflows/x", text)
    assert teams["text"] == text
    (card,) = teams["attachments"]
    assert [block["text"] for block in card["content"]["body"]] == text.split("\n")


def test_a_mail_goes_to_all_addresses() -> None:
    with mail_server() as server:
        assert sent(email=mail_to(server.port)) == [Delivery("a@example.org, b@example.org")]
    (text,) = server.messages
    mail = message_from_string(text.replace("\r\n", "\n"), policy=policy.default)
    assert mail["Subject"] == "people has failed"
    assert (mail["From"], mail["To"]) == ("er@example.org", "a@example.org, b@example.org")
    assert mail.get_content().strip() == NOTICE.text


def test_a_mail_that_is_to_be_encrypted_is_not_sent_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", SECRET)
    with mail_server() as server:
        login = {"user": "er", "password_env": "MAIL_PASSWORD", "starttls": True}
        (one,) = sent(email=mail_to(server.port, **login))
    assert "does not encrypt" in one.error
    assert server.messages == []


def encrypted_mail(folder: Path, monkeypatch: pytest.MonkeyPatch, **server: Any) -> Any:
    pytest.importorskip("aiosmtpd", reason="no aiosmtpd: pip install -e '.[test]'")
    from er_pipeline_tests.encrypted_mail import encrypted_mail_server

    monkeypatch.setenv("MAIL_PASSWORD", SECRET)
    return encrypted_mail_server(folder, "er", SECRET, **server)


LOGIN = {"host": "localhost", "user": "er", "password_env": "MAIL_PASSWORD", "starttls": True}


def test_a_mail_is_encrypted_and_sent_with_user_and_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with encrypted_mail(tmp_path, monkeypatch) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        assert sent(email=mail_to(server.port, **LOGIN)) == [
            Delivery("a@example.org, b@example.org")
        ]
        monkeypatch.setenv("MAIL_PASSWORD", "wrong")
        (refused,) = sent(email=mail_to(server.port, **LOGIN))
        without = {"host": "localhost", "starttls": True}
        (stranger,) = sent(email=mail_to(server.port, **without))
    assert refused.error == "the mail server refuses user and password"
    assert stranger.error.startswith("the mail server ")
    (text,) = server.messages
    mail = message_from_string(text.replace("\r\n", "\n"), policy=policy.default)
    assert mail.get_content().strip() == NOTICE.text


@pytest.mark.parametrize("host", ["localhost", "mail.example.org"])
def test_a_password_goes_to_no_server_that_nobody_vouches_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Neither where the authority is not known, nor where its certificate is of another host."""
    with encrypted_mail(tmp_path, monkeypatch, host=host) as server:
        if host != "localhost":
            monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        (one,) = sent(email=mail_to(server.port, **LOGIN))
    assert one.error == "its certificate is not accepted, or it does not speak TLS there"
    assert server.messages == []


def test_a_mail_server_that_refuses_is_an_error() -> None:
    with mail_server(refuses="RCPT") as server:
        (one,) = sent(email=mail_to(server.port))
    assert one.error == "the mail server refuses the addresses in `to`"


def test_a_command_gets_the_text_on_stdin_and_no_shell_reads_its_arguments(tmp_path: Path) -> None:
    script = tmp_path / "say.sh"
    script.write_text(
        '#!/bin/sh\n{ echo "$1|$ER_PIPELINE_NOTICE|$ER_PIPELINE_DATASET"; cat; } > got\n'
    )
    script.chmod(0o700)
    assert sent(tmp_path, command=["./say.sh", "$HOME; *"]) == [Delivery("the command say.sh")]
    first, *rest = (tmp_path / "got").read_text().splitlines()
    assert first == "$HOME; *|failure|people"
    assert "\n".join(rest) == NOTICE.text


def test_a_command_that_fails_or_is_not_there_is_an_error(tmp_path: Path) -> None:
    (failed,) = sent(tmp_path, command=["sh", "-c", "exit 3"])
    assert failed.error == "it ended with exit code 3"
    (missing,) = sent(tmp_path, command=["./not_there"])
    assert missing.error == "no such file or directory"


def test_a_command_that_hangs_is_ended_with_all_it_has_started(tmp_path: Path) -> None:
    (one,) = sent(
        tmp_path, command=["sh", "-c", "sleep 60 & echo $! > pid; wait"], timeout_seconds=0.5
    )
    assert "no answer in time" in one.error
    child = int((tmp_path / "pid").read_text())
    for _ in range(50):
        if not _is_alive(child):
            return
        time.sleep(0.05)
    pytest.fail("its child still runs")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"


def test_only_what_is_wanted_is_sent_and_what_fails_warns(tmp_path: Path) -> None:
    spec = small_spec(notify={"on": ["success"], "command": ["false"]}).located_in(tmp_path)
    warnings: list[str] = []
    assert notify_of(spec, NOTICE, warnings.append) == ()
    assert notify_of(small_spec(), NOTICE, warnings.append) == ()
    good = Notice("people", "success", "well", "well.")
    assert notify_of(spec, good, warnings.append) != ()
    assert warnings == ["the message to the command false was not sent: it ended with exit code 1"]


def test_every_place_is_listed_without_secrets() -> None:
    notify = Notify.model_validate(
        {
            "webhook": f"https://hooks.example.org/{SECRET}",
            "email": mail_to(25, to="a@example.org"),
            "command": ["/usr/bin/page", SECRET],
        }
    )
    assert places_of(notify) == [
        "https://hooks.example.org/…",
        "a@example.org",
        "the command page",
    ]
