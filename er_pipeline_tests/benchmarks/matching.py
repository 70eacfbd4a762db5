"""Matches beside those of Splink alone: how right they are, and what training and scoring cost.

Two measurements, chosen by --of:

- quality: febrl4, febrl3 and fake_1000, public sets with known matches. er_pipeline declares the
  columns, `strategies: auto`, `embedding: true` and `matching: true`, nothing else. Splink 5 alone
  gets the same cleaned records and the same comparisons, with the rules of its own documentation
  for each set: those that block, those that train, and the deterministic ones that its prior is
  estimated by, with the recall that is guessed there.
- cost: made-up people. The steps em_model and matches of the flow, and Splink's own predict on the
  same pairs with the same model, each in a process of its own. The likely pairs of both must have
  the same probabilities to the last bit.

What was measured stands in er_pipeline/docs/measured.md.
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from er_pipeline.blocking.blocks.training_facts import training_facts
from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.evaluation.match_quality import measure_matches
from er_pipeline.flow import flow, open_lake, run
from er_pipeline.matching.comparisons import splink_comparisons
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.terminal.demo import DEMO_DEFS
from er_pipeline_tests.benchmarks.measuring import (
    make_stale,
    run_child,
    show_aim,
    show_machine,
    show_table,
    timed_step,
)
from er_pipeline_tests.conftest import REAL_DATA

TITLES = {"train": "train", "score": "score", "splink": "Splink's predict"}
Figures = dict[str, Any]
MAX_TRAINING_CPU_SECONDS = 60
MAX_TIMES_SPLINK = 0.5
MAX_PEAK_MIB = 4 * 1024
# Some 22 candidate pairs and 6 training pairs per person, of a million.
PEOPLE = {
    "weights": False,
    "strategies": {
        "email_exact": "email",
        "phone": "phone",
        "name_birth_year": ["left(last_name, 3)", "left(first_name, 1)", "year(birth_date)"],
        "nickname": ["nickname(first_name)", "last_name"],
        "birth_date": "birth_date",
    },
    "training_rules": {
        "same_phone": ["phone"],
        "same_nickname": ["nickname(first_name)", "last_name"],
        "same_company_and_city": ["company", "city"],
    },
    "checks.max_pairs": 10**9,
}


@dataclass(frozen=True)
class Documented:
    """A set as Splink's documentation treats it.

    blocking, training: lists of columns that must be equal, or SQL. deterministic: rules whose
    pairs are matches, recall: the share of all matches they are said to find.
    Source: Splink's docs/demos/examples/duckdb: febrl3, febrl4, accuracy_analysis_from_labels.
    """

    blocking: list[list[str]]
    training: list[list[str]]
    deterministic: list[list[str] | str]
    recall: float


DOCUMENTED = {
    "febrl4": Documented(
        blocking=[
            ["given_name", "surname"],
            ["date_of_birth"],
            ["soc_sec_id"],
            ["state", "address_1"],
            ["street_number", "address_1"],
            ["postcode"],
        ],
        training=[["date_of_birth"], ["postcode"]],
        deterministic=[
            ["soc_sec_id"],
            ["given_name", "surname", "date_of_birth"],
            "l.given_name = r.surname and l.surname = r.given_name"
            " and l.date_of_birth = r.date_of_birth",
        ],
        recall=0.8,
    ),
    "febrl3": Documented(
        blocking=[["soc_sec_id"], ["given_name"], ["surname"], ["date_of_birth"], ["postcode"]],
        training=[["date_of_birth"], ["postcode"]],
        deterministic=[
            ["soc_sec_id"],
            ["given_name", "surname", "date_of_birth"],
            "l.given_name = r.surname and l.surname = r.given_name"
            " and l.date_of_birth = r.date_of_birth",
        ],
        recall=0.9,
    ),
    "fake_1000": Documented(
        blocking=[["first_name"], ["surname"], ["dob"], ["email"]],
        training=[["dob"], ["email"]],
        deterministic=[
            "l.first_name = r.first_name and levenshtein(r.dob, l.dob) <= 1",
            "l.surname = r.surname and levenshtein(r.dob, l.dob) <= 1",
            "l.first_name = r.first_name and levenshtein(r.surname, l.surname) <= 2",
            ["email"],
        ],
        recall=0.7,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if an aim is missed or two ways score different pairs."""
    options = _parser().parse_args(arguments)
    if options.way:
        print(json.dumps(WAYS[options.way](options.keep, options.records)))
        return 0
    show_machine()
    missed = 0
    if options.of != "cost":
        missed += measure_quality(options.data)
    if options.of != "quality":
        missed += measure_cost(options.keep, options.records)
    return int(missed > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--of", choices=["quality", "cost"], help="one of the two measurements")
    parser.add_argument("--data", type=Path, default=REAL_DATA, metavar="DIR", help="public sets")
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N", help="people made")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the tables here")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)  # in the child
    return parser


