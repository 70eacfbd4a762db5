"""Moments as the journal writes them: ISO 8601, in UTC."""

from datetime import UTC, datetime


def utc_text(moment: datetime) -> str:
    """Write a moment as the journal does: 2026-11-03T10:15:00Z; one without a zone is UTC's."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def utc_now() -> str:
    """Return the time, to the second."""
    return utc_text(datetime.now(UTC).replace(microsecond=0))
