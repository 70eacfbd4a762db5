from datetime import UTC, datetime, timedelta, timezone

import pytest

from er_pipeline.blocking.labels.moments import utc_now, utc_text


@pytest.mark.parametrize(
    "zone", [None, UTC, timezone(timedelta(hours=2))], ids=["no zone", "UTC", "two hours ahead"]
)
def test_a_moment_is_written_in_utc(zone: timezone | None) -> None:
    hour = 12 if zone and zone != UTC else 10
    assert utc_text(datetime(2026, 11, 3, hour, 15, tzinfo=zone)) == "2026-11-03T10:15:00Z"


def test_now_is_written_to_the_second() -> None:
    written = datetime.fromisoformat(utc_now())
    assert written.microsecond == 0
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)
