"""The whole graph on people from a CSV file: what each asset takes, and what the run takes.

People are written to a CSV file, a defs.yaml beside it declares them as `er-pipeline demo` does
(budgets raised with the records), and `er-pipeline run` runs it in a process of its own on a
fresh lake and a fresh Dagster home. Wall times of assets and of their checks are those of
Dagster's steps; CPU and memory of the assets are those that the run noted in run_metrics.

Measured 2026-11 on 2 cores, 1,000,000 people: 308 CPU s, 1.6 GiB at the peak.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import yaml

from er_pipeline.catalog import CATALOG
from er_pipeline.terminal.demo import (
    DEMO_DEFS,
    DEMO_PAIRS_PER_RECORD,
    DEMO_TRAINING_PAIRS_PER_RECORD,
)
from er_pipeline_tests.benchmarks.measuring import (
    Cost,
    costs_of_assets,
    fresh_instance,
    run_child,
    show_aim,
    show_machine,
    show_table,
)

MAX_WALL_SECONDS = 90  # for a million people on two quiet cores
MAX_PEAK_MIB = 2048
SEED = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the graph and print what it took; return 1 if a table of it lacks rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the lake and the CSV here")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        folder = (options.keep or Path(temporary)).absolute()
        defs = write_dataset(folder, options.records)
        show_machine()
        cost, _ = run_child(
            *("-m", "er_pipeline.terminal.cli", "run", str(defs), "--lake", str(folder / "lake")),
            environment=fresh_instance(folder / "dagster"),
            folder=folder,
        )
        with duckdb.connect(str(folder / "lake" / CATALOG), read_only=True) as catalog:
            _print_steps(
                _wall_of_steps(folder / "dagster"), costs_of_assets(catalog, "people"), cost
            )
            counted = catalog.execute(
                "select (select count(*) from people.cleaned_records),"
                " (select count(*) from people.unified_pairs)"
            ).fetchone()
    assert counted is not None, "counting gives a row"
    n_records, n_pairs = counted
    show_table(
        ["people", "wall s", "CPU s", "peak GiB"],
        [(options.records, cost.wall_seconds, cost.cpu_seconds, cost.peak_mib / 1024)],
    )
    show_aim("wall (on a quiet machine)", cost.wall_seconds, MAX_WALL_SECONDS, " s")
    show_aim("peak memory", cost.peak_mib, MAX_PEAK_MIB, " MiB")
    is_whole = n_records == options.records and n_pairs > 0
    print(f"[{'ok' if is_whole else 'FAILED'}] {n_records:,} records, {n_pairs:,} pairs")
    return int(not is_whole)


def write_dataset(folder: Path, n_records: int) -> Path:
    """Write people.csv and the defs.yaml that declares it; give the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    people = folder / "people.csv"
    # in a process of its own, so that its memory is not taken for the run's
    write = "import sys; from pathlib import Path"
    write += "; from er_pipeline.blocking.records.generated_people import write_people"
    write += "; write_people(Path(sys.argv[1]), n_records=int(sys.argv[2]), seed=int(sys.argv[3]))"
    run_child("-c", write, str(people), str(n_records), str(SEED))
    declared: dict[str, Any] = yaml.safe_load(DEMO_DEFS.read_text("utf-8"))
    attributes = declared["attributes"]
    attributes["sources"] = [{"path": people.name, "record_id": "id"}]
    for budget, per_record in (
        ("max_pairs", DEMO_PAIRS_PER_RECORD),
        ("max_training_pairs", DEMO_TRAINING_PAIRS_PER_RECORD),
    ):
        attributes["checks"][budget] = max(attributes["checks"][budget], per_record * n_records)
    defs = folder / "defs.yaml"
    defs.write_text(yaml.safe_dump(declared, sort_keys=False), "utf-8")
    return defs


def _wall_of_steps(dagster_home: Path) -> list[tuple[str, float]]:
    """Read how long each step of the last run took, in the order they began."""
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        run = instance.get_runs(limit=1)[0]
        steps = instance.get_run_step_stats(run.run_id)
    timed = [
        (step.start_time, step.end_time, step.step_key)
        for step in steps
        if step.start_time is not None and step.end_time is not None
    ]
    return [
        (name.removeprefix("people__").replace("__", ": "), end - start)
        for start, end, name in sorted(timed)
    ]


def _print_steps(
    steps: list[tuple[str, float]], costs: dict[str, tuple[float, float]], total: Cost
) -> None:
    print(f"{'step':<32}{'wall s':>9}{'CPU s':>9}{'peak MiB so far':>18}")
    for name, wall in steps:
        cpu, peak = (f"{figure:,.1f}" for figure in costs[name]) if name in costs else ("", "")
        print(f"{name:<32}{wall:>9.1f}{cpu:>9}{peak:>18}")
    between = total.wall_seconds - sum(wall for _, wall in steps)
    print(f"{'start, between steps, report':<32}{between:>9.1f}")
    print(
        f"{'total':<32}{total.wall_seconds:>9.1f}{total.cpu_seconds:>9.1f}{total.peak_mib:>18,.1f}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
