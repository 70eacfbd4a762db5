import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.locks import catalog_lock, run_lock, step_lock

HOLDING = """
import sys, time
from pathlib import Path
from er_pipeline.blocking.tables import locks
lock = getattr(locks, sys.argv[1])
with lock(Path(sys.argv[2]), *([print] if sys.argv[1] == "run_lock" else [])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(lock: str, folder: Path) -> "subprocess.Popen[str]":
    """Start a process that holds a lock until it is killed."""
    started = subprocess.Popen(
        [sys.executable, "-c", HOLDING, lock, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "held\n"
    return started


@pytest.mark.parametrize(
    ("held", "said"),
    [("run_lock", r"another run of people is at work (process "), ("step_lock", "a step of a run")],
)
def test_a_second_run_says_whom_it_waits_for_and_a_kill_ends_the_wait(
    tmp_path: Path, held: str, said: str
) -> None:
    folder = tmp_path / "people"
    first = holder(held, folder)
    threading.Timer(0.5, first.kill).start()
    heard: list[str] = []
    began = time.monotonic()
    with run_lock(folder, heard.append):
        assert time.monotonic() - began > 0.4
    assert len(heard) == 1
    assert heard[0].startswith(said)
    assert (str(first.pid) in heard[0]) == (held == "run_lock")
    first.wait()
    with run_lock(folder, heard.append):  # nothing is left to wait for
        assert len(heard) == 1


def test_runs_of_two_datasets_do_not_wait_for_each_other(tmp_path: Path) -> None:
    heard: list[str] = []
    with run_lock(tmp_path / "people", heard.append), run_lock(tmp_path / "firms", heard.append):
        assert heard == []


def test_steps_of_one_run_work_side_by_side(tmp_path: Path) -> None:
    with (
        run_lock(tmp_path / "people", pytest.fail),
        step_lock(tmp_path / "people"),
        step_lock(tmp_path / "people"),
    ):
        pass


def test_one_publication_at_a_time(tmp_path: Path) -> None:
    first = holder("catalog_lock", tmp_path)
    threading.Timer(0.5, first.kill).start()
    began = time.monotonic()
    with catalog_lock(tmp_path):
        assert time.monotonic() - began > 0.4
    first.wait()


def test_the_wait_can_be_interrupted(tmp_path: Path) -> None:
    first = holder("run_lock", tmp_path)

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), run_lock(tmp_path, stop):
        pytest.fail("the lock is another's")
    first.kill()
    first.wait()
