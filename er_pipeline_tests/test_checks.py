"""Every check, shown failing."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from er_pipeline.blocking.records.generated_people import write_people
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline_tests.conftest import Dataset, Rows

PEOPLE: Rows = [
    {"id": "1", "last": "Smith", "email": "john@acme.org"},
    {"id": "2", "last": "Smyth", "email": "john@acme.org"},
    {"id": "3", "last": "Smith", "email": None},
    {"id": "4", "last": None, "email": None},
]


DECLARED: dict[str, Any] = {
    "fields": {"last": "person_name", "email": "email"},
    "strategies": {"soundex": "soundex(last)", "email_exact": "email"},
    "training_rules": {"same_last": "last", "same_email": "email"},
    "checks": {"min_key_coverage": 0.5},
}


@pytest.fixture
def people(dataset: Callable[..., Dataset]) -> Callable[..., Dataset]:
    def make(**settings: Any) -> Dataset:
        return dataset(PEOPLE, **{**DECLARED, **settings})

    return make


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Run the whole graph once; every check passes."""
    made = Dataset(tmp_path_factory.mktemp("sound"), [PEOPLE], **DECLARED)
    assert all(evaluation.passed for evaluation in checks_of(made).values())
    return made


@pytest.fixture
def made(sound: Dataset, tmp_path: Path) -> Dataset:
    """Copy the tables of the whole graph, to be damaged."""
    shutil.copytree(sound.root, tmp_path / "lake", symlinks=True)
    return Dataset.of(sound.spec, tmp_path / "lake")


def checks_of(people: Dataset, *tables: str) -> dict[str, dg.AssetCheckEvaluation]:
    """Run the whole graph, or the checks of some tables as they lie in the lake."""
    component = BlockingPipeline(people.spec)
    job = component.definitions(people.lake.root).resolve_job_def("people_nightly")
    keys = [dg.AssetKey(["people", table]) for table in tables]
    selection = dg.AssetSelection.checks_for_assets(*keys) if tables else None
    if selection is None:
        result = job.execute_in_process(raise_on_error=False)
    else:
        definitions = component.definitions(people.lake.root)
        result = (
            dg.Definitions(
                assets=definitions.assets,
                asset_checks=definitions.asset_checks,
                resources=definitions.resources,
                jobs=[dg.define_asset_job("only_checks", selection=selection)],
            )
            .resolve_job_def("only_checks")
            .execute_in_process(raise_on_error=False)
        )
    return {
        f"{check.asset_key.path[-1]}.{check.check_name}": check
        for check in result.get_asset_check_evaluations()
    }


def assert_stops_the_run(people: Dataset, check: str, *words: str) -> dict[str, Any]:
    evaluation = checks_of(people)[check]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.ERROR
    for word in words:
        assert word in (evaluation.description or "")
    assert not people.lake.has("unified_pairs")
    return {name: value.value for name, value in evaluation.metadata.items()}


def test_too_few_records_with_a_key_stop_the_run(people: Callable[..., Dataset]) -> None:
    numbers = assert_stops_the_run(
        people(strategies={"email_exact": "email"}, checks={"min_key_coverage": 0.95}),
        "filtered_blocks.key_coverage_is_enough",
        "66.67% of 3 records",
        "1 more are empty in every field",
        "Add a strategy",
    )
    assert numbers["key_coverage"] == pytest.approx(2 / 3)
    assert numbers["records_without_key"] == 1


def test_coverage_lost_to_the_cap_stops_the_run(people: Callable[..., Dataset]) -> None:
    numbers = assert_stops_the_run(
        people(blocks={"max_size": 2}),
        "filtered_blocks.filtering_keeps_coverage",
        "raise blocks: max_size",
    )
    assert numbers["records_lost"] == 1


def test_too_many_pairs_stop_the_run_before_one_is_made(people: Callable[..., Dataset]) -> None:
    numbers = assert_stops_the_run(
        people(checks={"min_key_coverage": 0.5, "max_pairs": 3}),
        "filtered_blocks.pairs_within_budget",
        "4 pairs",
        "soundex with 3",
    )
    assert numbers == {"pairs": 4, "max_pairs": 3}


