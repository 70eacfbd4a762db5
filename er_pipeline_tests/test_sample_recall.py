import numpy as np
import pytest

from er_pipeline.blocking.records.intervals import interval
from er_pipeline.evaluation.sample_recall import cluster_interval


def test_pairs_of_one_record_count_as_less_than_independent_ones() -> None:
    alone = np.ones(400), np.repeat([1.0, 0.0], [360, 40])
    low, high = cluster_interval(*alone, 400)
    assert [low, high] == pytest.approx([*interval(360, 400)], abs=0.002)
    # The same pairs, four to a record that are found or missed together.
    together = np.full(100, 4.0), np.repeat([4.0, 0.0], [90, 10])
    wider_low, wider_high = cluster_interval(*together, 100)
    assert wider_low < low < high < wider_high
    assert cluster_interval(np.ones(50), np.ones(50), 50)[0] < 0.95
    assert cluster_interval(np.zeros(0), np.zeros(0), 50) == (0.0, 1.0)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held, rounds = 0, 400
    for _ in range(rounds):
        # Records have none to four matches; those of one record share their fate half the time.
        n = rng.choice(5, 600, p=[0.5, 0.3, 0.1, 0.05, 0.05])
        fate = rng.random(600) < 0.92
        alone = rng.binomial(n, 0.92)
        found = np.where(rng.random(600) < 0.5, n * fate, alone)
        some = n > 0
        low, high = cluster_interval(n[some].astype(float), found[some].astype(float), 600)
        held += low <= 0.92 <= high
    assert 0.92 <= held / rounds <= 0.99
