"""What Dagster loads: every dataset declared under defs/."""

from pathlib import Path

import dagster as dg

from er_pipeline.orchestration.jobs import executor_of
from er_pipeline.orchestration.resources import default_lake


@dg.definitions
def defs() -> dg.Definitions:
    """Load defs/, one folder per dataset with one defs.yaml."""
    datasets = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(
        datasets, dg.Definitions(executor=executor_of("in_process", default_lake()))
    )
