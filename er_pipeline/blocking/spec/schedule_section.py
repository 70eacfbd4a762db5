"""The section `schedule`: when the job runs by itself."""

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from er_pipeline.blocking.spec.cron import check_cron
from er_pipeline.blocking.spec.settings import Settings


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
        check_cron(cron)
        return cron