def test_one_strategy_over_its_own_budget_stops_the_run(people: Callable[..., Dataset]) -> None:
    assert_stops_the_run(
        people(checks={"min_key_coverage": 0.5, "max_pairs_per_strategy": {"soundex": 2}}),
        "filtered_blocks.every_strategy_within_budget",
        "soundex 3 (at most 2)",
    )


def test_a_giant_block_warns_and_does_not_stop_the_run(people: Callable[..., Dataset]) -> None:
    made = people(checks={"min_key_coverage": 0.5, "min_block_pairs_for_share": 0})
    evaluation = checks_of(made)["filtered_blocks.no_block_holds_too_much"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert evaluation.metadata["largest_block_share"].value == 0.75
    assert made.lake.has("unified_pairs")


def test_training_over_budget_fails(people: Callable[..., Dataset]) -> None:
    made = people(checks={"min_key_coverage": 0.5, "max_training_pairs": 1})
    evaluation = checks_of(made)["em_training_rules.training_within_budget"]
    assert not evaluation.passed
    assert evaluation.metadata["training_pairs"].value == 2
    assert not made.lake.published()["tables"]


def test_a_field_that_every_rule_fixes_fails(people: Callable[..., Dataset]) -> None:
    made = people(training_rules={"a": "last", "b": ["soundex(last)", "email"]})
    evaluation = checks_of(made)["em_training_rules.every_comparison_is_free"]
    assert not evaluation.passed
    assert "leaves last free" in (evaluation.description or "")
    assert evaluation.metadata["rules_leaving_email_free"].value == 1


def test_a_training_rule_without_pairs_warns(people: Callable[..., Dataset]) -> None:
    rules = {
        "same_last": "last",
        "same_email": "email",
        "none": ["email", "initials(last)", "last"],
    }
    evaluation = checks_of(people(training_rules=rules))["em_training_rules.every_rule_makes_pairs"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert "none" in (evaluation.description or "")


@pytest.mark.parametrize(
    ("expectations", "words"),
    [
        ({"max_null_rate": {"email": 0.1}}, "email: 50.0% are empty, at most 10.0% allowed"),
        ({"formats": {"last": "^smith$"}}, "such as 'smyth'"),
    ],
)
def test_records_that_miss_the_expectations_stop_the_run(
    people: Callable[..., Dataset], expectations: dict[str, Any], words: str
) -> None:
    numbers = assert_stops_the_run(
        people(expectations=expectations), "cleaned_records.fits_expectations", words
    )
    assert numbers["records_looked_at"] == 4
    assert numbers["data_docs"].endswith("data_docs/index.html")
    assert "| failed |" in numbers["found"]


def test_a_field_emptied_by_its_kind_warns(people: Callable[..., Dataset]) -> None:
    made = people(fields={"last": "person_name", "email": "phone"}, strategies={"last": "last"})
    evaluation = checks_of(made)["cleaned_records.cleaning_keeps_values"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert "email (phone) lost 100% of its values" in (evaluation.description or "")
    assert evaluation.metadata["cleaned_away_share_last"].value == 0.0


def test_lists_over_budget_stop_the_run_before_the_search(people: Callable[..., Dataset]) -> None:
    made = people(embedding={"k": 5, "max_pairs_per_record": 4})
    numbers = assert_stops_the_run(
        made, "record_embeddings.neighbours_within_budget", "at most 4", "Lower embedding: k"
    )
    assert numbers == {"entries": 15, "entries_per_record": 5, "budget": 4}
    assert not made.lake.has("embedding_blocks")


def test_too_many_pairs_of_neighbours_stop_the_run(dataset: Callable[..., Dataset]) -> None:
    # Four texts of three records each: a list of two texts stands for four records and more.
    names = ["ann lee", "ann lea", "ann leek", "ann leer"] * 3
    rows = [{"id": f"{i:02}", "name": name} for i, name in enumerate(names)]
    made = dataset(rows, strategies={}, embedding={"k": 2, "max_pairs_per_record": 2})
    numbers = assert_stops_the_run(
        made,
        "embedding_blocks.embedding_pairs_within_budget",
        "at most 2 wanted",
        "Lower embedding: k",
    )
    assert numbers["pairs_per_record"] > 2


def test_full_lists_warn(people: Callable[..., Dataset]) -> None:
    made = people(embedding={"k": 1, "fields": ["last"]})
    evaluation = checks_of(made)["embedding_blocks.lists_are_not_full"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert "Raise embedding: k" in (evaluation.description or "")
    assert evaluation.metadata["full_lists_share"].value == 1
    assert made.lake.has("unified_pairs")


@pytest.mark.parametrize(
    ("check", "facts", "words"),
    [
        ("index_recall_is_enough", {"index": "hnsw", "recall": 0.4}, "40.00% of the exact lists"),
        ("embedding_pairs_within_budget", {"pairs_per_record": 50.5}, "raise min_similarity"),
    ],
)
def test_facts_of_the_search_are_judged(
    people: Callable[..., Dataset], check: str, facts: dict[str, Any], words: str
) -> None:
    made = people(embedding=True)
    assert checks_of(made)[f"embedding_blocks.{check}"].passed
    noted = made.lake.path("embedding_blocks") / "facts.json"
    noted.write_text(json.dumps({**made.lake.facts("embedding_blocks"), **facts}))
    evaluation = checks_of(made, "embedding_blocks")[f"embedding_blocks.{check}"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.ERROR
    assert words in (evaluation.description or "")


@pytest.fixture(scope="module")
def matched(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Run the graph with matching on 600 people."""
    folder = tmp_path_factory.mktemp("matched")
    write_people(folder / "made.csv", n_records=600, seed=5)
    with (folder / "made.csv").open(encoding="utf-8") as file:
        rows = [
            {name: value or None for name, value in row.items()} for row in csv.DictReader(file)
        ]
    names = {"first_name": "person_name", "last_name": "person_name"}
    people = Dataset(
        folder,
        [rows],
        fields={**names, "email": "email", "birth_date": "date", "city": "text"},
        strategies={"email": "email", "name": ["soundex(last_name)", "left(first_name, 1)"]},
        training_rules={"name": "soundex(last_name)", "born": "year(birth_date)"},
        matching={"recall": {"records": 200}},
        truth={"cluster_column": "person_id"},
    )
    evaluations = checks_of(people)
    for check in ("missed_matches.missed_matches_add_up", "recall_sample.recall_is_kept"):
        assert evaluations[check].passed
    return people


def test_facts_of_the_evaluation_are_judged(matched: Dataset) -> None:
    low = {"recall": 0.5, "recall_low": 0.4, "recall_high": 0.6}
    low = {**matched.lake.facts("recall_sample")["sample"], **low}
    enough = {"true_pairs": 300, "found": 290}
    lost = {"causes": {"no_key": matched.lake.facts("missed_matches")["true_pairs"]}, "found": 0}
    before = {}
    for table, facts in (
        ("missed_matches", lost),
        ("recall_sample", {"sample": low, "known": enough}),
    ):
        noted = matched.lake.path(table) / "facts.json"
        before[noted] = noted.read_text()
        noted.write_text(json.dumps({**json.loads(before[noted]), **facts}))
    evaluations = checks_of(matched, "missed_matches", "recall_sample")
    for noted, text in before.items():
        noted.write_text(text)
    for check, severity, words in (
        (
            "missed_matches.missed_matches_add_up",
            dg.AssetCheckSeverity.ERROR,
            "Materialize unified_pairs, matches and missed_matches again",
        ),
        (
            "missed_matches.known_matches_are_candidates",
            dg.AssetCheckSeverity.WARN,
            "known matches are candidates (at least",
        ),
    ):
        assert not evaluations[check].passed
        assert evaluations[check].severity == severity
        assert words in (evaluations[check].description or "")
    estimate = evaluations["recall_sample.recall_is_kept"]
    assert estimate.passed  # the truth judges
    assert "50.0% (95%: 40.0% to 60.0%)" in (estimate.description or "")


def test_known_matches_that_are_lost_since_the_last_good_run_warn(matched: Dataset) -> None:
    noted = matched.lake.facts("missed_matches")
    lost = {"missed": noted["missed"] + noted["true_pairs"] // 10}
    version = matched.lake.version("missed_matches")
    assert matched.lake.published()["tables"]["missed_matches"] == version
    with matched.lake.writing("missed_matches", {**noted, **lost}) as draft:
        for file in matched.lake.path("missed_matches", version).glob("*.parquet"):
            shutil.copy(file, draft.folder)
    evaluations = checks_of(matched, "missed_matches")
    evaluation = evaluations["missed_matches.known_matches_are_candidates"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert "in the last good run" in (evaluation.description or "")
    assert evaluation.metadata["drop"].value == pytest.approx(0.1, abs=0.01)


def test_tables_of_matching_are_held_against_their_contracts(matched: Dataset) -> None:
    damages = {
        "missed_matches": "update t set cause = 'bad luck'",
        "match_quality": "update t set f1 = -1",
        "recall_sample": "update t set is_candidate = null",
        "em_model": "update t set comparison = 'shoe_size'",
        "matches": "alter table t drop gamma_city",
        "entities": "update t set entity_no = -1",
    }
    for table, sql in damages.items():
        tamper(matched, table, sql)
    evaluations = checks_of(matched, *damages)
    assert not any(evaluations[f"{table}.fits_contract"].passed for table in damages)


def tamper(people: Dataset, table: str, sql: str) -> None:
    """Rewrite a table of the lake behind the pipeline's back."""
    folder = people.lake.path(table)
    with duckdb.connect() as con:
        con.execute(f"create table t as select * from read_parquet('{folder}/*.parquet')")
        con.execute(sql)
        for file in folder.glob("*.parquet"):
            file.unlink()
        con.execute(f"copy t to '{folder}/part-0.parquet'")


@pytest.mark.parametrize(
    ("check", "sql"),
    [
        ("every_pair_once", "insert into t from t limit 1"),
        ("every_pair_canonical", "update t set left_no = right_no, right_no = left_no"),
        ("every_id_exists", "update t set right_no = 99"),
        ("every_id_exists", "update t set strategy_mask = 0"),
        ("fits_contract", "alter table t drop strategy_mask"),
        ("fits_contract", "update t set strategy_mask = 0"),
    ],
)
def test_damaged_pairs_are_found(made: Dataset, check: str, sql: str) -> None:
    tamper(made, "unified_pairs", sql)
    assert not checks_of(made, "unified_pairs")[f"unified_pairs.{check}"].passed


@pytest.mark.parametrize(
    ("table", "sql"),
    [
        ("cleaned_records", "update t set record_id = null"),
        ("rejected_records", "alter table t drop reason"),
        ("blocks_soundex", "update t set block_key = ' '"),
        ("filtered_blocks", "update t set strategy = 'phone'"),
        ("dropped_blocks", "insert into t values ('soundex', 'S530', 3, 3, 'because', null)"),
        ("key_codes", "alter table t drop idf_0"),
        ("pair_weights", "update t set m = -0.1"),
        ("em_training_blocks", "update t set rule = 'other'"),
        ("em_training_rules", "update t set pairs = -1"),
        ("blocking_report", "alter table t add column more integer"),
    ],
)
def test_every_table_is_held_against_its_contract(made: Dataset, table: str, sql: str) -> None:
    tamper(made, table, sql)
    evaluation = checks_of(made, table)[f"{table}.fits_contract"]
    assert not evaluation.passed
    assert "Does not fit its contract" in (evaluation.description or "")
