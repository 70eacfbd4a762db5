"""A night of which nothing has changed: what `er-pipeline run` takes to find that out.

People are written to a CSV file and run in full, as `whole_graph` does; then the same command runs
again, as often as wanted, each time in a process of its own. The most that any of these took is
shown: the bytes of the file are looked at, and the notes of every table. With --touch the file is
written anew before each run, so that it has the same bytes and another time.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from er_pipeline.blocking.tables.lake import Lake
from er_pipeline_tests.benchmarks.measuring import (
    fresh_instance,
    run_child,
    show_aim,
    show_machine,
    show_table,
)
from er_pipeline_tests.benchmarks.whole_graph import write_dataset

MAX_CPU_SECONDS = 5
MAX_WALL_SECONDS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a dataset, and again; print what that took; return 1 if a table was made again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--nights", type=int, default=3, metavar="N", help="runs after the first")
    parser.add_argument("--touch", action="store_true", help="write the file anew each night")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the lake here; begin there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        folder = (options.keep or Path(temporary)).absolute()
        is_made = (folder / "lake").is_dir()
        defs = folder / "defs.yaml" if is_made else write_dataset(folder, options.records)
        command = ("-m", "er_pipeline.terminal.cli", "run", str(defs), "--lake")
        environment = fresh_instance(folder / "dagster")
        show_machine()

        def run() -> tuple[float, float, float]:
            cost, _ = run_child(
                *command, str(folder / "lake"), environment=environment, folder=folder
            )
            return cost.cpu_seconds, cost.wall_seconds, cost.peak_mib

        first = run()
        versions = _versions(folder / "lake")
        nights = []
        for _ in range(options.nights):
            if options.touch:
                people = folder / "people.csv"
                people.write_bytes(people.read_bytes())
            nights.append(run())
        cpu, wall, peak = (max(figures) for figures in zip(*nights, strict=True))
        is_same = _versions(folder / "lake") == versions
    if not is_made:
        print(f"first run: {first[0]:,.1f} CPU s, {first[1]:,.1f} s wall")
    show_table(
        ["people", "CPU s", "wall s", "peak MiB"], [(options.records, cpu, wall, f"{peak:,.0f}")]
    )
    show_aim("CPU", cpu, MAX_CPU_SECONDS, " s")
    show_aim("wall (on a quiet machine)", wall, MAX_WALL_SECONDS, " s")
    print(f"[{'ok' if is_same else 'FAILED'}] no table was made again")
    return int(not is_same)


def _versions(root: Path) -> dict[str, str]:
    lake = Lake(root, "people")
    return {table: lake.version(table) for table in lake.tables()}


if __name__ == "__main__":
    raise SystemExit(main())
