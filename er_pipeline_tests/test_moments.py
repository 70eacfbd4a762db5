"""Moments in the names of versions."""

from datetime import UTC, datetime

import pytest

from er_pipeline.blocking.tables.moments import made_at, moment, seconds_text, time_text

AT = datetime(2026, 11, 27, 2, 0, 5, 123, UTC)


def test_a_moment_is_read_as_it_was_written() -> None:
    version = f"{moment(AT)}-abcdef"
    assert made_at(version) == AT
    assert time_text(version) == "2026-11-27 02:00 UTC"
    assert seconds_text(version) == "2026-11-27 02:00:05"


def test_moments_sort_by_time() -> None:
    assert moment(AT) < moment(AT.replace(microsecond=124)) < moment()


def test_what_names_no_moment_is_shown_as_it_is() -> None:
    assert seconds_text("latest") == "latest"
    with pytest.raises(ValueError, match="latest"):
        made_at("latest")
