from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from er_pipeline.blocking.spec.lake_section import LakeSettings
from er_pipeline.blocking.tables.publications import Retention


def test_versions_stay_for_a_week_and_two_publications_at_least() -> None:
    assert LakeSettings().retention == Retention(days=7, versions=2, learned=5)
    assert LakeSettings().file_mode is None


@pytest.mark.parametrize("written", ["640", "0640", '"640"'])
def test_a_mode_is_understood_however_it_is_written(written: str) -> None:
    settings = LakeSettings.model_validate(yaml.safe_load(f"file_mode: {written}"))
    assert settings.file_mode == "640"


@pytest.mark.parametrize(
    "wrong",
    [
        {"file_mode": "777"},
        {"file_mode": 777},
        {"file_mode": True},
        {"keep_days": -1},
        {"keep_versions": 0},
        {"keep": 3},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        LakeSettings.model_validate(wrong)
