"""A table made of other records, labels or settings is refused, and the error names it."""

import random
from collections.abc import Callable, Mapping
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from er_pipeline_tests.conftest import Rows, made_up_people
from er_pipeline_tests.declared_dataset import DeclaredDataset, assert_refused

KINDS = {
    "first_name": "person_name",
    "last_name": "person_name",
    "email": "email",
    "birth_date": "date",
    "city": "text",
}
NAMES = {"first_name": "person_name", "last_name": "person_name"}
FEW: Rows = [
    {"id": "1", "first_name": "Ann", "last_name": "Smith", "person": "a", "house": "x"},
    {"id": "2", "first_name": "Anne", "last_name": "Smyth", "person": "a", "house": "x"},
    {"id": "3", "first_name": "Bob", "last_name": "Smith", "person": "b", "house": "x"},
    {"id": "4", "first_name": "Bob", "last_name": "Jones", "person": "c", "house": "y"},
    {"id": "5", "first_name": "Robert", "last_name": "Jones", "person": "c", "house": "y"},
    {"id": "6", "first_name": "Ann", "last_name": "Jones", "person": "d", "house": "y"},
]
RULES = {"same_last": "soundex(last_name)", "same_birth": "year(birth_date)"}

Few = Callable[..., DeclaredDataset]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where no dagster.yaml is, so that no run is written into the project's own history."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("ER_PIPELINE_LAKE", raising=False)


@pytest.fixture
def few(tmp_path: Path) -> Few:
    """Declare six people, with further settings."""

    def make(**settings: Any) -> DeclaredDataset:
        rules = {"first": "first_name", "last": "last_name"}
        return DeclaredDataset(
            tmp_path, FEW, **{"fields": NAMES, "training_rules": rules, **settings}
        )

    return make


@pytest.fixture
def many(tmp_path: Path) -> Few:
    """Declare 200 made-up people, with further settings."""

    def make(**settings: Any) -> DeclaredDataset:
        rows = made_up_people(tmp_path, 200, seed=4)
        return DeclaredDataset(
            tmp_path, rows, **{"fields": KINDS, "training_rules": RULES, **settings}
        )

    return make


def judged(n_matches: int, n_others: int, rows: Rows) -> dict[tuple[str, str], str]:
    """Answer about so many pairs of one person, and so many of two, as person_id has it."""
    people: dict[str, list[str]] = {}
    for row in rows:
        people.setdefault(str(row["person_id"]), []).append(str(row["id"]))
    same = [pair for ids in people.values() for pair in combinations(sorted(ids), 2)]
    first = sorted(ids[0] for ids in people.values())
    random.Random(5).shuffle(first)
    assert len(same) >= n_matches
    matches = dict.fromkeys(same[:n_matches], "match")
    return matches | dict.fromkeys(list(pairwise(first))[:n_others], "no_match")


@pytest.mark.parametrize("changed", ["soundex(first_name)", "metaphone(last_name)"])
def test_blocks_of_another_key_function_are_refused(
    few: Few, changed: str, capfd: pytest.CaptureFixture[str]
) -> None:
    people = few(strategies={"s": "soundex(last_name)"})
    assert people.run() == 0
    people.declare(strategies={"s": changed})
    assert_refused(people, capfd, "filtered_blocks", "unified_pairs", names="blocks_s")


@pytest.mark.parametrize("changed", ["soundex(first_name)", "metaphone(last_name)"])
def test_training_blocks_of_another_key_function_are_refused(
    many: Few, changed: str, capfd: pytest.CaptureFixture[str]
) -> None:
    people = many(strategies={"email": "email"}, matching={"recall": False})
    assert people.run() == 0
    people.declare(training_rules={**RULES, "same_last": changed})
    assert_refused(people, capfd, "em_model", names="em_training_rules|em_training_blocks")


