from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.blocks.em_training_blocks import build_em_training_blocks
from er_pipeline.blocking.records.true_pairs import write_true_pairs
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.blocking_report import (
    evaluate,
)
from er_pipeline_tests.conftest import Dataset, Rows

# By last name: {1, 2, 3}, {4}; by city: {1, 2}, {3, 4}; 5 has neither.
FIVE: Rows = [
    {"id": "1", "last": "lee", "city": "york", "person_id": "p"},
    {"id": "2", "last": "lee", "city": "york", "person_id": "p"},
    {"id": "3", "last": "lee", "city": "bath", "person_id": "q"},
    {"id": "4", "last": "may", "city": "bath", "person_id": "q"},
    {"id": "5", "last": None, "city": None, "person_id": "q"},
]
STRATEGIES = {"last": "last", "city": "city"}


def figures_of(people: Dataset) -> dict[str, Any]:
    people.pair()
    with DuckDBEngine(threads=2) as engine:
        if people.spec.truth:
            write_true_pairs(engine, people.lake, people.spec)
            build_em_training_blocks(engine, people.lake, people.spec)
        return evaluate(engine, people.lake, people.spec)


def test_the_figures_of_five_records_are_those_found_by_hand(
    dataset: Callable[..., Dataset],
) -> None:
    figures = figures_of(dataset(FIVE, strategies=STRATEGIES))
    # Pairs 12 (both), 13 and 23 (last), 34 (city): 4 of 10; 5 potential comparisons.
    assert figures["run"] == {
        "records": 5,
        "rejected_rows": 0,
        "blocks": 3,
        "potential_comparisons": 5,
        "pairs": 4,
        "pairs_per_record": pytest.approx(0.8),
        "possible_pairs": 10,
        "reduction_ratio": pytest.approx(0.6),
        "reduction_factor": pytest.approx(2.5),
        "key_coverage": pytest.approx(0.8),
        "block_coverage": pytest.approx(0.8),
        "pair_coverage": pytest.approx(0.8),
        "coverage_lost_to_filtering": 0.0,
        "records_without_key": 1,
        "records_with_a_key_nobody_shares": 0,
        "pairs_avoided_by_the_cap": 0,
        "largest_block_share_of_pairs": pytest.approx(0.6),
        "pairs_cut_by_the_budget": 0,
        "expected_matches": pytest.approx(0.5, abs=0.1),  # five records say next to nothing
        "expected_matches_cut": 0.0,
    }
    assert figures["strategies"] == {
        "last": {
            "blocks": 1,
            "pairs": 3,
            "pairs_kept": 3,
            "pairs_of_it_alone": 2,
            "largest_block": 3,
            "pairs_avoided_by_the_cap": 0,
        },
        "city": {
            "blocks": 2,
            "pairs": 2,
            "pairs_kept": 2,
            "pairs_of_it_alone": 1,
            "largest_block": 2,
            "pairs_avoided_by_the_cap": 0,
        },
    }
    assert figures["size_classes"]["1"] == {"blocks": 1, "pairs": 0}
    assert figures["size_classes"]["2-10"] == {"blocks": 3, "pairs": 5}


def test_the_three_coverages_differ_where_filtering_loses_records(
    dataset: Callable[..., Dataset],
) -> None:
    figures = figures_of(dataset(FIVE, strategies={"last": "last"}, blocks={"max_size": 2}))
    run = figures["run"]
    assert run["key_coverage"] == 0.8
    assert run["block_coverage"] == run["pair_coverage"] == 0.0
    assert run["coverage_lost_to_filtering"] == pytest.approx(0.6)
    assert (run["records_without_key"], run["records_with_a_key_nobody_shares"]) == (1, 1)
    assert run["pairs_avoided_by_the_cap"] == 3
    # No pair at all: nothing is left to compare, and no factor can say how much less.
    assert (run["pairs"], run["reduction_ratio"], run["reduction_factor"]) == (0, 1.0, 0.0)


def test_linking_reduces_the_pairs_between_sources(dataset: Callable[..., Dataset]) -> None:
    run = figures_of(dataset(FIVE, FIVE[:2], strategies={"last": "last"}))["run"]
    assert (run["possible_pairs"], run["pairs"]) == (10, 6)
    assert run["reduction_ratio"] == pytest.approx(0.4)
    assert run["reduction_factor"] == pytest.approx(10 / 6)
    assert run["pair_coverage"] == pytest.approx(5 / 7)


