"""The same tables from DuckDB and from a cluster: table by table, with what each step takes.

Declarations of every kind (modes, learned rules, budget, refined blocks, a second pass, training
blocks) are run step by step on both engines, and every table is held against its other as a bag of
rows: pair by pair, weight by weight. By default the cluster is Sail in this process; with --url it
is a Spark Connect server, which must see the same folders.

Measured 2026-11 on 2 shared cores: see docs/spark.md.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_of_step import RECORDS
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.runs import run
from er_pipeline.blocking.tables.step import Step
from er_pipeline.flow import flow, open_lake
from er_pipeline_tests.benchmarks.measuring import show_machine, show_table
from er_pipeline_tests.conftest import REAL_DATA
from er_pipeline_tests.two_engines import differing, on_cluster

PEOPLE: Mapping[str, Any] = {
    "dataset": "people",
    "fields": {
        **{"first_name": "person_name", "last_name": "person_name", "email": "email"},
        **{"company": "company", "phone": "phone", "birth_date": "date", "city": "text"},
    },
    "training_rules": {
        "similar_name": ["soundex(last_name)", "left(first_name, 1)"],
        "same_birth_date": "birth_date",
    },
}
FEBRL: Mapping[str, Any] = {
    "dataset": "febrl",
    "fields": {
        **{"given_name": "person_name", "surname": "person_name", "address_1": "address"},
        **{"suburb": "text", "postcode": "identifier", "date_of_birth": "date"},
        **{"soc_sec_id": "identifier"},
    },
    "sources": [
        {"path": str(REAL_DATA / "febrl4" / f"{side}.csv"), "record_id": "id", "name": side}
        for side in ("left", "right")
    ],
}
BUDGET = {"budget": {"pairs_per_record": 5}}
CASES: Mapping[str, Mapping[str, Any]] = {
    "six strategies": {**PEOPLE},
    "auto, budget": {**PEOPLE, **BUDGET, "strategies": "auto"},
    "refined, budget": {**PEOPLE, **BUDGET, "blocks": {"max_size": 60, "oversized": "refine"}},
    "many-valued, second pass": {
        **PEOPLE,
        **BUDGET,
        "strategies": {"words": "tokens(company)", "name": "qgrams(last_name, 3)"},
        "second_pass": {"strategies": {"town": ["city", "left(first_name, 2)"]}},
    },
    "febrl4: link, auto, budget": {**FEBRL, **BUDGET, "strategies": "auto"},
    "febrl4: link and dedupe": {
        **FEBRL,
        "mode": "link_and_dedupe",
        "strategies": {"name": ["soundex(surname)", "given_name"], "born": "date_of_birth"},
        "training_rules": {"postcode": "postcode"},
    },
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the tables of every case on both engines; return 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=20_000, metavar="N")
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--url", help="of a Spark Connect server; Sail in this process if omitted")
    parser.add_argument("--in-executors", action="store_true", help="keys there, and all cleaning")
    parser.add_argument("--folder", type=Path, help="that the server sees, too")
    options = parser.parse_args(arguments)
    show_machine()
    n_differing = 0
    for case in options.cases:
        declared = dict(CASES[case])
        declared.setdefault("sources", [{"generate": {"records": options.records, "seed": 20}}])
        spec = PipelineSpec.model_validate(declared)
        with tempfile.TemporaryDirectory(prefix="er_pipeline_", dir=options.folder) as folder:
            settings: dict[str, Any] = {"url": options.url, "local": False} if options.url else {}
            if options.in_executors:
                settings |= {"in_executors": True, "driver_values": 1}
            n_differing += _compare(case, spec, Path(folder), settings)
    print(f"[{'FAILED' if n_differing else 'ok'}] {n_differing} tables differ")
    return int(n_differing > 0)


def _compare(case: str, spec: PipelineSpec, folder: Path, settings: Mapping[str, Any]) -> int:
    """Show what the steps of the cluster take on both engines; return how many tables differ."""
    cluster = on_cluster(spec, **settings)
    lakes = open_lake(folder / "duckdb", spec), open_lake(folder / "cluster", cluster)
    took = [_timed(spec, lakes[0]), _timed(cluster, lakes[1])]
    rows: list[tuple[Any, ...]] = []
    tables, wrong = 0, []
    for name, (step, wall, cpu) in took[1].items():
        _, wall_before, cpu_before = took[0][name]
        if step.place == "cluster" or step.name == RECORDS:
            rows.append((name, wall_before, cpu_before, wall, cpu))
        for table in step.writes:
            tables += 1
            wrong += [text for text in [differing(lakes, table.name)] if text]
    sums = [sum(figures) for figures in list(zip(*rows, strict=True))[1:]]
    print(f"\n{case}: {tables - len(wrong)} of {tables} tables are the same")
    show_table(
        ["step", "DuckDB wall s", "CPU s", "cluster wall s", "CPU s"],
        [*rows, ("all of these steps", *sums)],
    )
    for text in wrong:
        print(f"[differs] {text}")
    return len(wrong)


def _timed(spec: PipelineSpec, lake: Lake) -> dict[str, tuple[Step, float, float]]:
    """Run the steps up to the pairs and training blocks: name -> step, wall and CPU seconds.

    CPU is that of this process: all of Sail's, of another server none.
    """
    took: dict[str, tuple[Step, float, float]] = {}
    for until in ("em_training_rules", "unified_pairs"):
        if all(step.name != until for step in flow(spec)):
            continue
        before = time.perf_counter(), sum(os.times()[:2])
        for step, _ in run(flow(spec), lake, until=until, threads=2):
            now = time.perf_counter(), sum(os.times()[:2])
            took.setdefault(step.name, (step, now[0] - before[0], now[1] - before[1]))
            before = now
    return took


if __name__ == "__main__":
    raise SystemExit(main())
