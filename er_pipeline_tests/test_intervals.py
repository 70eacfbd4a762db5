import pytest

from er_pipeline.blocking.records.intervals import interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (50, 100, 0.4038, 0.5962),
        (1, 1, 0.2065, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_wilsons(successes: int, trials: int, low: float, high: float) -> None:
    assert interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_holds_the_share_to_the_last_digit() -> None:
    for trials in range(1, 120):
        for successes in (0, trials / 3, trials):
            low, high = interval(successes, trials)
            assert 0 <= low <= successes / trials <= high <= 1
