"""The section `schedule`: when the job runs by itself."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from er_pipeline.blocking.spec.settings import Settings

CRON_LIMITS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
)


def _known_timezone(name: str) -> str:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Berlin") from error
    return name


class Schedule(Settings):
    """When the job runs by itself."""

    cron: str = Field("0 2 * * *", description="Minute, hour, day, month, weekday.")
    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        "UTC", description="IANA name, such as Europe/Berlin."
    )
    enabled: bool = Field(True, description="Whether the schedule is on when the project loads.")

    @field_validator("cron")
    @classmethod
    def _cron_is_readable(cls, cron: str) -> str:
        parts = cron.split()
        if len(parts) != len(CRON_LIMITS):
            raise ValueError(f"cron {cron!r} must have five parts, such as 0 2 * * *")
        for part, (name, low, high) in zip(parts, CRON_LIMITS, strict=True):
            numbers = [int(n) for n in re.findall(r"\d+", part.split("/")[0])]
            if not re.fullmatch(r"[\w*/,\-#]+", part) or any(not low <= n <= high for n in numbers):
                raise ValueError(
                    f"cron {cron!r}: {part!r} is no {name} ({low} to {high}, * for every)"
                )
        return cron
