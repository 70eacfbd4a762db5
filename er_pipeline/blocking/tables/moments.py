"""Moments: when a version was made, as its name begins with, and as people read it."""

from datetime import UTC, datetime

MOMENT = "%Y%m%dT%H%M%S.%f"


def moment(at: datetime | None = None) -> str:
    """Write a moment as the names of versions begin: they sort by time."""
    return f"{at or datetime.now(UTC):{MOMENT}}"


def made_at(version: str) -> datetime:
    """Return when a version was made, in UTC; raise ValueError for what names no moment."""
    return datetime.strptime(version.split("-")[0], MOMENT).replace(tzinfo=UTC)


def seconds_text(version: str) -> str:
    """Write for people when a version was made, to the second; what names no moment as it is."""
    try:
        return f"{made_at(version):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return version


def time_text(version: str) -> str:
    """Write for people when a version was made: 20261127T020000.123-abc is 2026-11-27 02:00 UTC."""
    return f"{version[:4]}-{version[4:6]}-{version[6:8]} {version[9:11]}:{version[11:13]} UTC"
