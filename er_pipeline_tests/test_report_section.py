import pytest
from pydantic import ValidationError

from er_pipeline.blocking.spec.report_section import ReportSettings


def test_values_are_shown_unless_the_declaration_says_no() -> None:
    assert ReportSettings().record_values
    assert not ReportSettings(record_values=False).record_values
    with pytest.raises(ValidationError):
        ReportSettings.model_validate({"values": False})
