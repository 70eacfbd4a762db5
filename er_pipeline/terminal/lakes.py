"""Lakes: the folder that a command names, and a dataset's tables in it."""

from pathlib import Path

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.default_lake import default_lake
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.flow import flow, run
from er_pipeline.flow import open_lake as lake_of_flow


def lake_folder(lake_option: Path | None) -> Path:
    """Return the lake's absolute path: --lake, else ER_PIPELINE_LAKE, else .lake."""
    return (lake_option or default_lake()).absolute()


def open_lake(spec: PipelineSpec, lake_option: Path | None) -> Lake:
    """Return the tables of a dataset, as its settings are now."""
    return lake_of_flow(lake_folder(lake_option), spec)


def lake_with_records(spec: PipelineSpec, scratch: Path, lake_option: Path | None) -> Lake:
    """Return a lake with the dataset's records: the given one's, if they are as declared.

    Otherwise the sources are cleaned anew, into scratch.
    Raises what `clean_records` raises.
    """
    if lake_option:
        lake = open_lake(spec, lake_option)
        try:
            lake.check("cleaned_records")
        except LakeError:
            pass
        else:
            return lake
    lake = lake_of_flow(scratch, spec)
    for _ in run(
        flow(spec),
        lake,
        until="cleaned_records",
        threads=spec.threads,
        memory_limit=spec.memory_limit,
    ):
        pass
    return lake
