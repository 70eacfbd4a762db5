"""The night after the first: what it costs where few records have changed.

People are run as in whole_graph; then a share of the records is changed (six in ten edited, two
new, two gone) and the dataset runs again, on the same lake. The new records are run in an empty
lake, too, given what was learned; all tables must be equal. CPU is that of the whole command.
"""

import argparse
import csv
import random
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import yaml

from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.catalog import CATALOG
from er_pipeline.flow import open_lake
from er_pipeline_tests.benchmarks.measuring import (
    Cost,
    costs_of_assets,
    fresh_instance,
    run_child,
    show_aim,
    show_machine,
    show_table,
)
from er_pipeline_tests.benchmarks.whole_graph import write_dataset
from er_pipeline_tests.faults.nights import OF_HISTORY as TABLES_OF_HISTORY
from er_pipeline_tests.nights import sum_rows
from er_pipeline_tests.rebuilt_nights import OF_HISTORY, give_learned

EDITED, NEW, GONE = 0.6, 0.2, 0.2  # of the records changed
# Of a full night's CPU, by the share of records changed that is aimed at.
AIMS = {0.01: 0.10, 0.10: 0.45}
FIELDS = ("first_name", "last_name", "email", "company", "phone", "birth_date", "city")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both nights and the rebuild; return 1 if a table of the second night is another."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--changed", type=float, default=0.01, metavar="SHARE")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", type=Path, metavar="YAML", help="settings on top of the demo's")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work, and leave everything, here")
    parser.add_argument("--no-rebuild", action="store_true", help="hold the tables against none")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        folder = (options.keep or Path(temporary)).absolute()
        defs = write_dataset(folder, options.records)
        if options.set:
            _set(defs, yaml.safe_load(options.set.read_text("utf-8")))
        show_machine()
        runs = {"full night": _run(folder, defs, "lake")}
        edit_people(folder / "people.csv", options.changed, options.seed)
        runs["next night"] = _run(folder, defs, "lake")
        differing = []
        if not options.no_rebuild:
            nights, rebuilt = (
                open_lake(folder / at, read_spec(defs)) for at in ("lake", "rebuilt")
            )
            give_learned(nights, rebuilt)
            runs["rebuilt"] = _run(folder, defs, "rebuilt")
            differing = differing_sums(nights, rebuilt)
    _print_steps(runs)
    full, night = (runs[name][0].cpu_seconds for name in ("full night", "next night"))
    show_table(
        ["people", "changed", *(f"CPU s, {name}" for name in runs), "× full night"],
        [
            (
                options.records,
                f"{options.changed:.1%}",
                *(cost.cpu_seconds for cost, _ in runs.values()),
                f"{night / full:.0%}",
            )
        ],
    )
    if options.changed in AIMS:
        show_aim("share of a full night's CPU", night / full, AIMS[options.changed])
    if not options.no_rebuild:
        print(f"[{'ok' if not differing else 'FAILED'}] tables equal those of a rebuild")
        print("\n".join(differing))
    return int(bool(differing))


def _set(defs: Path, settings: Mapping[str, Any]) -> None:
    declared = yaml.safe_load(defs.read_text("utf-8"))
    declared["attributes"].update(settings)
    defs.write_text(yaml.safe_dump(declared, sort_keys=False), "utf-8")


def _run(folder: Path, defs: Path, lake: str) -> tuple[Cost, dict[str, float]]:
    """Run the dataset as the command does; give its cost, and the CPU seconds of every step."""
    shutil.rmtree(folder / "dagster", ignore_errors=True)
    cost, _ = run_child(
        *("-m", "er_pipeline.terminal.cli", "run", str(defs), "--lake", str(folder / lake)),
        environment=fresh_instance(folder / "dagster"),
        folder=folder,
    )
    with duckdb.connect(str(folder / lake / CATALOG), read_only=True) as catalog:
        steps = {name: cpu for name, (cpu, _) in costs_of_assets(catalog, "people").items()}
    return cost, steps


def edit_people(people: Path, changed: float, seed: int) -> None:
    """Change a share of the rows of a file of people: edit, take away and add some."""
    rng = random.Random(seed)
    with people.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    n_rows = len(rows)
    n_edited, n_gone = (round(share * changed * n_rows) for share in (EDITED, GONE))
    places = rng.sample(range(n_rows), n_edited + n_gone)
    for place in places[:n_edited]:
        field = rng.choice(FIELDS)
        rows[place] = {**rows[place], field: rng.choice(rows)[field]}
    gone = set(places[n_edited:])
    kept = [row for place, row in enumerate(rows) if place not in gone]
    for n in range(round(NEW * changed * n_rows)):
        field = rng.choice(FIELDS)
        copied = {**rng.choice(rows), field: rng.choice(rows)[field], "id": f"new-{seed}-{n}"}
        kept.insert(rng.randrange(len(kept)), copied)
    with people.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)


def differing_sums(one: Lake, other: Lake) -> list[str]:
    """Name the tables of two lakes whose rows, or notes, sum up to something else."""
    differing = []
    with DuckDBEngine() as engine:
        for name, plan in one.plans.items():
            if plan.stays_in_force or name in TABLES_OF_HISTORY:
                continue
            sums, noted = [], []
            for lake in (one, other):
                sums.append(sum_rows(engine, lake.path(name)))
                noted.append({k: v for k, v in lake.facts(name).items() if k not in OF_HISTORY})
            if sums[0] != sums[1]:
                differing.append(f"{name}: {sums[0][0]:,} and {sums[1][0]:,} rows")
            if noted[0] != noted[1]:
                keys = [key for key in noted[0] if noted[0].get(key) != noted[1].get(key)]
                differing.append(f"{name}: facts {keys}")
    return differing


def _print_steps(runs: Mapping[str, tuple[Cost, Mapping[str, float]]]) -> None:
    names = list(dict.fromkeys(name for _, steps in runs.values() for name in steps))
    rows = [(name, *(steps.get(name) for _, steps in runs.values())) for name in names]
    others = [cost.cpu_seconds - sum(steps.values()) for cost, steps in runs.values()]
    show_table(
        ["step, CPU s", *runs],
        [*rows, ("start, checks, report", *others)],
    )


if __name__ == "__main__":
    raise SystemExit(main())
