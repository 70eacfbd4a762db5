"""Locks: one run of a dataset at a time, and one publication of a lake at a time.

All are locks of the kernel on files that stay: they end with the process that holds them, however
it ends, so none is ever stale. Readers never wait.
"""

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

CATALOG_LOCK = ".catalog.lock"
RUN_LOCK = ".run.lock"
STEP_LOCK = ".step.lock"
SECONDS_BETWEEN_TRIES = 0.1


@contextmanager
def catalog_lock(root: Path) -> Iterator[None]:
    """Let one run at a time publish in a lake; others wait."""
    with _opened(root / CATALOG_LOCK) as lock:
        _wait_for(lock, fcntl.LOCK_EX, lambda holder: None)
        yield


@contextmanager
def run_lock(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Let one run at a time write the tables of a dataset; others wait.

    folder: of the dataset. say: called once with who is waited for. A step that outlives the run
    that began it, since that was killed, is waited for as well.
    """
    with _opened(folder / RUN_LOCK) as lock, _opened(folder / STEP_LOCK) as steps:
        _wait_for(
            lock,
            fcntl.LOCK_EX,
            lambda holder: say(f"another run of {folder.name} is at work ({holder}); waiting"),
        )
        os.ftruncate(lock, 0)
        os.pwrite(lock, _who().encode(), 0)
        _wait_for(
            steps,
            fcntl.LOCK_EX,
            lambda _: say(f"a step of a run of {folder.name} that ended is at work; waiting"),
        )
        fcntl.flock(steps, fcntl.LOCK_UN)
        yield


@contextmanager
def step_lock(folder: Path) -> Iterator[None]:
    """Say, while the block runs, that a step writes tables of a dataset; steps run side by side.

    folder: of the dataset.
    """
    with _opened(folder / STEP_LOCK) as lock:
        _wait_for(lock, fcntl.LOCK_SH, lambda holder: None)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for(lock: int, kind: int, busy: Callable[[str], None]) -> None:
    """Take a lock; trying again and again lets Ctrl-C through."""
    is_said = False
    while True:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if not is_said:
                busy(os.pread(lock, 200, 0).decode("utf-8", "replace") or "unknown process")
                is_said = True
            time.sleep(SECONDS_BETWEEN_TRIES)
        else:
            return


def _who() -> str:
    now = datetime.now(UTC)
    return f"process {os.getpid()} on {socket.gethostname()} since {now:%Y-%m-%d %H:%M:%S} UTC"
