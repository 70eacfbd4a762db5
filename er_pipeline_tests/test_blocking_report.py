from collections.abc import Callable
from pathlib import Path

import pytest

from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.five_records import FIVE, STRATEGIES, figures_of


def test_the_figures_of_five_records_are_those_found_by_hand(
    dataset: Callable[..., Dataset],
) -> None:
    figures = figures_of(dataset(FIVE, strategies=STRATEGIES))
    # Pairs 12 (both), 13 and 23 (last), 34 (city): 4 of 10; 5 potential comparisons.
    assert figures["run"] == {
        "records": 5,
        "rejected_rows": 0,
        "forgotten_records": 0,
        "blocks": 3,
        "potential_comparisons": 5,
        "pairs": 4,
        "pairs_per_record": pytest.approx(0.8),
        "possible_pairs": 10,
        "reduction_ratio": pytest.approx(0.6),
        "reduction_factor": pytest.approx(2.5),
        "key_coverage": 1.0,  # of the four that are not empty in every field
        "block_coverage": 1.0,
        "pair_coverage": 1.0,
        "coverage_lost_to_filtering": 0.0,
        "records_empty": 1,
        "records_without_key": 0,
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
    assert run["key_coverage"] == 1.0
    assert run["block_coverage"] == run["pair_coverage"] == 0.0
    assert run["coverage_lost_to_filtering"] == pytest.approx(3 / 4)
    assert (run["records_without_key"], run["records_with_a_key_nobody_shares"]) == (0, 1)
    assert run["pairs_avoided_by_the_cap"] == 3
    # No pair at all: nothing is left to compare, and no factor can say how much less.
    assert (run["pairs"], run["reduction_ratio"], run["reduction_factor"]) == (0, 1.0, 0.0)


def test_linking_reduces_the_pairs_between_sources(dataset: Callable[..., Dataset]) -> None:
    run = figures_of(dataset(FIVE, FIVE[:2], strategies={"last": "last"}))["run"]
    assert (run["possible_pairs"], run["pairs"]) == (10, 6)
    assert run["reduction_ratio"] == pytest.approx(0.4)
    assert run["reduction_factor"] == pytest.approx(10 / 6)
    assert run["pair_coverage"] == pytest.approx(5 / 6)


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


def test_the_report_table_holds_every_figure(dataset: Callable[..., Dataset]) -> None:
    people = dataset(FIVE, strategies=STRATEGIES, truth={"cluster_column": "person_id"})
    figures = figures_of(people)
    rows = people.rows("blocking_report")
    assert ("run", "", "reduction_factor", 2.5) in rows
    assert ("strategies", "city", "pairs", 2.0) in rows
    assert ("size_classes", "2-10", "blocks", 3.0) in rows
    assert ("truth", "", "true_pairs_found", 2.0) in rows
    assert len({row[:3] for row in rows}) == len(rows)
    assert people.lake.facts("blocking_report") == figures


def test_truth_from_a_file_counts_unknown_ids_and_turns_pairs_round(
    dataset: Callable[..., Dataset], tmp_path: Path
) -> None:
    (tmp_path / "truth.csv").write_text("left_id,right_id\n2,1\n1,2\n3,4\n3,99\n5,5\n")
    people = dataset(FIVE, strategies=STRATEGIES, truth={"path": "truth.csv"})
    figures = figures_of(people)
    assert people.rows("true_pairs") == [(0, 1), (2, 3)]
    assert people.lake.facts("true_pairs")["pairs_with_unknown_ids"] == 1
    assert figures["truth"]["pairs_completeness"] == 1.0
