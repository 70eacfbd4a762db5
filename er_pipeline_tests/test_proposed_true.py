from collections.abc import Callable

import pytest

from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.five_records import FIVE, STRATEGIES, figures_of


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
