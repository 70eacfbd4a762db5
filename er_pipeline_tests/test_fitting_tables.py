"""What a change does not touch still fits; what nothing needs any more is deleted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from er_pipeline_tests.conftest import made_up_people, write_csv
from er_pipeline_tests.declared_dataset import DeclaredDataset, assert_refused
from er_pipeline_tests.test_stale_tables import FEW, KINDS, NAMES, RULES

FEW_RULES = {"first": "first_name", "last": "last_name"}
TRUTHS: Mapping[str, Any] = {
    "none": None,
    "pairs": {"path": "pairs.csv"},
    "other pairs": {"path": "other.csv", "left_id": "a", "right_id": "b"},
    "cluster": {"cluster_column": "person_id"},
    "other cluster": {"cluster_column": "city"},
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where no dagster.yaml is, so that no run is written into the project's own history."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("ER_PIPELINE_LAKE", raising=False)


def true_pairs(people: DeclaredDataset) -> set[tuple[str, str]]:
    """Read the true pairs of the lake, with the ids of their records."""
    ids = {row[0]: row[1] for row in people.rows("cleaned_records")}
    return {(ids[left], ids[right]) for left, right, *_ in people.rows("true_pairs")}


def test_a_part_of_an_unchanged_dataset_made_again_gives_the_whole_report(tmp_path: Path) -> None:
    people = DeclaredDataset(
        tmp_path,
        made_up_people(tmp_path, 200, seed=4),
        fields=KINDS,
        strategies={"email": "email", "name": ["soundex(last_name)", "left(first_name, 1)"]},
        training_rules=RULES,
        matching={"recall": {"records": 50}},
        truth={"cluster_column": "person_id"},
    )
    assert people.run() == 0
    report = people.rows("blocking_report")
    assert {"run", "truth", "matching", "missed", "recall"} <= {section for section, *_ in report}
    assert people.run("unified_pairs", "matches", "match_quality", "blocking_report") == 0
    assert people.rows("blocking_report") == report


def test_true_pairs_of_another_column_ask_for_the_records_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    people = DeclaredDataset(
        tmp_path,
        FEW,
        fields=NAMES,
        training_rules=FEW_RULES,
        strategies={"s": "soundex(last_name)"},
        truth={"cluster_column": "person"},
    )
    assert people.run() == 0
    assert true_pairs(people) == {("1", "2"), ("4", "5")}
    people.declare(truth={"cluster_column": "house"})
    assert_refused(people, capfd, "true_pairs", names="cleaned_records")
    assert people.run("cleaned_records", "true_pairs") == 0
    in_x = {("1", "2"), ("1", "3"), ("2", "3")}
    assert true_pairs(people) == in_x | {("4", "5"), ("4", "6"), ("5", "6")}


@pytest.mark.parametrize("before", ["none", "pairs", "cluster"])
def test_truth_shapes_no_pair_and_no_match(tmp_path: Path, before: str) -> None:
    rows = made_up_people(tmp_path, 120, seed=4)
    pair = [{"a": rows[0]["id"], "b": rows[1]["id"]}]
    write_csv(tmp_path / "other.csv", pair)
    write_csv(tmp_path / "pairs.csv", [{"left_id": pair[0]["a"], "right_id": pair[0]["b"]}])
    people = DeclaredDataset(
        tmp_path,
        rows,
        fields=KINDS,
        strategies={"s": "soundex(last_name)"},
        training_rules=RULES,
        matching={"recall": False},
        truth=TRUTHS[before],
    )
    assert people.run() == 0
    codes = {}
    others = TRUTHS.keys() - {before}
    for name in others:
        people.declare(truth=TRUTHS[name])
        codes[name] = people.run("unified_pairs", "matches")
    assert codes == dict.fromkeys(others, 0)


def test_tables_that_are_declared_no_more_are_deleted(tmp_path: Path) -> None:
    people = DeclaredDataset(
        tmp_path,
        FEW,
        fields=NAMES,
        strategies={"a": "last_name", "b": "first_name"},
        training_rules=FEW_RULES,
        labels={},
        truth={"cluster_column": "person"},
        embedding={"k": 2},
        lake={"keep_days": 0},
    )
    assert people.run() == 0
    gone = {"blocks_b", "labels", "label_queue", "true_pairs", "missed_matches"}
    gone |= {"record_embeddings", "text_vectors", "embedding_blocks"}
    assert gone <= people.folders()
    people.declare(strategies={"a": "last_name"}, labels=None, truth=None, embedding=None)
    assert people.run() == 0  # who has the catalog of before open may still read them
    assert gone <= people.folders()
    people.records([*FEW, {**FEW[0], "id": "new"}])
    assert people.run() == 0
    left = people.folders()
    assert gone & left == set()
    assert {"blocks_a", "filtered_blocks", "unified_pairs", "run_metrics"} <= left
