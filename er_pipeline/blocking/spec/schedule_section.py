"""The sections `schedule` and `runs`: when jobs run by themselves, and what holds for each run."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from er_pipeline.blocking.spec.cron import check_cron
from er_pipeline.blocking.spec.dated_paths import is_dated
from er_pipeline.blocking.spec.settings import Problem, Settings, on_or_off

if TYPE_CHECKING:  # a spec lists its problems itself
    from er_pipeline.blocking.spec.pipeline import PipelineSpec

# As Dagster takes them: https://docs.dagster.io/guides/build/assets/metadata-and-tags/tags
TAG_KEY = r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}"
TAG_VALUE = r"[A-Za-z0-9_.-]{0,63}"
# Tags that Dagster and this package give a meaning of their own.
RESERVED_TAGS = ("dagster/", "er_pipeline/")


def _known_timezone(name: str) -> str:
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is no time zone; write one such as Europe/Berlin") from error
    return name


class Watch(Settings):
    """A run that starts when a file of a source has changed."""

    quiet_seconds: float = Field(
        300,
        ge=0,
        le=86_400,
        description="So long a changed file must stay as it is, so that none is read half-written.",
    )
    every_seconds: int = Field(
        60, ge=10, le=86_400, description="How often the files are looked at."
    )
    compare: Literal["time", "content"] = Field(
        "time",
        description="time: another size or time of change counts; content: only other bytes do,"
        " 0.1 s for 100 MB.",
    )


class Schedule(Settings):
    """When jobs run by themselves."""

    cron: str = Field("0 2 * * *", description="Minute, hour, day, month, weekday.")
    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        "UTC", description="IANA name, such as Europe/Berlin."
    )
    enabled: bool = Field(True, description="Whether the schedule is on when the project loads.")
    watch: Annotated[
        Watch | None, BeforeValidator(on_or_off, json_schema_input_type=Watch | bool | None)
    ] = Field(
        None,
        description="Start a run when a file of a source has changed: true, or settings; off if"
        " omitted.",
    )
    learn: str | None = Field(
        None,
        description="When candidates are learned beside what is in force, such as 0 4 * * 0 (on"
        " Sundays); nothing is promoted. Never if omitted.",
    )
    automation: Literal["eager", "on_cron"] | None = Field(
        None,
        description="Dagster's automation condition of every table: eager, when what it is made of"
        " is new; on_cron, when it is new since the last tick of `cron`. None if omitted.",
    )

    @field_validator("cron", "learn")
    @classmethod
    def _cron_is_readable(cls, cron: str | None) -> str | None:
        if cron is not None:
            check_cron(cron)
        return cron


class Runs(Settings):
    """What every run is held to, whoever starts it."""

    retries: int = Field(
        0,
        ge=0,
        le=10,
        description="How often a step is tried again that failed for a reason that may pass: a"
        " database out of reach, a disk. Steps that are done are not repeated.",
    )
    retry_seconds: float = Field(
        60, gt=0, le=3_600, description="Wait before the first retry; doubled before each other."
    )
    timeout_minutes: float | None = Field(
        None, gt=0, le=43_200, description="Longest time of a run; then it is stopped and failed."
    )
    max_age_hours: float | None = Field(
        None,
        gt=0,
        le=8_760,
        description="Dagster's freshness policy of the catalog: stale if no run has ended well for"
        " so long.",
    )
    tags: dict[str, str] = Field(
        default_factory=dict, description="Tags of every run in Dagster, besides dataset and kind."
    )

    @field_validator("tags")
    @classmethod
    def _tags_fit(cls, tags: dict[str, str]) -> dict[str, str]:
        for key, value in tags.items():
            if not re.fullmatch(TAG_KEY, key) or not re.fullmatch(TAG_VALUE, value):
                raise ValueError(
                    f"{key!r}: {value!r} is no tag; write letters, digits, _, - and . in either, at"
                    " most 63, such as team: data"
                )
            if key.startswith(RESERVED_TAGS):
                raise ValueError(f"tag {key!r} is set by Dagster or er_pipeline; choose another")
        return tags


def schedule_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    """List what is wrong with when a spec's jobs run."""
    schedule = spec.schedule
    if schedule.watch and not any(source.path or source.database for source in spec.sources):
        yield (
            ("schedule", "watch"),
            "no source is a file, so none can be seen to change; leave watch out",
        )
    learns = spec.learns is not None or spec.matching is not None or spec.weights
    if schedule.learn is not None and not (spec.keeps_learned and learns):
        why = (
            "nothing is learned here"
            if spec.keeps_learned
            else "every run learns anew, since learning: {promote: always}"
        )
        yield ("schedule", "learn"), f"{why}, so there is nothing to learn beside; leave it out"
    if schedule.learn is not None and schedule.learn.split() == schedule.cron.split():
        yield (
            ("schedule", "learn"),
            "at this time the run itself begins, and one of them would wait for the other; write"
            " another, such as 0 4 * * 0",
        )
    if schedule.automation and any(is_dated(source.path) for source in spec.sources):
        yield (
            ("schedule", "automation"),
            "conditions know nothing of the order of snapshots, and sources have {date} in their"
            " path; write watch: true, which runs the newest, or leave automation out",
        )
    elif schedule.automation == "eager" and not any(source.asset_key for source in spec.sources):
        yield (
            ("schedule", "automation"),
            "eager waits for what makes the sources, and no source says what does; write asset_key:"
            " [shop, customers] in one, or automation: on_cron",
        )
