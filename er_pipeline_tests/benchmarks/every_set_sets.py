"""The sets that every_set measures: how a stranger declares them, their budgets and targets."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from er_pipeline.blocking.spec.kinds import guess_kind
from er_pipeline.blocking.spec.reserved_fields import is_reserved
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.terminal.demo import DEMO_DEFS
from er_pipeline_tests.benchmarks.best_pairs_sets import REAL_DATA
from er_pipeline_tests.other_people import write_households, write_wide
from er_pipeline_tests.other_tables import CLUSTER, WRITERS

# Pairs that a budget leaves, and the pairs completeness they must reach, if it is known.
BUDGETS: dict[str, dict[int, float | None]] = {
    "fake_1000": {2_100: None, 3_077: 0.973, 6_430: 0.990},
    "febrl3": {7_000: 1.0, 8_756: None},
    "febrl4": {5_010: 1.0, 10_000: None},
    "abt_buy": {1_531: 0.93, 5_380: 0.993, 10_760: 0.997},
    "dblp_acm": {2_294: 0.994, 4_400: 1.0},
    "cora": {22_754: 0.95, 37_227: 0.975},
    "dedupe_csv": {8_746: 0.98, 15_500: 0.985},
}
# One short text column each; the budgets are pairs per record of the file right.
ONE_COLUMN = ("amphibian", "award", "drug", "hospital", "song", "wrestler")
REAL = (*BUDGETS, *ONE_COLUMN)
PEOPLE_FILES = {"households": write_households, "wide": write_wide}
# The songs once more, as if no source repeated itself: what files are without a mode.
LINKED = {"linked_songs": "songs"}
MADE_UP = ("people", *PEOPLE_FILES, *WRITERS, *LINKED)
SETS = (*REAL, *MADE_UP)
PER_RECORD = (1, 5)
PER_RECORD_OF_LARGE = (1, 5, 30)
LARGE = "citations"  # its clusters have up to 300 records
SEVERAL_SOURCES = "songs"  # each of them repeats itself, too
ID_COLUMN = "id"


def settings_of(name: str, n_records: int, seed: int, folder: Path) -> dict[str, Any]:
    """Declare a set as somebody who knows nothing but its header: the one setting.

    n_records, seed: of a set that is made up; its files are written to the folder.
    """
    settings: dict[str, Any] = {
        "dataset": name,
        "strategies": "auto",
        "embedding": True,
        "matching": False,
    }
    if name == "people":
        generated = {"records": n_records, "seed": seed}
        settings["sources"] = [{"generate": generated, "record_id": ID_COLUMN}]
        fields = {field: field for field in read_spec(DEMO_DEFS).field_kinds}
    else:
        files = files_of(name, n_records, seed, folder)
        fields = fields_of(header_of(files[0]))
        renamed = {field: column for field, column in fields.items() if field != column}
        settings["sources"] = [
            {"path": str(file), "record_id": ID_COLUMN, "columns": renamed} for file in files
        ]
    settings["fields"] = {field: guess_kind(field) for field in fields}
    if name in REAL:
        settings["truth"] = {"path": str(REAL_DATA / name / "truth.csv")}
    else:
        settings["truth"] = {"cluster_column": CLUSTER}
    if name == SEVERAL_SOURCES:
        settings["mode"] = "link_and_dedupe"
    return settings


def files_of(name: str, n_records: int, seed: int, folder: Path) -> list[Path]:
    """Give the files of a set, written first if it is made up."""
    if name in REAL:
        return sorted(file for file in (REAL_DATA / name).glob("*.csv") if file.stem != "truth")
    if name in PEOPLE_FILES:
        return [PEOPLE_FILES[name](folder / f"{name}.csv", n_records, seed)]
    return WRITERS[LINKED.get(name, name)](folder, n_records, seed)


def header_of(file: Path) -> list[str]:
    """Read the names of a file's columns."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return next(csv.reader(lines))


def fields_of(header: Sequence[str]) -> dict[str, str]:
    """Name a field for each column of facts; a header may hold blanks, and names that we use."""
    columns = [column for column in header if column not in (ID_COLUMN, CLUSTER)]
    names = {re.sub(r"\W+", "_", column).strip("_").lower(): column for column in columns}
    return {f"its_{n}" if is_reserved(n, names) else n: column for n, column in names.items()}


def budgets_of(name: str, records_of_sources: Sequence[int]) -> Mapping[int, float | None]:
    """List the pairs that each budget of a set leaves, with the target where there is one."""
    if name in BUDGETS:
        return BUDGETS[name]
    is_linked = len(records_of_sources) == 2
    n_records = records_of_sources[-1] if is_linked else sum(records_of_sources)
    per_record = PER_RECORD_OF_LARGE if name == LARGE else PER_RECORD
    return {n * n_records: None for n in per_record}
