"""A PostgreSQL server of this machine, in a folder of its own, gone after the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

# Of Debian's packages; elsewhere on the path.
DEBIAN = Path("/usr/lib/postgresql")
PASSWORD = "hunter2"


class Server(NamedTuple):
    """url: of a fresh database, without a driver's name; it holds the password."""

    port: int

    def url(self, driver: str = "psycopg") -> str:
        return f"postgresql+{driver}://postgres:{PASSWORD}@127.0.0.1:{self.port}/postgres"


def programs() -> Path | None:
    """Find the folder of the server's programs, if there is one."""
    of_debian = sorted(DEBIAN.glob("*/bin/initdb"))
    found = shutil.which("initdb")
    return of_debian[-1].parent if of_debian else Path(found).parent if found else None


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Start a server; skip the tests if this machine has none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install psycopg[binary]")
    place = programs()
    if place is None:
        pytest.skip("this machine has no PostgreSQL: apt-get install postgresql")
    # The server refuses to be run by root.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg_", dir="/tmp"))
    if user:
        shutil.chown(folder, user)
    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        data = folder / "data"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "user": user}
        initdb = [place / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256"]
        subprocess.run(
            [*initdb, "--pwfile", password, "-N", "-E", "UTF8", "--locale", "C"],
            check=True,
            cwd=folder,
            **quiet,  # type: ignore[call-overload]
        )
        port = _free_port()
        server = subprocess.Popen(
            [
                *(place / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1"),
                *("-k", folder, "-F", "-c", "shared_buffers=16MB", "-c", "max_connections=20"),
            ],
            cwd=folder,
            **quiet,  # type: ignore[call-overload]
        )
        try:
            _wait(port, server)
            yield Server(port)
        finally:
            server.terminate()
            server.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    import time

    import psycopg

    for _ in range(200):
        assert server.poll() is None, "the server has ended"
        try:
            psycopg.connect(Server(port).url().replace("+psycopg", ""), connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not answer")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
