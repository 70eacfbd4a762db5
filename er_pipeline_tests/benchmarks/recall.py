"""Recall without truth, held against the truth: made-up people, the demo's strategies.

For every seed people are made, blocked, and a model is trained; then recall is estimated from a
sample of records, and printed beside pairs completeness of all true pairs (truth) and of those that
reach the least probability (seen), since a sample knows nothing of matches that the model does not
recognize. The aim is that the estimate lies within three points of the latter.

Measured 2026-11 on 2 shared cores, 1,000 records sampled, least probability 0.95: among 100,000
people truth 94.6%, seen 98.0%, the estimate off by 0.4 to 0.9 points on seeds 20 to 22, for 8 to 10
CPU s and some 750 pairs whose values were compared. Among a million, truth 91.5%, seen 96.1%, the
estimate of three samples 94.7% to 95.8%, for 101 CPU s and 1,400 pairs compared.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.recall import RecallFacts, recall_facts
from er_pipeline.flow import flow, open_lake
from er_pipeline.matching.scored_pairs import number_compared, score_table
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.terminal.demo import DEMO_DEFS, demo_overrides
from er_pipeline_tests.benchmarks.measuring import (
    make_stale,
    show_aim,
    show_machine,
    show_table,
    timed_step,
)

MAX_POINTS_OFF = 3.0


def people_spec(options: argparse.Namespace, seed: int) -> PipelineSpec:
    """Declare the demo's people, so many and of a seed, and how recall is estimated."""
    sample = {
        "records": options.sampled,
        "comparisons": options.max_comparisons,
        "min_probability": options.min_probability,
    }
    overrides = {**demo_overrides(options.records, seed), "matching": {"recall": sample}}
    return read_spec(DEMO_DEFS, overrides)


def estimate(spec: PipelineSpec, lake: Lake, seed: int) -> tuple[RecallFacts, float]:
    """Run the flow's step on another sample; return its facts and its CPU seconds."""
    (step,) = [step for step in flow(spec) if step.name == "recall_sample"]
    assert isinstance(step.run, partial)
    sampled = replace(step, run=partial(step.run.func, **{**step.run.keywords, "seed": seed}))
    _, cpu_seconds = timed_step([sampled], step.name, lake)
    return recall_facts(lake), cpu_seconds


def measured_recall(spec: PipelineSpec, lake: Lake, probability: float) -> tuple[float, float]:
    """Give the share of candidates among all true pairs, and among those of some probability."""
    model = read_model(lake)
    shares = []
    with DuckDBEngine() as engine:
        for table in ("cleaned_records", "true_pairs", "unified_pairs"):
            lake.open(engine, table)
        number_compared(engine, spec, "compared_records")
        score_table(
            *(engine, model, "compared_records", "true_pairs", "seen_pairs"),
            min_probability=probability,
        )
        for table in ("true_pairs", "seen_pairs"):
            (share,) = engine.row(
                f"select count(u.left_no) / count(*) from {table} as t left join unified_pairs as u"
                " on u.left_no = t.left_no and u.right_no = t.right_no"
            )
            shares.append(float(share))
    return shares[0], shares[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every seed; return 1 if a sample held no likely match."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=100_000, metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=[20, 21, 22], metavar="N")
    parser.add_argument("--samples", type=int, default=1, metavar="N", help="per seed (1)")
    parser.add_argument("--sampled", type=int, default=1_000, metavar="N", help="records (1000)")
    parser.add_argument("--max-comparisons", type=int, default=20_000_000, metavar="N")
    parser.add_argument("--min-probability", type=float, default=0.95, metavar="P")
    options = parser.parse_args(arguments)
    show_machine()
    measured = [one for seed in options.seeds for one in measure_seed(options, seed)]
    _show_samples(measured)
    estimates = [one.facts["sample"]["recall"] for one in measured]
    completeness = mean(one.truth for one in measured)
    cpu_seconds = mean(one.cpu_seconds for one in measured)
    show_table(
        ["records", "completeness", "seen", "CPU s"],
        [
            (
                options.records,
                f"{completeness:.1%}",
                f"{mean(one.seen for one in measured):.1%}",
                cpu_seconds,
            )
        ],
    )
    show_table(
        ["records", "completeness", "estimate, lowest", "estimate, highest", "CPU s"],
        [
            (
                options.records,
                f"{completeness:.1%}",
                f"{min(estimates):.1%}",
                f"{max(estimates):.1%}",
                cpu_seconds,
            )
        ],
    )
    show_aim("points off, the worst", max(one.off for one in measured), MAX_POINTS_OFF)
    return int(not all(one.facts["sample"]["likely_matches"] for one in measured))


@dataclass(frozen=True)
class Sampled:
    """One sample of the people of a seed: the estimate, beside what is true and what is seen."""

    seed: int
    sample: int
    truth: float
    seen: float
    facts: RecallFacts
    cpu_seconds: float

    @property
    def off(self) -> float:
        """How far the estimate is from what is seen, in points."""
        return 100 * abs(self.facts["sample"]["recall"] - self.seen)


def measure_seed(options: argparse.Namespace, seed: int) -> Iterator[Sampled]:
    """Make the people of a seed, block them, train the model, and estimate recall by samples."""
    spec = people_spec(options, seed)
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        lake = open_lake(Path(temporary), spec)
        for table in ("true_pairs", "matches"):
            for step, wall, _ in make_stale(flow(spec), table, lake):
                print(f"  seed {seed}: {step.name:<24}{wall:>7.1f} s", file=sys.stderr)
        truth, seen = measured_recall(spec, lake, options.min_probability)
        for sample in range(options.samples):
            yield Sampled(seed, sample, truth, seen, *estimate(spec, lake, sample))


def _show_samples(measured: Sequence[Sampled]) -> None:
    show_table(
        [
            *("seed", "sample", "truth", "seen", "estimate", "95% interval", "off"),
            *("records", "compared", "CPU s"),
        ],
        [
            (
                *(str(one.seed), one.sample, f"{one.truth:.2%}", f"{one.seen:.2%}"),
                f"{one.facts['sample']['recall']:.2%}",
                f"{one.facts['sample']['recall_low']:.2%}-{one.facts['sample']['recall_high']:.2%}",
                *(f"{one.off:.2f}", one.facts["records_sampled"], one.facts["pairs_compared"]),
                one.cpu_seconds,
            )
            for one in measured
        ],
    )


if __name__ == "__main__":
    raise SystemExit(main())
