"""The section `notify`: who hears how a run went. Secrets are named here, never written."""

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from er_pipeline.blocking.spec.settings import Settings

Occasion = Literal["failure", "warning", "success"]
# A name that a shell can set.
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# As much of an address as a server has to be asked for; the rest is the server's own business.
ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")


def _variable(name: str) -> str:
    if not VARIABLE.fullmatch(name):  # somebody has written the secret itself: not repeated
        raise ValueError(
            "is the name of an environment variable, such as SMTP_PASSWORD; the secret itself"
            " belongs into that variable"
        )
    return name


def _address(address: str) -> str:
    if not ADDRESS.fullmatch(address):
        raise ValueError(f"{address!r} is no e-mail address; write one such as data@example.org")
    return address


VariableName = Annotated[str, AfterValidator(_variable)]
Address = Annotated[str, AfterValidator(_address)]


class Email(Settings):
    """A message by SMTP."""

    model_config = ConfigDict(serialize_by_alias=True)  # from is no name in Python

    host: str = Field(min_length=1, description="The mail server.")
    port: int = Field(587, ge=1, le=65_535, description="Its port.")
    sender: Address = Field(alias="from", description="Address that the message comes from.")
    to: list[Address] = Field(min_length=1, description="Addresses that it goes to.")
    starttls: bool = Field(
        True, description="Encrypt the connection; a server that cannot is refused."
    )
    user: str | None = Field(None, description="Name to log in with; without a log-in if omitted.")
    password_env: VariableName | None = Field(
        None, description="Environment variable that holds the password of `user`."
    )

    @field_validator("to", mode="before")
    @classmethod
    def _one_or_several(cls, to: object) -> object:
        return [to] if isinstance(to, str) else to

    @model_validator(mode="after")
    def _log_in_is_whole(self) -> Self:
        if (self.user is None) != (self.password_env is None):
            raise ValueError("user and password_env belong together: write both, or leave both out")
        if self.user is not None and not self.starttls:
            raise ValueError(
                "a password is sent over an encrypted connection only: leave starttls on, or leave"
                " user and password_env out"
            )
        return self


class Notify(Settings):
    """Where a message goes when a run has ended, and which runs are worth one."""

    on: list[Occasion] = Field(
        ["failure", "warning"],
        min_length=1,
        description="Which runs are worth a message: failure, warning, success.",
    )
    webhook: SecretStr | None = Field(
        None,
        description="URL that gets a JSON object with `text`, as Slack and Teams take it; its path"
        " is a secret: {{ env.NAME }}, or webhook_env.",
    )
    webhook_env: VariableName | None = Field(
        None, description="Environment variable that holds that URL, read when a message is sent."
    )
    email: Email | None = Field(None, description="A message by SMTP.")
    command: list[str] | None = Field(
        None,
        min_length=1,
        description="Program and arguments, started without a shell; the message is on stdin.",
    )
    timeout_seconds: float = Field(
        20, gt=0, le=600, description="Longest wait for each of them; then there is a warning."
    )

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, settings: Any) -> Any:
        """Take `on`, which YAML reads as true, for the word."""
        if isinstance(settings, dict) and True in settings:
            return {"on" if name is True else name: value for name, value in settings.items()}
        return settings

    @field_validator("on", mode="before")
    @classmethod
    def _one_or_several(cls, on: object) -> object:
        return [on] if isinstance(on, str) else on

    @field_validator("webhook")
    @classmethod
    def _webhook_is_a_url(cls, webhook: SecretStr | None) -> SecretStr | None:
        # Dagster reads the text first as it is written, and fills the variable in after that.
        if webhook is not None and "{{" not in webhook.get_secret_value():
            check_webhook(webhook.get_secret_value())
        return webhook

    @field_validator("command", mode="before")
    @classmethod
    def _command_is_a_list(cls, command: object) -> object:
        if isinstance(command, str):
            raise ValueError(
                "is a list of the program and its arguments, as no shell reads it: [/usr/bin/page,"
                " --team, data]"
            )
        return command

    @field_validator("command")
    @classmethod
    def _command_names_a_program(cls, command: list[str] | None) -> list[str] | None:
        if command and (not command[0].strip() or any("\0" in part for part in command)):
            raise ValueError("the first part names the program: [/usr/bin/page, --team, data]")
        return command

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if self.webhook and self.webhook_env:
            raise ValueError("webhook and webhook_env name the same: leave one of them out")
        if not (self.webhook or self.webhook_env or self.email or self.command):
            raise ValueError(
                "says nothing of where messages go: write webhook, webhook_env, email or command"
            )
        return self


def check_webhook(url: str) -> None:
    """Raise ValueError if a text is no URL of a webhook; the URL, a secret, is not repeated."""
    try:
        parts = urlsplit(url)
        is_url = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and not (parts.port is not None and parts.port < 1)
        )
    except ValueError:
        is_url = False
    if not is_url or not url.isprintable() or " " in url:
        raise ValueError(
            "is no URL of a webhook; write https://hooks.example.org/... as the service shows it"
        )


def shown_url(url: str) -> str:
    """Return a URL without its path, its user and its query, which may be secrets."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}/…"
