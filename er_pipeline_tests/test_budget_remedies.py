from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.evaluation.budget_remedies import budget_of
from er_pipeline.evaluation.remedy_settings import change_of
from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.explained_matches import TRUTH, explained
from er_pipeline_tests.small_spec import small_spec


@pytest.mark.parametrize(
    ("budget", "settings", "n_pairs"),
    [
        ({"pairs_per_record": 1}, {"pairs_per_record": 1.3}, 1300),
        ({"pairs_per_record": 0.02}, {"pairs_per_record": 1.3}, 1300),
        ({"max_pairs": 1000}, {"max_pairs": 1234}, 1234),
        ({"pairs_per_record": 2, "max_pairs": 1000}, {"max_pairs": 1234}, 1234),
        (
            {"pairs_per_record": 1, "max_pairs": 1000},
            {"pairs_per_record": 1.3, "max_pairs": 1234},
            1234,
        ),
    ],
)
def test_the_limits_that_are_too_low_are_raised_and_kept_pairs_counted_as_rounded(
    budget: dict[str, Any], settings: dict[str, Any], n_pairs: int
) -> None:
    assert budget_of(small_spec(budget=budget), 1234, 1000) == (settings, n_pairs)


def named(n: int) -> Rows:
    """Give pairs of people; two of each have one name, and everybody is of one of three towns."""
    return [
        {
            "id": f"{i:03}",
            "name": f"n{i // 2}",
            "town": f"t{i % 3}",
            "mail": f"m{i // 4}",
            "person_id": f"p{i // 2}",
        }
        for i in range(n)
    ]


@pytest.mark.parametrize("budget", [{"max_pairs": 20}, {"pairs_per_record": 0.5}])
def test_a_pair_that_the_budget_would_cut_is_offered_with_a_larger_one(
    dataset: Callable[..., Dataset], budget: dict[str, Any]
) -> None:
    rows = named(40)
    strategies = {"town": "town"}
    people = dataset(rows, strategies=strategies, budget=budget, **TRUTH)
    _, missed = explained(people)
    pair, remedy = next(
        (pair, text) for pair, (_, _, text) in missed.items() if "; budget: " in text
    )
    change = change_of(people.spec, remedy)
    assert change
    assert change.budget
    mended = Dataset.of(people.spec.changed(change.settings), people.folder / "mended")
    facts = mended.pair()
    assert facts["made_pairs"]["added"] == change.number
    kept = people.lake.facts("unified_pairs")["pairs"]
    assert facts["pairs"] - kept == change.budget.number
    assert pair in set(mended.rows("unified_pairs", "left_no, right_no"))
