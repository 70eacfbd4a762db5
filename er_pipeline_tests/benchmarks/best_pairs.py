"""The best pairs within a budget: `strategies: auto`, untuned, beside what it must reach.

Every case runs in a process of its own: the steps of the graph, one after another, on a fresh lake,
as a user of the library would run them; the training rules and the catalog are left out. A smaller
budget takes the tables that are there and makes only unified_pairs and blocking_report again.

- real sets (../shared/data): the kinds of their fields, auto and `embedding: true`, nothing else.
- people and households, made up (--records): auto alone, and up to 100,000 also with `embedding`;
  beside them the six default strategies, those that the fields of households allow.
- wide and large_clusters (10,000 records): most columns noise; people with a hundred records.
- --labels: auto with 100 judged matches and 100 judged non-matches, beside auto without; and
  whether the interval of recall that the learned rules tell contains the recall that they have.

Measured 2026-11 on 2 shared cores; pairs completeness at the first and the second budget:

    set                  way               first  second   all made  pairs a record   learned, CPU s
    fake_1000            auto+embedding    .9729   .9902      .9916            16.5              0.9
    febrl3               auto+embedding   1.0000  1.0000     1.0000            29.3              4.3
    febrl4               auto+embedding   1.0000       -     1.0000            39.1              5.6
    abt_buy              auto+embedding    .9935   .9972      .9972             9.3              0.5
    dblp_acm             auto+embedding    .9987  1.0000     1.0000            18.1              1.2
    people 100,000       auto              .9851   .9919      .9928            38.0              5.4
    people 100,000       auto+embedding    .9831   .9931      .9952            42.0              6.2
    people 1,000,000     auto              .9729   .9804      .9817            29.7             27.6
    households 100,000   auto              .9770   .9940      .9954            38.1             14.7
    households 100,000   auto+embedding    .9760   .9949      .9968            39.5             15.6
    households 1,000,000 auto              .9767   .9900      .9912            43.8             53.7

With labels learned_rules took 6.3 CPU s on febrl3, 1.7 on fake_1000, and the completeness was that
without, but for abt_buy (.9954, .9972); of eight other draws of labels fake_1000 lost one of 2,031
pairs at the first budget in two. The interval contained the recall in 10 of 10 draws on febrl3, and
on 10,000 people. wide finds .9894 and .9943; large_clusters .9998 with 42 pairs a record. A million
people: search, emission, weights, ranking and cut take 80 s on quiet cores (134 CPU s), 3.4 GiB.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from er_pipeline.orchestration.steps import dataset_steps

from er_pipeline.blocking.labels.labels import Journal, Label, RecordName, utc_now
from er_pipeline.blocking.records.cleaned_records import read_records
from er_pipeline.blocking.spec.checks_section import Checks
from er_pipeline.blocking.spec.named_strategies import DEFAULT_STRATEGIES
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_evidence import PairWeights
from er_pipeline.blocking.weights.pair_weights import read_weights
from er_pipeline.terminal.demo import DEMO_DEFS, DEMO_PAIRS_PER_RECORD
from er_pipeline_tests.benchmarks.measuring import REPOSITORY, run_child, show_machine
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
HARD_RECORDS = 10_000
MOST_RECORDS_EMBEDDED = 100_000
JUDGED = 100  # matches, and as many non-matches
ROUNDS_OF_HONESTY = 10
HONEST_PEOPLE = 10_000
ROUNDING = 1e-9  # what the ends of an interval may be off
# A field that adds or takes less than this of a candidate, on average, is silent.
SILENT_NATS = 0.15

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
LEARNED_ANEW = ("labels", "learned_rules", "learned_blocks", "filtered_blocks")
RANKED_ANEW = ("unified_pairs", "blocking_report")

Figures = dict[str, Any]
Pair = tuple[RecordName, RecordName]


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
        size = f" {self.records:,}" * bool(self.records)
        return f"{self.set}{size}, {self.way}"


@dataclass
class Trial:
    """A dataset in a folder of its own, with what was measured of it."""

    settings: dict[str, Any]
    folder: Path
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)  # wall, CPU by table

    @property
    def lake(self) -> Lake:
        """Where its tables lie."""
        return Lake(self.folder / "lake", self.settings["dataset"])

    def spec(self, **others: Any) -> PipelineSpec:
        """Read the settings, some of them replaced."""
        return PipelineSpec.model_validate({**self.settings, **others})

    def run(self, spec: PipelineSpec, tables: Collection[str] | None = None) -> None:
        """Run the steps that make these tables, all but training where left out, and time them."""
        for step in dataset_steps(spec, self.folder):
            table = next(iter(step.tables))
            if table == "em_training_rules" if tables is None else table not in tables:
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            with DuckDBEngine() as engine:
                step.run(engine, self.lake)
            self.seconds[table] = (time.perf_counter() - wall, time.process_time() - cpu)
            told = f"{self.seconds[table][0]:6.1f} s wall {self.seconds[table][1]:6.1f} s CPU"
            print(f"  {table:<20}{told}", file=sys.stderr)

    def point(self) -> dict[str, float]:
        """Count the pairs and the true ones among them, and hold the report to it."""
        with DuckDBEngine() as engine:
            self.lake.open(engine, "unified_pairs")
            self.lake.open(engine, "true_pairs")
            pairs, distinct, found, true = engine.row(
                "select (select count(*) from unified_pairs),"
                " (select count(*) from (select distinct left_no, right_no from unified_pairs)),"
                " (select count(*) from unified_pairs join true_pairs using (left_no, right_no)),"
                " (select count(*) from true_pairs)"
            )
        if pairs != distinct:
            raise AssertionError(f"{pairs - distinct} pairs are stored twice")
        return {"pairs": pairs, "matches": true, "completeness": found / true}

    def ranked(self, budgets: Mapping[str, Mapping[str, float]], **others: Any) -> list[Figures]:
        """Keep the best pairs within each budget; the report's figure must be the counted one."""
        points = []
        for name, budget in budgets.items():
            self.run(self.spec(budget=budget, **others), RANKED_ANEW)
            figures = self.lake.facts("blocking_report")["figures"]
            point = {"budget": name, **self.point()}
            told = figures["run"]["pairs_completeness"]
            if abs(told - point["completeness"]) > 1e-9:
                raise AssertionError(f"blocking_report tells {told}, counted {point}")
            points.append(point)
        return points


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the cases and print what each reached; return 1 if one made no pairs."""
    options = _parser().parse_args(arguments)
    if options.case:
        name, records, way = options.case.split(":")
        case = Case(name, int(records), way)
        print(json.dumps(WAYS[way](case, Trial(_settings(case, options.keep), options.keep))))
        return 0
    show_machine()
    measured: dict[Case, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        for case in _cases(options.sets, options.records, options.labels):
            if case.set in KINDS and not (REAL_DATA / case.set).is_dir():
                print(f"{case.title}: left out, as {REAL_DATA / case.set} is not there")
                continue
            folder = (options.keep or Path(temporary)).absolute() / case.name.replace(":", "_")
            measured[case] = _run(case, folder)
            _show(case, measured[case], measured.get(replace(case, way="six")))
    empty = [case.title for case, figures in measured.items() if not figures["pairs"]]
    print(
        f"[{'FAILED' if empty else 'ok'}] {len(measured)} cases, without pairs: {empty or 'none'}"
    )
    return int(bool(empty))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--records", type=int, nargs="*", default=[100_000], metavar="N", help="of made-up people"
    )
    parser.add_argument("--sets", nargs="*", choices=SETS, default=SETS, metavar="SET")
    parser.add_argument("--labels", action="store_true", help="learn from judged pairs, too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the lakes here")
    parser.add_argument("--case", help=argparse.SUPPRESS)  # in the child
    return parser


def _cases(sets: Collection[str], records: Sequence[int], labels: bool) -> list[Case]:
    cases = []
    for name in SETS:
        if name not in sets:
            continue
        if name in MADE_UP:
            for n in records:
                embedded = ["auto+embedding"] * (n <= MOST_RECORDS_EMBEDDED)
                cases += [Case(name, n, way) for way in ("six", "auto", *embedded)]
        elif name in KINDS:
            cases.append(Case(name, 0, "auto+embedding"))
            cases += [Case(name, 0, "labels")] * labels
        else:
            cases += [Case(name, HARD_RECORDS, way) for way in ("six", "auto")]
    if labels:
        cases += [Case("febrl3", 0, "honesty")] * ("febrl3" in sets)
        cases += [Case("people", HONEST_PEOPLE, "honesty")] * ("people" in sets)
    return cases


def _run(case: Case, folder: Path) -> Figures:
    """Run a case in a child; give its figures, its peak among them."""
    folder.mkdir(parents=True, exist_ok=True)
    # __spec__ knows the module's name also where it runs as __main__
    module = __spec__.name if __spec__ else __name__
    print(case.title, file=sys.stderr)
    cost, printed = run_child("-m", module, "--case", case.name, "--keep", str(folder))
    figures: Figures = json.loads(printed.splitlines()[-1])
    return {**figures, "peak_mib": cost.peak_mib}


def _settings(case: Case, folder: Path) -> dict[str, Any]:
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
        at_least = Checks().max_pairs
        settings["checks"] = {"max_pairs": max(at_least, DEMO_PAIRS_PER_RECORD * case.records)}
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


def _budgets(case: Case) -> dict[str, dict[str, float]]:
    if case.set in KINDS:
        return {f"{n:,}": {"max_pairs": n} for n in TARGETS[case.set]}
    return {f"{n} a record": {"pairs_per_record": n} for n in PER_RECORD}


def _target(case: Case, budget: str) -> float | None:
    if case.set in KINDS:
        return TARGETS[case.set].get(int(budget.replace(",", "")))
    per_record = int(budget.split()[0])
    is_person = case.set in MADE_UP
    return PEOPLE_TARGETS.get(case.records, {}).get(per_record) if is_person else None


def measure_auto(case: Case, trial: Trial) -> Figures:
    """Learn, weigh and rank; then count what each budget keeps."""
    trial.run(trial.spec())
    seconds = dict(trial.seconds)
    made = trial.point()
    learned = trial.lake.facts("learned_rules")
    with DuckDBEngine() as engine:
        (n_records,) = engine.row(f"select {read_records(engine, trial.lake).split('-')[0]}")
        said = _said_by_fields(engine, trial.lake)
    return {
        **made,
        "records": n_records,
        "rules": len(learned["rules"]),
        "rule_pairs": learned["pairs"],
        "points": trial.ranked(_budgets(case)),
        "seconds": seconds,
        "seconds_within_budget": {table: trial.seconds[table] for table in RANKED_ANEW},
        "said": said,
    }


def measure_six(case: Case, trial: Trial) -> Figures:
    """Block by the default strategies, without weights: what auto stands beside."""
    trial.run(trial.spec())
    return {**trial.point(), "records": case.records, "seconds": trial.seconds, "points": []}


def _said_by_fields(engine: DuckDBEngine, lake: Lake) -> dict[str, float]:
    """Tell how many nats each field adds or takes of a candidate, on average."""
    weights = read_weights(lake)
    lake.open(engine, "unified_pairs")
    lake.open(engine, "key_codes")
    columns = []
    for one in weights.fields:
        alone = replace(one, repeats=((),) * len(one.keys), swaps=(), redundant=())
        columns.append(f"avg(abs({PairWeights((alone,), 3, 0.0).evidence_sql()}))")
    said = engine.row(
        f"select {', '.join(columns)} from unified_pairs as p"
        " join key_codes as l on l.record_no = p.left_no"
        " join key_codes as r on r.record_no = p.right_no"
    )
    return {one.field: value or 0.0 for one, value in zip(weights.fields, said, strict=True)}


def measure_labels(case: Case, trial: Trial) -> Figures:
    """Learn without labels and with them, and rank both ways within the same budgets."""
    trial.run(trial.spec())
    made, alone = trial.point(), trial.seconds["learned_rules"]
    others = trial.ranked(_budgets(case))
    trial.run(trial.spec(), RANKED_ANEW)
    _judge_pairs(trial, SEED, trial.folder / "labels.jsonl")
    labels = {"path": str(trial.folder / "labels.jsonl")}
    trial.run(trial.spec(labels=labels), (*LEARNED_ANEW, "pair_weights", *RANKED_ANEW))
    with_labels = trial.point()
    learned = trial.lake.facts("learned_rules")
    return {
        **with_labels,
        "auto": {**made, "points": others, "cpu_seconds": alone[1]},
        "cpu_seconds": trial.seconds["learned_rules"][1],
        "rules": len(learned["rules"]),
        "recall": [learned[name] for name in ("recall", "recall_low", "recall_high")],
        "points": trial.ranked(_budgets(case), labels=labels),
    }


def measure_honesty(case: Case, trial: Trial) -> Figures:
    """Learn from ten draws of labels; hold the recall that is told to the one that is counted."""
    trial.run(trial.spec())
    candidates = _candidates(trial)
    rounds = []
    for seed in range(ROUNDS_OF_HONESTY):
        journal = trial.folder / f"labels_{seed}.jsonl"
        _judge_pairs(trial, seed, journal, candidates)
        spec = trial.spec(labels={"path": str(journal)}, weights=False)
        trial.run(spec, (*LEARNED_ANEW, "unified_pairs"))
        learned = trial.lake.facts("learned_rules")
        told = [learned[name] for name in ("recall_low", "recall", "recall_high")]
        rounds.append([seed, *told, trial.point()["completeness"], len(learned["rules"])])
    return {**trial.point(), "rounds": rounds}


def _candidates(trial: Trial) -> list[tuple[bool, Pair]]:
    """List the true pairs, then the candidates that are not true, by the names of their records."""
    with DuckDBEngine() as engine:
        for table in ("cleaned_records", "true_pairs", "unified_pairs"):
            trial.lake.open(engine, table)
        rows = engine.rows(
            """
            select is_true, l.source, l.record_id, r.source, r.record_id
            from (
                select true as is_true, left_no, right_no from true_pairs
                union all select false, left_no, right_no
                from (select left_no, right_no from unified_pairs except from true_pairs)
            ) as p
            join cleaned_records as l on l.record_no = p.left_no
            join cleaned_records as r on r.record_no = p.right_no
            order by is_true desc, left_no, right_no
            """
        )
    return [(row[0], (RecordName(*row[1:3]), RecordName(*row[3:5]))) for row in rows]


def _judge_pairs(
    trial: Trial, seed: int, journal: Path, known: list[tuple[bool, Pair]] | None = None
) -> None:
    """Draw matches and non-matches and write them down as a person's answers."""
    known = known or _candidates(trial)
    rng = np.random.default_rng(seed)
    labels = []
    for is_match, answer in ((True, "match"), (False, "no_match")):
        pairs = [pair for is_true, pair in known if is_true == is_match]
        drawn = rng.choice(len(pairs), min(JUDGED, len(pairs)), replace=False)
        for left, right in (pairs[i] for i in drawn.tolist()):
            labels.append(Label(left, right, answer, "benchmark", utc_now()))
    journal.unlink(missing_ok=True)
    Journal(journal).append(labels)