@pytest.mark.parametrize("cap", [2, 500])
def test_true_pairs_are_found_where_a_block_that_is_compared_holds_them(
    dataset: Callable[..., Dataset], cap: int
) -> None:
    people = dataset(
        FIVE,
        strategies={"last": "last"},
        blocks={"max_size": cap},
        truth={"cluster_column": "person_id"},
    )
    figures = figures_of(people)
    # True are 12, 34, 35 and 45; only 12 shares a key, in a block of three.
    assert figures["truth"] == {
        "true_pairs": 4,
        "given_pairs_with_unknown_ids": 0,
        "true_pairs_proposed": 1 if cap == 500 else 0,
        "true_pairs_found": 1 if cap == 500 else 0,
        "pairs_completeness": 0.25 if cap == 500 else 0.0,
        "pairs_quality": pytest.approx(1 / 3) if cap == 500 else 0.0,
        "true_pairs_cut_by_the_budget": 0,
        "completeness_cut_by_the_budget": 0.0,
    }
    assert figures["run"]["pairs_completeness"] == figures["truth"]["pairs_completeness"]


def test_match_share_is_the_share_of_true_pairs_of_a_training_rule(
    dataset: Callable[..., Dataset],
) -> None:
    rows = [
        {"id": "1", "first": "ann", "last": "lee", "born": "1980-01-01", "person_id": "p"},
        {"id": "2", "first": "ann", "last": "lee", "born": "1980-01-01", "person_id": "p"},
        {"id": "3", "first": "ann", "last": "lee", "born": "1980-05-05", "person_id": "r"},
        {"id": "4", "first": "bob", "last": "kim", "born": "1980-01-01", "person_id": "r"},
        {"id": "5", "first": None, "last": "kim", "born": None, "person_id": "r"},
    ]
    people = dataset(
        rows,
        strategies={"last": "last"},
        training_rules={
            "same_name": ["upper(first)", "soundex(last)"],
            "same_year": "year(born)",
            "same_last": "last",
            "never": "left(last, 0)",
        },
        truth={"cluster_column": "person_id"},
    )
    # True are 12, 34, 35 and 45. Rules find 12 by name, 12 and 34 by year, 12 and 45 by last name.
    assert figures_of(people)["training"] == {
        "same_name": {"pairs": 3, "true_pairs": 1, "match_share": pytest.approx(1 / 3)},
        "same_year": {"pairs": 6, "true_pairs": 2, "match_share": pytest.approx(2 / 6)},
        "same_last": {"pairs": 4, "true_pairs": 2, "match_share": pytest.approx(2 / 4)},
        "never": {"pairs": 0, "true_pairs": 0},
    }
    assert ("training", "same_year", "true_pairs", 2.0) in people.rows("blocking_report")


def test_every_strategy_is_told_what_it_finds_of_the_truth(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        FIVE,
        strategies={**STRATEGIES, "letters": "qgrams(last, 1)"},
        truth={"cluster_column": "person_id"},
    )
    found = {
        name: (counts["true_pairs"], counts["true_pairs_of_it_alone"], counts["pairs_completeness"])
        for name, counts in figures_of(people)["strategies"].items()
    }
    assert found == {"last": (1, 0, 0.25), "city": (2, 1, 0.5), "letters": (1, 0, 0.25)}


def test_a_match_costs_pairs_on_the_whole_and_at_the_margin(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        FIVE,
        strategies={**STRATEGIES, "both": ["last", "city"]},
        truth={"cluster_column": "person_id"},
    )
    found = figures_of(people)["strategies"]
    # last makes 12, 13 and 23 for the match 12; city makes 12 and 34, both matches, 34 by itself.
    assert found["last"]["pairs_per_true_pair"] == 3
    assert found["city"]["pairs_per_true_pair"] == found["both"]["pairs_per_true_pair"] == 1
    assert found["city"]["pairs_per_true_pair_of_it_alone"] == 1
    # Nothing is found by last alone, so no figure says what such a match costs.
    assert "pairs_per_true_pair_of_it_alone" not in found["last"]


