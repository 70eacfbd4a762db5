"""Servers of this machine that keep what they get: a webhook's, and one of mails."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Received:
    """What a server got, in order, and where it listens."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.messages: list[Any] = []


@contextmanager
def webhook_server(status: int = 200, wait: float = 0) -> Iterator[Received]:
    """Answer every POST with a status, after some seconds; keep (path, JSON object)."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/json"
            released.wait(wait)
            received.messages.append((self.path, json.loads(body)))
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        received = Received(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield received
        released.set()
        server.shutdown()


@contextmanager
def mail_server(refuses: str = "") -> Iterator[Received]:
    """Take mails without encryption; keep the text of each. refuses: a command answered by 550."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            for line in self.rfile:
                command = line.decode().split()[0].upper()
                if command == refuses:
                    self.say("550 no")
                elif command == "DATA":
                    self.say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    received.messages.append(b"".join(lines).decode())
                    self.say("250 taken")
                elif command == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 yes")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        received = Received(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield received
        server.shutdown()