WAYS = {
    "auto": measure_auto,
    "auto+embedding": measure_auto,
    "six": measure_six,
    "labels": measure_labels,
    "honesty": measure_honesty,
}


def _show(case: Case, figures: Figures, six: Figures | None) -> None:
    print(f"\n{case.title}: peak {figures['peak_mib']:,.0f} MiB", flush=True)
    if case.way == "honesty":
        _show_honesty(figures)
        return
    header = f"  {'pairs':<16}{'kept':>12}{'completeness':>14}{'target':>9}  reached"
    auto = {
        point["budget"]: point["completeness"] for point in figures.get("auto", figures)["points"]
    }
    beside = case.way == "labels"
    print(header + f"{'auto alone':>12}" * beside)
    for point in figures["points"]:
        target = _target(case, point["budget"])
        told = "" if target is None else f"{target:>9.4f}"
        reached = "" if target is None else "yes" if point["completeness"] >= target else "NO"
        line = f"  {point['budget']:<16}{point['pairs']:>12,}{point['completeness']:>14.4f}"
        line += f"{told:>9}  {reached:<7}"
        print(line + (f"{auto[point['budget']]:>12.4f}" if beside else ""))
    line = f"  {'all made':<16}{figures['pairs']:>12,}{figures['completeness']:>14.4f}"
    print(line + (f"{'':>18}{figures['auto']['completeness']:>12.4f}" if beside else ""))
    if beside:
        recall, low, high = figures["recall"]
        print(
            f"  {figures['rules']} rules, held-out recall {recall:.3f} ({low:.3f} to {high:.3f});"
            f" learned_rules {figures['cpu_seconds']:.1f} CPU s,"
            f" {figures['auto']['cpu_seconds']:.1f} without labels"
        )
        return
    per_record = figures["pairs"] / figures["records"]
    matches = figures["matches"] / figures["records"]
    print(f"  {matches:.2f} true pairs a record, {per_record:.2f} made")
    if six and six is not figures:
        others = six["pairs"] / six["records"]
        print(
            f"  the six strategies: {six['completeness']:.4f} of {others:.1f} pairs a record,"
            f" {others / max(per_record, 0.01):.1f} times as many"
        )
    if "rules" in figures:
        print(f"  {figures['rules']} rules make {figures['rule_pairs']:,} pairs, with repeats")
        silent = [name for name, nats in figures["said"].items() if nats < SILENT_NATS]
        loud = [
            f"{name} {nats:.1f}" for name, nats in figures["said"].items() if name not in silent
        ]
        print(f"  nats of a candidate: {', '.join(loud)}; silent: {', '.join(silent) or 'none'}")
    _show_seconds(figures)


