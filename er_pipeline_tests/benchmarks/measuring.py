"""Measuring: a command in a process of its own, what it cost, and how the figures are printed.

A table is printed in Markdown, as `er_pipeline/docs/measured.md` has it, so that `measured.py`
finds it in what a program prints.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.runs import run_step, steps_for
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Facts

if TYPE_CHECKING:
    import duckdb

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
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    folder: Path = REPOSITORY,
    python: str = sys.executable,
) -> tuple[Cost, str]:
    """Run Python with the arguments in a folder; give its cost and what it printed.

    environment: variables to add. python: another one than this. What the child writes to stderr
    is shown as it comes.
    Raises RuntimeError if it fails.
    """
    began = time.perf_counter()
    process = subprocess.Popen(
        [python, *arguments],
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


def timed_step(flow: Sequence[Step], table: str, lake: Lake) -> tuple[Facts, float]:
    """Run the one step of a flow that makes a table; return its facts and its CPU seconds."""
    (step,) = [step for step in flow if step.name == table]
    with DuckDBEngine() as engine:
        began = time.process_time()
        facts = run_step(step, engine, lake)
        return facts, time.process_time() - began


def make_stale(flow: Sequence[Step], table: str, lake: Lake) -> Iterator[tuple[Step, float, float]]:
    """Make a table and what it is made of, but for what lies in the lake as it would be made.

    Yields every step that ran, with its wall seconds and its CPU seconds.
    """
    for step in steps_for(flow, table):
        try:
            for made in step.writes:
                lake.check(made.name)
        except LakeError:
            wall, cpu = time.perf_counter(), time.process_time()
            with DuckDBEngine() as engine:
                run_step(step, engine, lake)
            yield step, time.perf_counter() - wall, time.process_time() - cpu


def costs_of_assets(
    catalog: "duckdb.DuckDBPyConnection", dataset: str
) -> dict[str, tuple[float, float]]:
    """Read what the assets of a dataset's last run cost, by name.

    Returns the CPU seconds of each, and the peak of the process when it was done, in MiB.
    """
    found = catalog.execute(
        f"""
        select table_name,
            max(value) filter (where metric = 'cpu_seconds') as cpu_seconds,
            max(value) filter (where metric = 'process_peak_mib') as peak_mib
        from {dataset}.run_metrics
        where run_id = (select run_id from {dataset}.run_metrics order by "at" desc limit 1)
        group by table_name
        """
    ).fetchall()
    return {name: (cpu_seconds, peak_mib) for name, cpu_seconds, peak_mib in found}


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


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown.

    Numbers get commas, floats below 100 one decimal. Text stays as it is; None is an empty cell.
    """
    print("\n" + markdown_row(columns))
    print("|" + "---|" * len(columns))
    for row in rows:
        print(markdown_row([_cell(value) for value in row]), flush=True)


def markdown_row(cells: Iterable[str]) -> str:
    """Write one row of a table in Markdown."""
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
