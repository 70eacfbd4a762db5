"""Resources: the lake that assets read and write, and the catalog that people open."""

from functools import cache
from pathlib import Path

import dagster as dg
from dagster_duckdb import DuckDBResource
from pydantic import Field

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.catalog import CATALOG
from er_pipeline.flow import open_lake


class LakeFolder(dg.ConfigurableResource[Lake]):
    """The folder that holds every dataset's tables."""

    root: str = Field(description="Absolute path of the lake.")

    def of(self, spec: PipelineSpec) -> Lake:
        """Return the tables of one dataset, as its settings are now."""
        return open_lake(Path(self.root), spec)


@cache  # Dagster merges the datasets' definitions only if they share the very same resources.
def lake_resources(root: Path) -> dict[str, dg.ConfigurableResource[Lake] | DuckDBResource]:
    """Make the resources of all datasets in one lake."""
    return {
        "lake": LakeFolder(root=str(root)),
        "catalog": DuckDBResource(database=str(root / CATALOG)),
    }