def test_what_a_budget_cuts_of_the_truth_is_told(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        FIVE,
        strategies={**STRATEGIES, "letters": "qgrams(last, 1)"},
        truth={"cluster_column": "person_id"},
        budget={"max_pairs": 1},
    )
    figures = figures_of(people)
    run, truth = figures["run"], figures["truth"]
    # Of 12, 13, 23 and 34 only 12 is kept; 12 and 34 are true.
    assert (run["pairs"], run["pairs_cut_by_the_budget"], run["budget_pairs"]) == (1, 3, 1)
    assert run["pair_coverage"] == pytest.approx(2 / 5)
    assert (truth["true_pairs_proposed"], truth["true_pairs_found"]) == (2, 1)
    assert truth["true_pairs_cut_by_the_budget"] == 1
    assert truth["completeness_cut_by_the_budget"] == truth["pairs_completeness"] == 0.25
    assert truth["pairs_quality"] == 1
    # A strategy is judged by all that it proposes, also by what the budget cut.
    told = {name: (c["pairs"], c["pairs_kept"]) for name, c in figures["strategies"].items()}
    assert told == {"last": (3, 1), "city": (2, 1), "letters": (3, 1)}
    assert figures["strategies"]["city"]["pairs_completeness"] == 0.5
    assert figures["curve"]["union"] == {
        "pairs_per_record": pytest.approx(4 / 5),
        "pairs_completeness": 0.5,
    }
    assert sum(row["kept"] for row in figures["weight_classes"].values()) == 1


@pytest.mark.parametrize("budget", [None, {"max_pairs": 3}])
def test_true_pairs_are_proposed_by_what_proposes_pairs(
    dataset: Callable[..., Dataset], budget: dict[str, int] | None
) -> None:
    people = dataset(
        [*FIVE, {"id": "6", "last": "lees", "city": "hull", "person_id": "q"}],
        strategies={**STRATEGIES, "letters": "qgrams(last, 2)"},
        embedding={"k": 2, "min_similarity": 0.1},
        second_pass={"strategies": {"initial": "left(last, 1)"}, "embedding": {"k": 3}},
        truth={"cluster_column": "person_id"},
        **({"budget": budget} if budget else {}),
    )
    figures = figures_of(people)
    made = dict(people.lake.facts("unified_pairs")["made_pairs"])
    assert {name: counts["pairs"] for name, counts in figures["strategies"].items()} == made
    proposed = {name: counts["true_pairs"] for name, counts in figures["strategies"].items()}
    # True are 12 and all of 3, 4, 5 and 6; 3 and 6 share two letters, 5 has none at all.
    assert (proposed["last"], proposed["city"], proposed["letters"]) == (1, 2, 2)
    truth = figures["truth"]
    assert truth["true_pairs"] == 7
    assert truth["true_pairs_proposed"] == 3
    assert truth["true_pairs_found"] + truth["true_pairs_cut_by_the_budget"] == 3
    assert (truth["true_pairs_cut_by_the_budget"] == 0) == (budget is None)


def test_the_report_table_holds_every_figure(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FIVE, strategies=STRATEGIES, truth={"cluster_column": "person_id"})
    figures = figures_of(people)
    rows = people.rows("blocking_report")
    assert ("run", "", "reduction_factor", 2.5) in rows
    assert ("strategies", "city", "pairs", 2.0) in rows
    assert ("size_classes", "2-10", "blocks", 3.0) in rows
    assert ("truth", "", "true_pairs_found", 2.0) in rows
    assert len({row[:3] for row in rows}) == len(rows)
    assert people.lake.facts("blocking_report")["figures"] == figures


def test_truth_from_a_file_counts_unknown_ids_and_turns_pairs_round(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    (tmp_path / "truth.csv").write_text("left_id,right_id\n2,1\n1,2\n3,4\n3,99\n5,5\n")
    people = dataset(FIVE, strategies=STRATEGIES, truth={"path": "truth.csv"})
    figures = figures_of(people)
    assert people.rows("true_pairs") == [(0, 1), (2, 3)]
    assert people.lake.facts("true_pairs")["pairs_with_unknown_ids"] == 1
    assert figures["truth"]["pairs_completeness"] == 1.0
