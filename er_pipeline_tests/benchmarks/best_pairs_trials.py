"""Trials: a set as a dataset of its own, with what each way of choosing pairs makes of it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from er_pipeline.blocking.labels.labels import Journal, Label, RecordName
from er_pipeline.blocking.labels.moments import utc_now
from er_pipeline.blocking.records.cleaned_records import cleaned_facts
from er_pipeline.blocking.spec.learned import learned_rules_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_weights import read_weights
from er_pipeline.flow import flow, open_lake
from er_pipeline_tests.benchmarks.best_pairs_sets import SEED, Case, budgets_of
from er_pipeline_tests.benchmarks.measuring import make_stale

JUDGED = 100  # matches, and as many non-matches
ROUNDS_OF_HONESTY = 10
RANKED_ANEW = ("unified_pairs", "blocking_report")


Figures = dict[str, Any]
Pair = tuple[RecordName, RecordName]


@dataclass
class Trial:
    """A dataset in a folder of its own, with what was measured of it."""

    settings: dict[str, Any]
    folder: Path
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)  # wall, CPU by table

    def spec(self, **others: Any) -> PipelineSpec:
        """Read the settings, some of them replaced."""
        return PipelineSpec.model_validate({**self.settings, **others})

    def lake(self, spec: PipelineSpec) -> Lake:
        """Open the tables as some settings make them."""
        return open_lake(self.folder / "lake", spec)

    def make(self, spec: PipelineSpec, table: str = "blocking_report") -> Lake:
        """Make a table and what it needs, as far as it is not there yet, and time the steps."""
        lake = self.lake(spec)
        for step, wall, cpu in make_stale(flow(spec), table, lake):
            self.seconds[step.name] = wall, cpu
            print(f"  {step.name:<20}{wall:6.1f} s wall {cpu:6.1f} s CPU", file=sys.stderr)
        return lake

    def ranked(self, budgets: Mapping[str, Mapping[str, float]], **others: Any) -> list[Figures]:
        """Keep the best pairs within each budget; the report's figure must be the counted one."""
        points = []
        for name, budget in budgets.items():
            lake = self.make(self.spec(budget=budget, **others))
            point = {"budget": name, **count_true(lake)}
            reported = lake.facts("blocking_report")["run"]["pairs_completeness"]
            if abs(reported - point["completeness"]) > 1e-9:
                raise AssertionError(f"blocking_report has {reported}, counted {point}")
            points.append(point)
        return points


def count_true(lake: Lake) -> dict[str, float]:
    """Count the pairs and the true ones among them; no pair may be stored twice."""
    with DuckDBEngine() as engine:
        lake.open(engine, "unified_pairs")
        lake.open(engine, "true_pairs")
        pairs, distinct, found, true = engine.row(
            "select (select count(*) from unified_pairs),"
            " (select count(*) from (select distinct left_no, right_no from unified_pairs)),"
            " (select count(*) from unified_pairs join true_pairs using (left_no, right_no)),"
            " (select count(*) from true_pairs)"
        )
    if pairs != distinct:
        raise AssertionError(f"{pairs - distinct} pairs are stored twice")
    return {"pairs": pairs, "matches": true, "completeness": found / true}


def measure_auto(case: Case, trial: Trial) -> Figures:
    """Learn, weigh and rank; then count what each budget keeps."""
    lake = trial.make(trial.spec())
    seconds = dict(trial.seconds)
    made = count_true(lake)
    learned = learned_rules_facts(lake)
    with DuckDBEngine() as engine:
        said = _said_by_fields(engine, lake)
    return {
        **made,
        "records": cleaned_facts(lake)["records"],
        "rules": len(learned["rules"]),
        "rule_pairs": learned["pairs"],
        "points": trial.ranked(budgets_of(case)),
        "seconds": seconds,
        "seconds_within_budget": {table: trial.seconds[table] for table in RANKED_ANEW},
        "said": said,
    }


def measure_six(case: Case, trial: Trial) -> Figures:
    """Block by the default strategies, without weights: what auto stands beside."""
    lake = trial.make(trial.spec())
    return {**count_true(lake), "records": case.records, "seconds": trial.seconds, "points": []}


def _said_by_fields(engine: DuckDBEngine, lake: Lake) -> dict[str, float]:
    """Find how many nats each field adds or takes of a candidate, on average."""
    weights = read_weights(lake)
    lake.open(engine, "unified_pairs")
    lake.open(engine, "key_codes")
    alone = weights.evidence_of_fields_sql()
    columns = [f"avg(abs({evidence}))" for evidence in alone.values()]
    said = engine.row(
        f"select {', '.join(columns)} from unified_pairs as p"
        " join key_codes as l on l.record_no = p.left_no"
        " join key_codes as r on r.record_no = p.right_no"
    )
    return {name: value or 0.0 for name, value in zip(alone, said, strict=True)}


def measure_labels(case: Case, trial: Trial) -> Figures:
    """Learn without labels and with them, and rank both ways within the same budgets."""
    lake = trial.make(trial.spec())
    made, alone = count_true(lake), trial.seconds["learned_rules"]
    _judge_pairs(_candidates(lake), SEED, trial.folder / "labels.jsonl")
    others = trial.ranked(budgets_of(case))
    labels = {"path": str(trial.folder / "labels.jsonl")}
    lake = trial.make(trial.spec(labels=labels))
    learned = learned_rules_facts(lake)
    return {
        **count_true(lake),
        "auto": {**made, "points": others, "cpu_seconds": alone[1]},
        "cpu_seconds": trial.seconds["learned_rules"][1],
        "rules": len(learned["rules"]),
        "recall": [learned["recall"], learned["recall_low"], learned["recall_high"]],
        "points": trial.ranked(budgets_of(case), labels=labels),
    }


def measure_honesty(case: Case, trial: Trial) -> Figures:
    """Learn from ten draws of labels; hold the recall that is estimated to the counted one."""
    lake = trial.make(trial.spec())
    known, rounds = _candidates(lake), []
    for seed in range(ROUNDS_OF_HONESTY):
        journal = trial.folder / f"labels_{seed}.jsonl"
        _judge_pairs(known, seed, journal)
        spec = trial.spec(labels={"path": str(journal)}, weights=False)
        trial.make(spec, "true_pairs")
        lake = trial.make(spec, "unified_pairs")
        learned = learned_rules_facts(lake)
        interval = [learned["recall_low"], learned["recall"], learned["recall_high"]]
        rounds.append([seed, *interval, count_true(lake)["completeness"], len(learned["rules"])])
    return {**count_true(lake), "rounds": rounds}


def _candidates(lake: Lake) -> list[tuple[bool, Pair]]:
    """List the true pairs, then the candidates that are not true, by the names of their records."""
    with DuckDBEngine() as engine:
        for table in ("cleaned_records", "true_pairs", "unified_pairs"):
            lake.open(engine, table)
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


def _judge_pairs(known: list[tuple[bool, Pair]], seed: int, journal: Path) -> None:
    """Draw matches and non-matches and write them down as a person's answers."""
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
