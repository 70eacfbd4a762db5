"""The first things a newcomer waits for: `er-pipeline demo`, and the graph to load.

The demo runs on a fresh lake and a fresh Dagster home in a process of its own, imports included.
Loading is what `dagster dev` does with our module: import it and resolve every asset and check.

Measured 2026-11 on 2 shared cores: the demo 23 CPU s at 10,000 records, of which the assets take
some 14 (em_model 4, matches 1.5, recall_sample 1.4), the rest imports, checks and Dagster; loading
3.3 CPU s.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb

from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.catalog import CATALOG
from er_pipeline_tests.benchmarks.measuring import (
    Cost,
    costs_of_assets,
    fresh_instance,
    run_child,
    show_aim,
    show_machine,
    show_table,
)

MAX_DEMO_CPU_SECONDS = 20  # at 10,000 records
MAX_LOADING_CPU_SECONDS = 3
LOAD = (
    "from er_pipeline.definitions import defs;"
    " print(len(defs().get_repository_def().assets_defs_by_key))"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both and print what they took; return 1 if the demo made no table of pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=10_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="runs of each (2)")
    options = parser.parse_args(arguments)
    show_machine()
    demos: list[tuple[Cost, dict[str, tuple[float, float]]]] = []
    loads = []
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        for i in range(options.rounds):
            folder = Path(temporary, str(i))
            cost, _ = run_child(
                *("-m", "er_pipeline.terminal.cli", "demo", "--records", str(options.records)),
                *("--lake", str(folder / "lake")),
                environment=fresh_instance(folder / "dagster"),
                folder=folder,
            )
            with duckdb.connect(str(folder / "lake" / CATALOG), read_only=True) as catalog:
                demos.append((cost, costs_of_assets(catalog, "people")))
            loaded, n_assets = run_child("-c", LOAD, folder=folder)
            loads.append(loaded)
            pairs = Lake(folder / "lake", "people").facts("unified_pairs")["pairs"]
    demo, assets = min(demos, key=lambda measured: measured[0].cpu_seconds)
    loading = min(cost.cpu_seconds for cost in loads)
    of_assets = sum(cpu_seconds for cpu_seconds, _ in assets.values())
    print(f"{options.records:,} records, peak {demo.peak_mib:,.0f} MiB")
    show_table(
        ["what", "CPU s"],
        [
            ("the demo", demo.cpu_seconds),
            ("of it, the model's training", assets["em_model"][0]),
            ("of it, imports and checks", demo.cpu_seconds - of_assets),
            ("loading the graph", loading),
        ],
    )
    show_aim("CPU of the demo", demo.cpu_seconds, MAX_DEMO_CPU_SECONDS, " s")
    show_aim("CPU of loading", loading, MAX_LOADING_CPU_SECONDS, " s")
    print(f"[{'ok' if pairs else 'FAILED'}] {pairs:,} pairs, {int(n_assets)} assets loaded")
    return int(not pairs)


if __name__ == "__main__":
    raise SystemExit(main())
