from random import Random

import numpy as np

from er_pipeline.blocking.weights.pair_evidence import FieldEvidence
from er_pipeline.blocking.weights.speaking_fields import MOST_SPEAKING, choose_speaking, only


def fields(n: int, *more: FieldEvidence) -> list[FieldEvidence]:
    return [*(FieldEvidence(f"f{i}", (i,), (0.1, 0.9), ((),)) for i in range(n)), *more]


def test_all_fields_speak_where_there_are_few() -> None:
    few = fields(MOST_SPEAKING, FieldEvidence("f0 and f1", (99,), (0.1, 0.9), ((),), (0, 1)))
    said = np.zeros((3, len(few)))
    assert choose_speaking(few, said, np.ones(3)) == list(range(len(few)))


def test_of_many_those_speak_that_say_most_of_matches_for_or_against() -> None:
    n = 2 * MOST_SPEAKING
    loud = sorted(Random(5).sample(range(n), MOST_SPEAKING))
    probability = np.array([1.0, 0.9, 0.0])
    said = np.zeros((3, n))
    said[2] = 50.0  # of what is no match
    said[:2, loud] = [[2.0], [-2.0]]
    assert choose_speaking(fields(n), said, probability) == loud


def test_of_equals_the_first_ones_speak() -> None:
    n = MOST_SPEAKING + 5
    assert choose_speaking(fields(n), np.ones((2, n)), np.ones(2)) == list(range(MOST_SPEAKING))


def test_names_in_either_order_speak_where_both_do() -> None:
    n = MOST_SPEAKING + 5
    for swaps, stays in (((0, 1), True), ((0, n - 1), False)):
        swapped = FieldEvidence("both", (99,), (0.1, 0.9), ((),), swaps)
        kept = choose_speaking(fields(n, swapped), np.ones((2, n + 1)), np.ones(2))
        assert (n in kept) == stays


def test_places_follow_the_fields_that_are_left() -> None:
    all_of_them = fields(
        3,
        FieldEvidence("d", (3, 4), (0.1, 0.8, 0.1), ((0, 2), (1,)), (), ((2, 0.1), (0, 0.5))),
        FieldEvidence("e", (5,), (0.1, 0.9), ((),), (0, 2)),
    )
    assert only(all_of_them, range(5)) == all_of_them
    d, e = only(all_of_them, [0, 2, 3, 4])[2:]
    assert (d.field, d.repeats, d.redundant) == ("d", ((0, 1), ()), ((1, 0.1), (0, 0.5)))
    assert e.swaps == (0, 1)
    assert only(all_of_them, [2, 3])[1].redundant == ((0, 0.1),)
