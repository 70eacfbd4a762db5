"""Delivery: a notice goes to a webhook, by e-mail, to a command; what fails is a warning, no error.

Everything is sent at once, and nothing is waited for longer than the declaration says. Secrets are
read when a message is sent, and stand in no text of this module.
"""

import json
import os
import signal
import smtplib
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from er_pipeline.blocking.spec.notify_section import Email, Notify, check_webhook, shown_url
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.notices.notice import Notice

# What a sender needs to say itself why it has had to give up.
GRACE_SECONDS = 1.0
# Servers that speak TLS from the first byte listen there.
SMTPS_PORT = 465
# Teams takes messages through workflows alone, and these take cards alone.
# Source: Microsoft, "Create incoming webhooks with Workflows for Microsoft Teams".
WORKFLOWS = (".logic.azure.com", ".powerplatform.com", ".powerautomate.com")
CARD = "application/vnd.microsoft.card.adaptive"
# It reads <!channel> as a call to everybody.
SLACK = ".slack.com"


class NotSentError(Exception):
    """A message could not be sent; the text says why, without a secret."""


@dataclass(frozen=True)
class Delivery:
    """One message sent, or not. place: where to, without secrets. error: why not; empty if sent."""

    place: str
    error: str = ""


def deliver(notify: Notify, notice: Notice, folder: Path) -> list[Delivery]:
    """Send a notice to every place of a declaration; raise nothing.

    folder: of the declaration, where a command starts. Wait at most notify.timeout_seconds.
    """
    senders = _senders(notify, folder)
    errors: list[str] = [
        f"no answer within {notify.timeout_seconds:g} seconds; raise notify: timeout_seconds, or"
        " look at the server"
    ] * len(senders)

    def send(nth: int, sender: Callable[[Notice], None]) -> None:
        try:
            sender(notice)
        except Exception as error:
            errors[nth] = _reason(error)
        else:
            errors[nth] = ""

    threads = [
        threading.Thread(target=send, args=(nth, sender), daemon=True)
        for nth, (_, sender) in enumerate(senders)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + notify.timeout_seconds + GRACE_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [Delivery(place, error) for (place, _), error in zip(senders, list(errors), strict=True)]


def notify_of(
    spec: PipelineSpec, notice: Notice, warn: Callable[[str], None]
) -> Sequence[Delivery]:
    """Send a notice if the declaration wants one of its kind; warn of what could not be sent."""
    if spec.notify is None or (notice.kind != "test" and notice.kind not in spec.notify.on):
        return ()
    sent = deliver(spec.notify, notice, spec.folder)
    for delivery in sent:
        if delivery.error:
            warn(warning_of(delivery))
    return sent


def warning_of(delivery: Delivery) -> str:
    """Say that a message was not sent."""
    return f"the message to {delivery.place} was not sent: {delivery.error}"


def places_of(notify: Notify) -> list[str]:
    """List where a declaration sends messages, without secrets."""
    return [place for place, _ in _senders(notify, Path())]


def webhook_body(url: str, text: str) -> dict[str, Any]:
    """Write what a webhook gets: the text, and a card where only cards are taken."""
    host = urlsplit(url).hostname or ""
    if host.endswith(SLACK):
        for sign, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(sign, escaped)
    body: dict[str, Any] = {"text": text}
    if host.endswith(WORKFLOWS):
        blocks = [{"type": "TextBlock", "text": line, "wrap": True} for line in text.split("\n")]
        card = {"type": "AdaptiveCard", "version": "1.4", "body": blocks}
        body |= {"type": "message", "attachments": [{"contentType": CARD, "content": card}]}
    return body


def email_message(email: Email, notice: Notice) -> EmailMessage:
    """Write a notice as an e-mail."""
    message = EmailMessage()
    message["Subject"] = notice.title
    message["From"] = email.sender
    message["To"] = ", ".join(email.to)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=email.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # no out-of-office note answers it (RFC 3834)
    message.set_content(notice.text)
    return message


def _senders(notify: Notify, folder: Path) -> list[tuple[str, Callable[[Notice], None]]]:
    wait = notify.timeout_seconds
    found: list[tuple[str, Callable[[Notice], None]]] = []
    if notify.webhook:
        url = notify.webhook.get_secret_value()
        found.append((_place_of(url), lambda notice: _post(url, notice, wait)))
    if notify.webhook_env:
        name = notify.webhook_env
        place = _place_of(os.environ.get(name, "")) if os.environ.get(name) else f"${name}"
        found.append((place, lambda notice: _post(_variable(name), notice, wait)))
    if notify.email:
        email = notify.email
        found.append((", ".join(email.to), lambda notice: _mail(email, notice, wait)))
    if notify.command:
        command = notify.command
        place = f"the command {Path(command[0]).name}"
        found.append((place, lambda notice: _start(command, notice, wait, folder)))
    return found


def _place_of(url: str) -> str:
    try:
        check_webhook(url)
    except ValueError:
        return "the webhook"
    return shown_url(url)


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise NotSentError(f"the environment variable {name} is not set")
    return value


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the message into a question, and take the secret elsewhere."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _post(url: str, notice: Notice, wait: float) -> None:
    try:
        check_webhook(url)
    except ValueError as error:
        raise NotSentError(f"webhook {error}") from None
    request = urllib.request.Request(
        url,
        json.dumps(webhook_body(url, notice.text)).encode(),
        {"Content-Type": "application/json", "User-Agent": "er_pipeline"},
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=wait):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise NotSentError(
            f"the server answered {error.code}; is the URL complete and still valid?"
        ) from None


def _mail(email: Email, notice: Notice, wait: float) -> None:
    message = email_message(email, notice)
    encrypted = ssl.create_default_context()
    is_encrypted = email.port == SMTPS_PORT
    server: smtplib.SMTP
    if is_encrypted:
        server = smtplib.SMTP_SSL(email.host, email.port, timeout=wait, context=encrypted)
    else:
        server = smtplib.SMTP(email.host, email.port, timeout=wait)
    with server:
        if email.starttls and not is_encrypted:
            server.starttls(context=encrypted)
        if email.user and email.password_env:
            server.login(email.user, _variable(email.password_env))
        server.send_message(message)


def _start(command: Sequence[str], notice: Notice, wait: float, folder: Path) -> None:
    variables: Mapping[str, str] = {
        **os.environ,
        "ER_PIPELINE_DATASET": notice.dataset,
        "ER_PIPELINE_NOTICE": notice.kind,
    }
    with subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that what it has started ends with it
    ) as running:
        try:
            running.communicate(f"{notice.text}\n".encode(), timeout=wait)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            raise
    if running.returncode:
        raise NotSentError(f"it ended with exit code {running.returncode}")


def _reason(error: Exception) -> str:
    """Say why a message was not sent; what a library says of it may hold the secret."""
    if isinstance(error, NotSentError):
        return str(error)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "the mail server refuses user and password"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the mail server does not encrypt (STARTTLS); use another port, or starttls: false"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "the mail server refuses the addresses in `to`"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server answered {error.smtp_code}"
    # An error of TLS has a reason, too, which is a code.
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError | subprocess.TimeoutExpired):
        return "no answer in time; raise notify: timeout_seconds, or look at the server"
    if isinstance(cause, ssl.SSLError):
        return "its certificate is not accepted, or it does not speak TLS there"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror[:1].lower() + cause.strerror[1:]
    return type(error).__name__
