from collections.abc import Callable

from er_pipeline_tests.conftest import Dataset


def test_a_pair_of_two_strategies_comes_out_once_with_both(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        [
            {"id": "a", "last": "smith", "first": "ann"},
            {"id": "b", "last": "smith", "first": "ann"},
            {"id": "c", "last": "smith", "first": None},
        ],
        strategies={"same_last": "last", "same_first": "first"},
    )
    people.pair()
    pairs = people.rows("unified_pairs", "left_no, right_no, strategy_mask")
    assert pairs == [(0, 1, 3), (0, 2, 1), (1, 2, 1)]
