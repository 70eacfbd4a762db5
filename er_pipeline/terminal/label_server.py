"""Labelling in a browser of the same machine: the page, and what it asks of a session.

It listens on the loopback address alone. The address of the page holds a key drawn at random, so
that neither other users of the machine nor other pages of the browser can read or answer; what
changes anything must come from the page itself (its Origin), and under a name of this machine
(its Host), whatever a foreign name server says.
"""

import hmac
import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from er_pipeline.blocking.labels.label_session import KEYS, Session
from er_pipeline.blocking.labels.value_differences import runs
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.page_style import page_colours, policy_digest
from er_pipeline.terminal.exit_codes import UsageError

LOOPBACK = "127.0.0.1"
OWN_NAMES = (LOOPBACK, "localhost")
KEY_BYTES = 24
# Of a request: an answer takes some 50 bytes.
MOST_BYTES = 1_000
SECONDS_PER_REQUEST = 30
ALREADY_ANSWERED = "That pair was answered in another window; this is the next one."
Answer = tuple[HTTPStatus, dict[str, Any]]


class LabelServer(ThreadingHTTPServer):
    """Serves one session; requests side by side take turns."""

    daemon_threads = True  # a browser that keeps a connection open does not keep it from ending

    def __init__(self, session: Session, port: int) -> None:
        """Listen; nothing is answered before `serve_forever`."""
        super().__init__((LOOPBACK, port), _Handler)
        self.session = session
        self.key = secrets.token_urlsafe(KEY_BYTES)
        self.turn = Lock()
        self.page, self.policy = label_page()

    @property
    def url(self) -> str:
        """The address of the page, with its key."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.key}/"

    def state(self, said: str = "") -> dict[str, Any]:
        """Describe the pair to judge next and how far the session is. said: what was just done."""
        session = self.session
        shown = session.ask()
        rows = shown.rows if shown else []
        return {
            "number": session.pairs.index(shown) if shown else None,
            "why": shown.why if shown else "",
            "rows": [
                {"field": field, "mark": row.mark, "left": runs(row.left), "right": runs(row.right)}
                for field, row in rows
            ],
            "progress": session.progress(),
            "advice": session.advice(),
            "pairs": len(session.pairs),
            "left": len(session.left),
            "can_undo": bool(session.given),
            "who": session.who,
            "journal": str(session.journal.path),
            "said": said,
        }

    def answer(self, number: object, answer: object) -> Answer:
        """Keep an answer, if it is on the pair that is to be judged next.

        number: of the pair, as `state` gives it.
        """
        shown = self.session.ask()
        asked = self.session.pairs.index(shown) if shown else None
        if type(number) is not int or answer not in KEYS.values():
            return HTTPStatus.BAD_REQUEST, {"error": f"an answer is one of {[*KEYS.values()]}"}
        if shown is None or number != asked:
            return HTTPStatus.CONFLICT, self.state(ALREADY_ANSWERED)
        return HTTPStatus.OK, self.state(self.session.keep(shown, str(answer)))


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
    protocol_version = "HTTP/1.1"
    timeout = SECONDS_PER_REQUEST

    def do_GET(self) -> None:
        path = self._path()
        if path == "":
            self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
        elif path == "state":
            self._take_turn(lambda: (HTTPStatus.OK, self.server.state()))
        elif path is not None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        path = self._path()
        if path is None:
            return
        if self.headers.get("Origin") != f"http://{self.headers.get('Host')}":
            self._refuse(HTTPStatus.FORBIDDEN, "only the page itself may answer")
            return
        given = self._body()
        if given is None:
            self._refuse(HTTPStatus.BAD_REQUEST, "the request is no small JSON object")
        elif path == "answer":
            self._take_turn(lambda: self.server.answer(given.get("number"), given.get("answer")))
        elif path == "undo":
            undo = self.server.session.undo
            self._take_turn(lambda: (HTTPStatus.OK, self.server.state(undo())))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the terminal shows the address and, at the end, what was kept."""

    def _path(self) -> str | None:
        """Return what is asked for, below the key; None if the request is refused."""
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        except ValueError:
            host = None
        parts = urlsplit(self.path).path.split("/", 2)
        if host not in OWN_NAMES:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "this is a server of another name")
        elif len(parts) < 3 or not self._is_key(parts[1]):
            self._refuse(HTTPStatus.NOT_FOUND, "the address lacks its key; open the printed one")
        else:
            return parts[2]
        return None

    def _is_key(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.server.key.encode())

    def _body(self) -> dict[str, Any] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return None
        given = self.rfile.read(int(length))
        if self.headers.get_content_type() != "application/json":
            return None
        try:
            found = json.loads(given)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def _take_turn(self, act: Callable[[], Answer]) -> None:
        try:
            with self.server.turn:
                status, found = act()
        except InputError as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        else:
            self._send(status, json.dumps(found).encode(), "application/json")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True  # what is left of its body is not the next request
        self._send(status, json.dumps({"error": why}).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", self.server.policy),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "same-origin"),
            ("X-Content-Type-Options", "nosniff"),
            *((("Connection", "close"),) if self.close_connection else ()),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def label_server(session: Session, port: int) -> LabelServer:
    """Listen on a port of the loopback address; 0 is any that is free.

    Raises UsageError if the port is taken.
    """
    try:
        return LabelServer(session, port)
    except OSError as error:
        raise UsageError(
            f"port {port} cannot be listened on ({error.strerror}); choose another with --port, or"
            " leave it out"
        ) from error


def serve_until_stopped(server: LabelServer) -> None:
    """Answer requests until Ctrl-C."""
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        print()


def label_page() -> tuple[bytes, str]:
    """Return the page, and the policy that a browser keeps it to: its own code, nothing else."""
    own = files(__package__)
    style = page_colours() + own.joinpath("label_page.css").read_text("utf-8")
    script = own.joinpath("label_page.js").read_text("utf-8")
    before, rest = own.joinpath("label_page.html").read_text("utf-8").split("/*style*/")
    between, after = rest.split("/*script*/")
    policy = (
        f"default-src 'none'; style-src {policy_digest(style)}; script-src {policy_digest(script)};"
        " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    return (before + style + between + script + after).encode(), policy
