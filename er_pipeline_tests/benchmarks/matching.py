"""Matches beside those of Splink alone: how right they are, and what training and scoring cost.

Two measurements, chosen by --of:

- quality: febrl4, febrl3 and fake_1000, public sets with known matches. er_pipeline declares the
  columns, `strategies: auto`, `embedding: true` and `matching: true`, nothing else. Splink 5 alone
  gets the same cleaned records and the same comparisons, with the rules of its own documentation
  for each set: those that block, those that train, and the deterministic ones that its prior is
  told by, with the recall that is guessed there.
- cost: made-up people. `train_model` as it is; `score_pairs` and Splink's own predict, each in a
  process of its own, on the same pairs with the same model.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from er_pipeline.blocking.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.lake import Lake
from er_pipeline.blocking.spec import PipelineSpec
from er_pipeline.matching.comparisons import splink_comparisons
from er_pipeline.matching.match_quality import measure_matches
from er_pipeline.orchestration.steps import dataset_steps
from er_pipeline_tests.benchmarks.measuring import show_machine
from er_pipeline_tests.conftest import REAL_DATA


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
    """Measure and print; return 1 if an aim is missed."""
    options = _parser().parse_args(arguments)
    show_machine()
    return measure_quality(options.data)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=REAL_DATA, metavar="DIR")
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
    print(f"\n{'set':<12}{'way':<14}{'pairs':>9}{'completeness':>14}", end="")
    print(f"{'F1 at .95':>11}{'precision':>11}{'recall':>8}{'best F1':>9}{'at':>7}")
    worse = 0
    for name in DOCUMENTED:
        spec = declared(name, data)
        with tempfile.TemporaryDirectory(prefix="er_pipeline_") as folder:
            lake = Lake(Path(folder), name)
            for step in dataset_steps(spec, data):
                with DuckDBEngine(spec.threads) as engine:
                    step.run(engine, lake)
            ours = _quality(lake, spec, "er_pipeline", "unified_pairs")
            match_with_splink(lake, spec, DOCUMENTED[name])
            theirs = _quality(lake, spec, "splink alone", "matches")
        worse += ours < theirs
    return int(worse > 0)


def _quality(lake: Lake, spec: PipelineSpec, way: str, pairs: str) -> float:
    assert spec.matching is not None, "matching is on"
    with DuckDBEngine() as engine:
        engine.read(lake, pairs)
        engine.read(lake, "true_pairs")
        n_pairs, n_found, n_true = engine.row(
            f"select (select count(*) from {pairs}), (select count(*) from {pairs}"
            " semi join true_pairs using (left_no, right_no)), (select count(*) from true_pairs)"
        )
    with DuckDBEngine() as engine:
        facts = measure_matches(engine, lake, threshold=spec.matching.threshold)
    at, best = facts["at_threshold"], facts["at_best"]
    print(
        f"{spec.dataset:<12}{way:<14}{n_pairs:>9,}{n_found / n_true:>14.4f}{at['f1']:>11.4f}"
        f"{at['precision']:>11.4f}{at['recall']:>8.4f}{best['f1']:>9.4f}{best['threshold']:>7.3f}"
    )
    return float(at["f1"])


def match_with_splink(lake: Lake, spec: PipelineSpec, documented: Documented) -> None:
    """Let Splink block, train and score by itself; replace the matches of the lake by its own."""
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    def rules(written: Sequence[list[str] | str]) -> list[Any]:
        return [rule if isinstance(rule, str) else block_on(*rule) for rule in written]

    with DuckDBEngine() as engine:
        engine.read(lake, "cleaned_records")
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
        facts = {"fingerprint": lake.facts("cleaned_records")["fingerprint"]}
        with lake.writing("matches", facts) as draft:
            engine.write(
                "select least(record_no_l, record_no_r) as left_no,"
                " greatest(record_no_l, record_no_r) as right_no, match_probability"
                f" from {scored.physical_name}",
                draft.file(),
            )


if __name__ == "__main__":
    sys.exit(main())