def declared(name: str, data: Path) -> PipelineSpec:
    """Declare a public set: its columns, kinds guessed from their names, and no setting tuned."""
    files = sorted(file for file in (data / name).glob("*.csv") if file.name != "truth.csv")
    columns = files[0].read_text("utf-8").splitlines()[0].split(",")
    fields = {column: column for column in columns if column not in ("id", "cluster")}
    return PipelineSpec.model_validate(
        {
            "dataset": name,
            "sources": [{"path": str(file), "columns": fields} for file in files],
            "strategies": "auto",
            "embedding": True,
            "matching": True,
            "truth": {"path": str(data / name / "truth.csv")},
        }
    )


def measure_quality(data: Path) -> int:
    """Print completeness and F1 of both ways on every set; return 1 if ours has the lower F1."""
    ways = ("**er_pipeline**", "Splink alone")
    rows: list[tuple[str, str, int, str, str, str]] = []
    worse = 0
    for name in DOCUMENTED:
        spec = declared(name, data)
        with tempfile.TemporaryDirectory(prefix="er_pipeline_") as folder:
            for step, _ in run(flow(spec), open_lake(Path(folder), spec), until="matches"):
                print(f"  {name}: {step.name}", file=sys.stderr)
            list(make_stale(flow(spec), "true_pairs", open_lake(Path(folder), spec)))
            lake = Lake(Path(folder), name)  # Splink's own matches follow from no step
            ours = _quality(lake, spec, "unified_pairs")
            match_with_splink(lake, spec, DOCUMENTED[name])
            theirs = _quality(lake, spec, "matches")
        rows += [(name, way, *quality) for way, quality in zip(ways, (ours, theirs), strict=True)]
        worse += float(ours[2]) < float(theirs[2])
    show_table(["set", "way", "pairs", "completeness", "F1 at 0.95", "best F1"], rows)
    return int(worse > 0)


def _quality(lake: Lake, spec: PipelineSpec, pairs: str) -> tuple[int, str, str, str]:
    """Count the pairs, their completeness, and F1 of the matches at the threshold and the best."""
    assert spec.matching is not None, "matching is on"
    with DuckDBEngine() as engine:
        lake.open(engine, pairs)
        lake.open(engine, "true_pairs")
        n_pairs, n_found, n_true = engine.row(
            f"select (select count(*) from {pairs}), (select count(*) from {pairs}"
            " semi join true_pairs using (left_no, right_no)), (select count(*) from true_pairs)"
        )
    with DuckDBEngine() as engine:
        facts = measure_matches(engine, lake, spec)
    at, best = facts["at_threshold"], facts["at_best"]
    print(
        f"  {spec.dataset}, {pairs}: at the threshold precision {at['precision']:.4f}, recall"
        f" {at['recall']:.4f}; best at {best['threshold']:.3f}",
        file=sys.stderr,
    )
    return n_pairs, f"{n_found / n_true:.2%}", f"{at['f1']:.4f}", f"{best['f1']:.4f}"


def match_with_splink(lake: Lake, spec: PipelineSpec, documented: Documented) -> None:
    """Let Splink block, train and score by itself; replace the matches of the lake by its own."""
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    def rules(written: Sequence[list[str] | str]) -> list[Any]:
        return [rule if isinstance(rule, str) else block_on(*rule) for rule in written]

    with DuckDBEngine() as engine:
        lake.open(engine, "cleaned_records")
        columns = ", ".join(quoted(name) for name in spec.field_kinds)
        api = DuckDBAPI(connection=engine.con)
        tables = []
        for i, label in enumerate(spec.source_labels):
            # Named so that the first source is on Splink's left.
            engine.make_table(
                f"records_{i}_{label}",
                f"select record_no, 's{i}' as source_dataset, {columns} from cleaned_records"
                f" where source_no = {i}",
            )
            tables.append(api.register(f"records_{i}_{label}"))
        settings = SettingsCreator(
            link_type="link_only" if spec.link_mode == "link" else "dedupe_only",
            unique_id_column_name="record_no",
            comparisons=[*splink_comparisons(spec)],
            blocking_rules_to_generate_predictions=rules(documented.blocking),
            retain_matching_columns=False,
        )
        linker = Linker(tables if len(tables) > 1 else tables[0], settings, log_level=logging.ERROR)
        linker.training.estimate_probability_two_random_records_match(
            rules(documented.deterministic), recall=documented.recall
        )
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=spec.seed)
        for rule in rules(documented.training):
            linker.training.estimate_parameters_using_expectation_maximisation(rule)
        scored = linker.inference.predict(warning_mode="never")
        with lake.writing("matches") as draft:
            engine.write(
                "select least(record_no_l, record_no_r) as left_no,"
                " greatest(record_no_l, record_no_r) as right_no, match_probability"
                f" from {scored.physical_name}",
                draft.file(),
            )


