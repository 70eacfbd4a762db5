"""What Dagster loads: every dataset declared under defs/."""

from pathlib import Path

import dagster as dg

from er_pipeline.blocking.tables.default_lake import default_lake
from er_pipeline.orchestration.datasets_folder import load_datasets
from er_pipeline.orchestration.jobs import executor_of


@dg.definitions
def defs() -> dg.Definitions:
    """Load defs/, one folder per dataset with one defs.yaml; a broken one is shown as such."""
    shared = dg.Definitions(executor=executor_of("in_process", default_lake()))
    return load_datasets(Path(__file__).parent, "er_pipeline.defs", shared)
