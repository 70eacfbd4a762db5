"""The sets that the best pairs are measured on: sources, kinds of fields, truth and targets."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from er_pipeline.blocking.spec.blocking_section import Learning
from er_pipeline.blocking.spec.checks_section import Checks
from er_pipeline.blocking.spec.named_strategies import DEFAULT_STRATEGIES
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.terminal.demo import DEMO_DEFS, DEMO_PAIRS_PER_RECORD
from er_pipeline_tests.benchmarks.measuring import REPOSITORY
from er_pipeline_tests.other_people import (
    HOUSEHOLD_KINDS,
    LARGE_CLUSTER_KINDS,
    WIDE_KINDS,
    write_households,
    write_large_clusters,
    write_wide,
)

REAL_DATA = REPOSITORY.parent / "shared" / "data"
SEED = 20

PERSON_OF_FEBRL = {
    "given_name": "person_name",
    "surname": "person_name",
    "street_number": "identifier",
    "address_1": "address",
    "address_2": "address",
    "suburb": "text",
    "postcode": "identifier",
    "state": "text",
    "date_of_birth": "date",
    "soc_sec_id": "identifier",
}
KINDS: dict[str, dict[str, str]] = {
    "fake_1000": {
        "first_name": "person_name",
        "surname": "person_name",
        "dob": "date",
        "city": "text",
        "email": "email",
    },
    "febrl3": PERSON_OF_FEBRL,
    "febrl4": PERSON_OF_FEBRL,
    "abt_buy": dict.fromkeys(("name", "description", "price"), "text"),
    "dblp_acm": {"title": "text", "authors": "text", "venue": "text", "year": "identifier"},
}
# Pairs completeness that so many pairs must reach.
TARGETS: dict[str, dict[int, float]] = {
    "fake_1000": {3_077: 0.955, 6_430: 0.985},
    "febrl3": {7_500: 0.9998, 8_756: 1.0},
    "febrl4": {5_010: 1.0},
    "abt_buy": {5_380: 0.992, 10_760: 0.997},
    "dblp_acm": {2_324: 0.996, 4_400: 1.0},
}
# The same of made-up people, in pairs per record, by the number of records.
PEOPLE_TARGETS = {100_000: {1: 0.975, 5: 0.99}, 1_000_000: {1: 0.96, 5: 0.98}}
PER_RECORD = (1, 5)
WRITERS = {
    "households": (write_households, HOUSEHOLD_KINDS),
    "wide": (write_wide, WIDE_KINDS),
    "large_clusters": (write_large_clusters, LARGE_CLUSTER_KINDS),
}
MADE_UP = ("people", "households")
SETS = (*KINDS, *MADE_UP, "wide", "large_clusters")


@dataclass(frozen=True)
class Case:
    """What one process measures: a set of so many records (0 for a real one) in one way."""

    set: str
    records: int
    way: str

    @property
    def name(self) -> str:
        """The case as the command line of the process has it."""
        return f"{self.set}:{self.records}:{self.way}"

    @property
    def title(self) -> str:
        """The case as the tables call it."""
        size = f" {self.records:,}" if self.records else ""
        return f"{self.set}{size}, {self.way}"


def settings_of(case: Case, folder: Path) -> dict[str, Any]:
    """Declare a set: its sources, kinds and truth, learned from the data alone."""
    settings: dict[str, Any] = {"dataset": case.set, "strategies": "auto"}
    if case.set in KINDS:
        data = REAL_DATA / case.set
        files = sorted(file for file in data.glob("*.csv") if file.name != "truth.csv")
        settings["sources"] = [{"path": str(file), "record_id": "id"} for file in files]
        settings["truth"] = {"path": str(data / "truth.csv")}
        settings["fields"] = KINDS[case.set]
    elif case.set == "people":
        generated = {"records": case.records, "seed": SEED}
        settings["sources"] = [{"generate": generated, "record_id": "id"}]
        settings["truth"] = {"cluster_column": "person_id"}
        settings["fields"] = read_spec(DEMO_DEFS).field_kinds
    else:
        write, kinds = WRITERS[case.set]
        path = write(folder / f"{case.set}.csv", case.records, SEED)
        settings["sources"] = [{"path": str(path), "record_id": "id"}]
        settings["truth"] = {"cluster_column": "person_id"}
        settings["fields"] = kinds
        settings["cleaning"] = {"phone_region": "AU"}
    if case.records:  # as the demo: what may be proposed grows with the records
        most = DEMO_PAIRS_PER_RECORD * case.records
        settings["checks"] = {"max_pairs": max(Checks().max_pairs, most)}
        if case.way != "six":
            settings["learning"] = {"max_pairs": max(Learning().max_pairs, most)}
    if case.way == "six":
        settings["strategies"] = _six_strategies(settings["fields"])
        settings["weights"] = False
    if case.way == "auto+embedding" or case.way == "labels":
        settings["embedding"] = True
    return settings


def _six_strategies(fields: Collection[str]) -> dict[str, list[str]]:
    """Give those of the six default strategies that the fields allow, by whatever name."""
    other_names = {"last_name": "surname", "first_name": "given_name"}
    six = {}
    for name, keys in DEFAULT_STRATEGIES.items():
        for ours, theirs in other_names.items():
            if ours not in fields:
                keys = [key.replace(ours, theirs) for key in keys]
        words = {word for key in keys for word in re.findall(r"\w+", key)}
        if words & {"email", "company"} <= set(fields):
            six[name] = keys
    return six


def budgets_of(case: Case) -> dict[str, dict[str, float]]:
    """List the budgets that a case is cut to, by their names in the tables."""
    if case.set in KINDS:
        return {f"{n:,}": {"max_pairs": n} for n in TARGETS[case.set]}
    return {f"{n} a record": {"pairs_per_record": n} for n in PER_RECORD}


def target_of(case: Case, budget: str) -> float | None:
    """Give the completeness that a budget of a case must reach, if there is one."""
    if case.set in KINDS:
        return TARGETS[case.set].get(int(budget.replace(",", "")))
    per_record = int(budget.split()[0])
    is_person = case.set in MADE_UP
    return PEOPLE_TARGETS.get(case.records, {}).get(per_record) if is_person else None