def measure_cost(keep: Path | None, n_records: int) -> int:
    """Print what training and scoring cost; return 1 if the two ways scored other pairs."""
    module = __spec__.name if __spec__ else __name__
    found: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="er_pipeline_") as temporary:
        folder = keep or Path(temporary)
        for way in WAYS:
            child = ["-m", module, "--way", way, "--records", str(n_records), "--keep", str(folder)]
            cost, printed = run_child(*child)
            found[way] = {**json.loads(printed.splitlines()[-1]), "peak_mib": cost.peak_mib}
    scored = f"{found['train']['pairs']:,} training pairs, {found['score']['pairs']:,} candidates"
    print(f"{n_records:,} people, {scored}")
    ratio = found["score"]["cpu_seconds"] / found["splink"]["cpu_seconds"]
    show_table(
        ["way", "CPU s", "× Splink's predict", "peak MiB"],
        [
            (
                title,
                found[way]["cpu_seconds"],
                {"score": f"{ratio:.2f}", "splink": "1.00"}.get(way),
                round(found[way]["peak_mib"]),
            )
            for way, title in TITLES.items()
        ],
    )
    print(f"{found['score']['compared']:,} pairs had their values compared")
    aims = (
        ("training, CPU", found["train"]["cpu_seconds"], MAX_TRAINING_CPU_SECONDS, " s"),
        ("scoring, CPU, times Splink's predict", ratio, MAX_TIMES_SPLINK, ""),
        ("training, peak", found["train"]["peak_mib"], MAX_PEAK_MIB, " MiB"),
        ("scoring, peak", found["score"]["peak_mib"], MAX_PEAK_MIB, " MiB"),
    )
    for aim in aims:
        show_aim(*aim)
    same = {
        (found[way]["pairs"], found[way]["likely"], found[way]["digest"])
        for way in ("score", "splink")
    }
    print(
        f"[{'ok' if len(same) == 1 else 'FAILED'}] pairs scored, likely ones, and a digest of their"
        f" probabilities to the last bit: {same}"
    )
    return int(len(same) > 1)


def _people(folder: Path, n_records: int) -> tuple[PipelineSpec, Lake]:
    spec = read_spec(DEMO_DEFS, {"sources.0.generate.records": n_records, **PEOPLE})
    return spec, open_lake(folder / str(n_records), spec)


def prepare(folder: Path, n_records: int) -> Figures:
    """Make the pairs and the training blocks, unless an earlier run kept them."""
    spec, lake = _people(folder, n_records)
    began = time.process_time()
    for table in ("unified_pairs", "em_training_rules"):
        list(make_stale(flow(spec), table, lake))
    pairs = unified_facts(lake)["pairs"]
    return {"pairs": pairs, "cpu_seconds": time.process_time() - began}


def train(folder: Path, n_records: int) -> Figures:
    """Train as the graph does."""
    spec, lake = _people(folder, n_records)
    _, cpu_seconds = timed_step(flow(spec), "em_model", lake)
    return {"pairs": training_facts(lake)["pairs"], "cpu_seconds": cpu_seconds}


def score(folder: Path, n_records: int) -> Figures:
    """Score as the graph does, the likely pairs and their levels written."""
    spec, lake = _people(folder, n_records)
    facts, cpu_seconds = timed_step(flow(spec), "matches", lake)
    with DuckDBEngine() as engine:
        lake.open(engine, "matches")
        digest = _digest(engine, "select left_no, right_no, match_probability from matches")
    return {
        "pairs": facts["scored"],
        "likely": facts["stored"],
        "compared": facts["compared"],
        "digest": digest,
        "cpu_seconds": cpu_seconds,
    }


def _digest(engine: DuckDBEngine, sql: str) -> str:
    """Give a text that changes with a pair of a query, or with a bit of its probability."""
    engine.make_view("digested", sql)
    return engine.fingerprint("digested", ["left_no", "right_no", "match_probability"])


def predict(folder: Path, n_records: int) -> Figures:
    """Let Splink score the same pairs with the same model, at once; nothing is written."""
    from splink import DuckDBAPI, Linker

    spec, lake = _people(folder, n_records)
    assert spec.matching is not None, "matching is on"
    model = read_model(lake)
    with DuckDBEngine(spec.threads) as engine:
        for table in ("cleaned_records", "unified_pairs"):
            lake.open(engine, table)
        began = time.process_time()
        engine.make_table("records", "select * from cleaned_records")
        engine.make_table(
            "pairs",
            "select left_no as join_key_l, right_no as join_key_r, '0' as match_key"
            " from unified_pairs",
        )
        api = DuckDBAPI(connection=engine.con)
        linker = Linker(api.register("records"), model, log_level=logging.ERROR)
        linker.table_management.register_blocked_pairs_for_predict(api.register("pairs"))
        scored = linker.inference.predict(warning_mode="never")
        cpu_seconds = time.process_time() - began
        likely = (
            "select least(record_no_l, record_no_r) as left_no,"
            " greatest(record_no_l, record_no_r) as right_no, match_probability"
            f" from {scored.physical_name}"
            f" where match_probability >= {spec.matching.min_probability!r}"
        )
        n_pairs, n_likely = engine.row(
            f"select (select count(*) from {scored.physical_name}), count(*) from ({likely})"
        )
        digest = _digest(engine, likely)
    return {"pairs": n_pairs, "likely": n_likely, "digest": digest, "cpu_seconds": cpu_seconds}


WAYS: dict[str, Callable[[Path, int], Figures]] = {
    "prepare": prepare,
    "train": train,
    "score": score,
    "splink": predict,
}


if __name__ == "__main__":
    sys.exit(main())