@pytest.mark.parametrize(
    ("settings", "changed", "names"),
    [
        (
            {
                "strategies": {"s": "soundex(last_name)"},
                "blocks": {"max_size": 2, "oversized": "refine", "refine_by": ["soundex(city)"]},
            },
            {
                "blocks": {"max_size": 2, "oversized": "refine", "refine_by": ["metaphone(city)"]},
            },
            "filtered_blocks",
        ),
        (
            {"strategies": "auto", "learning": {"pin": ["soundex(city)"]}},
            {"learning": {"pin": ["metaphone(city)"]}},
            "learned_rules|learned_blocks",
        ),
    ],
    ids=["refine_by", "pin"],
)
def test_what_other_dividing_or_learning_keys_made_is_refused(
    many: Few,
    settings: Mapping[str, Any],
    changed: Mapping[str, Any],
    names: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    people = many(**settings)
    assert people.run() == 0
    people.declare(**changed)
    assert_refused(people, capfd, "unified_pairs", names=names)


@pytest.mark.parametrize("selected", ["filtered_blocks", "unified_pairs"])
def test_rules_learned_beside_other_strategies_are_refused(
    many: Few, selected: str, capfd: pytest.CaptureFixture[str]
) -> None:
    people = many(strategies={"s": "left(last_name, 3)"}, learning={})
    assert people.run() == 0
    people.declare(strategies={"s": "left(last_name, 2)"})
    of_s = ["blocks_s"] if selected == "filtered_blocks" else ["blocks_s", "filtered_blocks"]
    names = "learned_rules|learned_blocks"
    assert_refused(people, capfd, *of_s, selected, names=names, makes="blocks_s")


def test_a_check_shapes_no_rule_but_the_limit_of_learning_does(
    many: Few, capfd: pytest.CaptureFixture[str]
) -> None:
    people = many(strategies={"s": "left(last_name, 3)"}, learning={"max_pairs": 5_000})
    assert people.run() == 0
    people.declare(checks={**people.settings["checks"], "max_pairs": 6_000})
    selected = ("learned_blocks", "filtered_blocks", "unified_pairs")
    assert people.run(*selected) == 0
    people.declare(learning={"max_pairs": 4_000})
    assert_refused(people, capfd, *selected, names="learned_rules")


def test_rules_learned_from_labels_do_not_name_the_pairs_of_older_rules(
    many: Few, capfd: pytest.CaptureFixture[str]
) -> None:
    people = many(strategies="auto", labels={}, learning={"promote": "always"})
    assert people.run() == 0
    shown = people.catalog()["unified_pairs"]
    assert shown
    people.label(judged(40, 60, made_up_people(people.folder, 200, seed=4)))
    names = "learned_blocks|filtered_blocks|pair_weights|unified_pairs"
    made = "labels|learned_rules|blocks_train"
    assert_refused(
        people,
        capfd,
        "labels",
        "learned_rules",
        "catalog",
        names=names,
        makes=f"{made}|run_metrics",
    )
    assert people.catalog()["unified_pairs"] == shown


@pytest.mark.parametrize(
    ("strategies", "names"),
    [
        ({"s": "soundex(last_name)"}, "pair_weights|filtered_blocks|dropped_blocks"),
        ("auto", "learned_rules"),
    ],
    ids=["weights", "rules"],
)
def test_what_older_labels_taught_is_refused(
    many: Few, strategies: Any, names: str, capfd: pytest.CaptureFixture[str]
) -> None:
    learning = {"promote": "always", "rules": strategies == "auto"}
    people = many(strategies=strategies, labels={}, learning=learning)
    assert people.run() == 0
    people.label(judged(40, 60, made_up_people(people.folder, 200, seed=4)))
    assert people.run("labels") == 0
    assert_refused(people, capfd, "unified_pairs", names=names)


def test_what_a_changed_file_shaped_is_refused_and_what_an_unchanged_one_shaped_is_not(
    few: Few, capfd: pytest.CaptureFixture[str]
) -> None:
    people = few(strategies={"s": "soundex(last_name)"})
    assert people.run() == 0
    assert people.run("cleaned_records") == 0
    assert people.run("unified_pairs") == 0
    people.records([*FEW[:5], {**FEW[5], "last_name": "Smith"}])
    assert people.run("cleaned_records") == 0
    assert_refused(people, capfd, "unified_pairs", names="blocks_s|key_codes")


def test_the_catalog_never_mixes_records_with_tables_of_older_ones(
    few: Few, capfd: pytest.CaptureFixture[str]
) -> None:
    people = few(strategies={"s": "soundex(last_name)"})
    assert people.run() == 0
    people.records([*FEW[:5], {**FEW[5], "last_name": "Smith"}])
    made = "cleaned_records|rejected_records|record_contents|run_metrics"
    assert_refused(people, capfd, "cleaned_records", "catalog", names=r"\w+", makes=made)
