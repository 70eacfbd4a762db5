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
