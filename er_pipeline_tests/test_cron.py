import random

import pytest
from dagster._utils.schedules import is_valid_cron_schedule, schedule_execution_time_iterator

from er_pipeline.blocking.spec.cron import check_cron

ATOMS = (
    *("*", "0", "5", "7", "12", "29", "30", "31", "59", "60", "00", "jan", "mon", "l", "L5", "?"),
    *(
        "1-5",
        "5-1",
        "*/5",
        "*/0",
        "*/70",
        "1,2",
        "1,,2",
        "22-2",
        "5/2",
        "1-5/2",
        "1#2",
        "mon#6",
        "a",
    ),
)


def fires(cron: str) -> bool:
    """Say whether Dagster takes an expression and finds the next time of it."""
    try:
        if not is_valid_cron_schedule(cron):
            return False
        next(schedule_execution_time_iterator(0.0, cron, "UTC"))
    except Exception:
        return False
    return True


def test_what_is_taken_is_taken_by_dagster_and_comes_some_day() -> None:
    draw = random.Random(7)
    taken = 0
    for _ in range(8_000):
        parts = [draw.choice(ATOMS) if draw.random() < 0.5 else "*" for _ in range(5)]
        cron = " ".join(parts)
        try:
            check_cron(cron)
        except ValueError:
            continue
        taken += 1
        assert fires(cron), cron
    assert taken > 500


@pytest.mark.parametrize(
    "cron",
    ["0 2 * * *", "*/15 * * * *", "0 2 l * *", "0 2 * * MON-FRI", "0 2 29 2 *", "0 2 * * mon#1"],
)
def test_usual_expressions_are_taken(cron: str) -> None:
    check_cron(cron)
    assert fires(cron)


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("daily", "five parts"),
        ("0 24 * * *", "'24' is no hour"),
        ("0 2 30 2 *", "no such day"),
        ("0 2 31 4,6,9,11 *", "no such day"),
        ("0 2 1 * mon#1", "write \\* for the day of the month"),
        ("٣ * * * *", "is no minute"),
    ],
)
def test_what_never_fires_is_refused_with_the_part(cron: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_cron(cron)
