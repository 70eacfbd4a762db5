"""Lakes: the folder that a command names, and a dataset's tables in it."""

from pathlib import Path

from er_pipeline.blocking.spec.declarations import declarations
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.orchestration.resources import default_lake


def lake_folder(lake_option: Path | None) -> Path:
    """Return the lake's absolute path: --lake, else ER_PIPELINE_LAKE, else .lake."""
    return (lake_option or default_lake()).absolute()


def open_lake(spec: PipelineSpec, lake_option: Path | None) -> Lake:
    """Return the tables of a dataset, as its settings are now."""
    return Lake(lake_folder(lake_option), spec.dataset, declarations(spec))
