"""The section `report`: what the page of a run may show."""

from pydantic import Field

from er_pipeline.blocking.spec.settings import Settings


class ReportSettings(Settings):
    """What report.html, the page of a run, may show."""

    record_values: bool = Field(
        True,
        description="Whether report.html shows values of records, keys made of them, and texts that"
        " quote them; their ids stand there either way.",
    )