def _show_seconds(figures: Figures) -> None:
    within = figures.get("seconds_within_budget", {})
    print(f"  {'step':<28}{'wall s':>9}{'CPU s':>9}")
    rows = [*figures["seconds"].items()]
    rows += [(f"{table}, budget", seconds) for table, seconds in within.items()]
    for table, (wall, cpu) in rows:
        print(f"  {table:<28}{wall:>9.1f}{cpu:>9.1f}")
    total = np.array(list(figures["seconds"].values())).sum(axis=0)
    print(f"  {'together, without a budget':<28}{total[0]:>9.1f}{total[1]:>9.1f}")


def _show_honesty(figures: Figures) -> None:
    print(f"  {'seed':<6}{'low':>8}{'recall':>8}{'high':>8}{'counted':>9}{'rules':>7}  contained")
    n_contained = 0
    for seed, low, recall, high, counted, n_rules in figures["rounds"]:
        contained = low - ROUNDING <= counted <= high + ROUNDING
        n_contained += contained
        print(
            f"  {seed:<6}{low:>8.4f}{recall:>8.4f}{high:>8.4f}{counted:>9.4f}{n_rules:>7}"
            f"  {'yes' if contained else 'NO'}"
        )
    print(f"  the interval contains the counted recall: {n_contained} of {len(figures['rounds'])}")


if __name__ == "__main__":
    raise SystemExit(main())
