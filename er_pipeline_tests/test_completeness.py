from collections.abc import Callable

import pytest

from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.five_records import FIVE, STRATEGIES, figures_of


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


def test_every_strategy_is_shown_what_it_finds_of_the_truth(
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


def test_what_a_budget_cuts_of_the_truth_is_shown(dataset: Callable[..., Dataset]) -> None:
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
    assert run["pair_coverage"] == pytest.approx(2 / 4)  # the fifth is empty in every field
    assert (truth["true_pairs_proposed"], truth["true_pairs_found"]) == (2, 1)
    assert truth["true_pairs_cut_by_the_budget"] == 1
    assert truth["completeness_cut_by_the_budget"] == truth["pairs_completeness"] == 0.25
    assert truth["pairs_quality"] == 1
    # A strategy is judged by all that it proposes, also by what the budget cut.
    counted = {name: (c["pairs"], c["pairs_kept"]) for name, c in figures["strategies"].items()}
    assert counted == {"last": (3, 1), "city": (2, 1), "letters": (3, 1)}
    assert figures["strategies"]["city"]["pairs_completeness"] == 0.5
    assert figures["curve"]["union"] == {
        "pairs_per_record": pytest.approx(4 / 5),
        "pairs_completeness": 0.5,
    }
    assert sum(row["kept"] for row in figures["weight_classes"].values()) == 1
