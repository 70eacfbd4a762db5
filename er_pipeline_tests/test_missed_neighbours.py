from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from er_pipeline_tests.conftest import Dataset, Rows
from er_pipeline_tests.explained_matches import TRUTH, causes, explained


# Vectors brought by hand: similarities are what the test says, not what an encoder makes of them.
def at(*turned: tuple[float, str]) -> Rows:
    """Records whose vectors point in these directions, in degrees, and whose they are."""
    return [
        {
            "id": f"{i:03}",
            "name": 3 * "abcdefgh"[i],
            "v": str([float(np.cos(np.radians(d))), float(np.sin(np.radians(d)))]),
            "person_id": person,
        }
        for i, (d, person) in enumerate(turned)
    ]


def by_hand(strategies: Mapping[str, Any], **encoder: Any) -> dict[str, Any]:
    cuts = {"k": 1, "min_similarity": 0.5, "min_share_of_best": 0, **encoder}
    return {
        "fields": {"name": "text"},
        "strategies": strategies,
        "embedding": {"encoder": "column", "column": "v", **cuts},
        **TRUTH,
    }


# 0 and 4 degrees are one person; 1, 2 and 5 stand between them or nearer. 80 degrees are far off.
TURNED = [(0, "p"), (4, "p"), (1, "a"), (2, "b"), (5, "c"), (80, "p")]


def test_a_pair_that_neighbours_leave_out_is_shown_with_its_rank(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(at(*TURNED), **by_hand({"name": "name"}))
    _, missed = explained(people)
    # Below the floor neighbours have no chance, so the pair is one of keys.
    assert causes(missed) == {
        (0, 1): "below_similarity",
        (0, 5): "keys_differ",
        (1, 5): "keys_differ",
    }
    # Its rank is 3 in both lists: of 0 after 1 and 2 degrees, of 4 after 5 and 2.
    assert missed[0, 1][1] == "cosine 0.9976, rank 3 of lists of 1"
    assert missed[0, 1][2] == "embedding: k 3 (+6 pairs)"


def test_without_strategies_neighbours_are_all_there_is(dataset: Callable[..., Dataset]) -> None:
    people = dataset(at(*TURNED), **by_hand({}))
    _, missed = explained(people)
    assert set(causes(missed).values()) == {"below_similarity"}
    assert missed[0, 5][1].startswith("cosine 0.1736 is below min_similarity 0.5, rank 5 of")


def test_a_share_of_the_best_is_a_cut_of_its_own(dataset: Callable[..., Dataset]) -> None:
    people = dataset(
        at((0, "p"), (30, "p"), (1, "a"), (31, "b")),
        **by_hand({"name": "name"}, k=3, min_share_of_best=0.9),
    )
    _, missed = explained(people)
    assert missed[0, 1][:2] == (
        "below_similarity",
        "cosine 0.8660, below 0.9 of the best of either record (0.9998), rank 2 of lists of 3",
    )
    assert missed[0, 1][2] == "embedding: min_share_of_best 0.85 (+4 pairs)"


def test_a_shared_block_comes_before_neighbours(dataset: Callable[..., Dataset]) -> None:
    rows = [{**row, "name": "lee"} for row in at(*TURNED)]
    people = dataset(rows, **by_hand({"name": "name"}), blocks={"max_size": 2})
    _, missed = explained(people)
    assert missed[0, 1][0] == "block_dropped"
