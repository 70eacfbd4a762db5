"""Measuring: a command in a process of its own, what it cost, and the aim beside the figure."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cost:
    """What a process cost, with those it started itself.

    cpu_seconds: user and system, of all threads. peak_mib: most resident memory of one process.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_mib: float


def run_child(
    *arguments: str, environment: Mapping[str, str] | None = None, folder: Path = REPOSITORY
) -> tuple[Cost, str]:
    """Run this Python with the arguments in a folder; give its cost and what it printed.

    environment: variables to add. What the child writes to stderr is shown as it comes.
    Raises RuntimeError if it fails.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
    )
    assert process.stdout is not None, "a pipe was asked for"
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        print(printed, file=sys.stderr)
        raise RuntimeError(f"exit code {process.returncode} of {' '.join(arguments)}")
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux kibibytes
    cost = Cost(
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        wall_seconds=time.perf_counter() - began,
        peak_mib=usage.ru_maxrss / unit,
    )
    return cost, printed


def fresh_instance(folder: Path) -> dict[str, str]:
    """Make a Dagster home that keeps its runs in files, as the shipped settings do.

    Returns the variables that choose it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", "utf-8")
    return {"DAGSTER_HOME": str(folder), "DAGSTER_DISABLE_TELEMETRY": "1"}


def show_machine() -> None:
    """Print what else the machine does, since wall time depends on it."""
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f} before the start")


def show_aim(text: str, value: float, limit: float, unit: str = "") -> None:
    """Print a figure beside the most it should be, and say whether the aim is met."""
    mark = "met" if value <= limit else "MISSED"
    print(f"[{mark}] {text}: {value:,.2f}{unit}, aim at most {limit:,.2f}{unit}")
