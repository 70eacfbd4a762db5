import pytest

from er_pipeline.blocking.records.drop_verdicts import judge_pairs_drop, judge_records_drop


@pytest.mark.parametrize(
    ("now", "before", "passed"),
    [
        (100, None, True),
        (1_100, 1_100, True),
        (600, 1_100, True),
        (550, 1_100, True),
        (549, 1_100, False),
        (100, 1_100, False),
        (0, 5, False),
        (5, 0, True),
    ],
)
def test_records_may_fall_by_half(now: int, before: int | None, passed: bool) -> None:
    assert judge_records_drop(now, before, 0.5).passed is passed


def test_lost_records_are_an_error_that_names_both_numbers_and_the_remedy() -> None:
    verdict = judge_records_drop(100, 1_100, 0.5)
    assert verdict.severity == "error"
    assert "100 records, 1,100 in the last good run (91% fewer; at most 50% wanted)" in verdict.text
    assert "raise checks: max_records_drop to 0.91" in verdict.text
    assert judge_records_drop(100, 1_100, 0.91).passed


@pytest.mark.parametrize(
    ("now", "before", "severity"),
    [
        (10, None, None),
        (50, 100, None),
        (49, 100, "warn"),
        (0, None, "warn"),  # a first run without a pair
        (0, 0, "warn"),
        (0, 100, "error"),
    ],
)
def test_fewer_pairs_warn_and_none_at_all_stops(
    now: int, before: int | None, severity: str | None
) -> None:
    verdict = judge_pairs_drop(now, before, 0.5)
    assert verdict.passed is (severity is None)
    if severity:
        assert verdict.severity == severity


def test_that_no_pair_is_left_can_be_allowed() -> None:
    verdict = judge_pairs_drop(0, 100, 1.0)
    assert (verdict.passed, verdict.severity) == (False, "warn")
    assert "There is not one candidate pair, 100 in the last good run" in verdict.text
