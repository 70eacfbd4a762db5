"""A mail server of this machine as providers run them: STARTTLS first, then user and password."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class EncryptedMail(NamedTuple):
    """Where it listens, the authority that vouches for it, and what it got, in order."""

    port: int
    authority: Path
    messages: list[str]


@contextmanager
def encrypted_mail_server(
    folder: Path, user: str, password: str, *, host: str = "localhost"
) -> Iterator[EncryptedMail]:
    """Take mails of one user over TLS alone. host: the one that its certificate is for."""
    messages: list[str] = []

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            assert session.ssl is not None
            assert session.authenticated
            messages.append(envelope.content.decode())
            return "250 taken"

    def authenticator(server: Any, session: Any, envelope: Any, how: str, given: Any) -> AuthResult:
        login = LoginPassword(user.encode(), password.encode())
        return AuthResult(success=given == login, handled=False)

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    known = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(known))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # the controller cannot choose one itself
    controller = Controller(
        Handler(),
        hostname="127.0.0.1",
        port=port,
        authenticator=authenticator,
        auth_required=True,
        require_starttls=True,
        tls_context=context,
    )
    controller.start()
    try:
        yield EncryptedMail(port, known, messages)
    finally:
        controller.stop()
