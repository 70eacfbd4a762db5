import re

import pytest

from er_pipeline_tests.small_spec import small_spec


@pytest.mark.parametrize(
    ("cron", "text"),
    [("30 25 * * *", "'25' is no hour (0 to 23"), ("0 2 * *", "must have five parts")],
)
def test_a_schedule_that_cannot_be_is_refused_when_loaded(cron: str, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        small_spec(schedule={"cron": cron})


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {
                "sources": [{"url": "sqlite:///a.db", "query": "select 1"}],
                "schedule": {"watch": True},
            },
            "no source is a file",
        ),
        ({"schedule": {"learn": "0 4 * * 0"}, "weights": False}, "nothing is learned here"),
        (
            {
                "schedule": {"learn": "0 4 * * 0"},
                "learning": {"promote": "always", "rules": False},
            },
            "every run learns anew",
        ),
        ({"schedule": {"learn": "0 2 * * *"}}, "at this time the run itself begins"),
        ({"schedule": {"learn": "0 4 * *"}}, "must have five parts"),
        ({"runs": {"tags": {"dagster/priority": "1"}}}, "is set by Dagster or er_pipeline"),
        ({"runs": {"tags": {"team": "data and more"}}}, "is no tag"),
    ],
)
def test_what_cannot_start_or_hold_is_refused(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        small_spec(**settings)


def test_watch_may_be_true() -> None:
    watch = small_spec(schedule={"watch": True}).schedule.watch
    assert watch is not None
    assert (watch.quiet_seconds, watch.compare) == (300, "time")
    assert small_spec(schedule={"watch": False}).schedule.watch is None
