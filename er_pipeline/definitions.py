"""What Dagster loads: every dataset declared under defs/."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.orchestration.jobs import executor_of
from er_pipeline.orchestration.resources import default_lake


@dg.definitions
def defs() -> dg.Definitions:
    """Load defs/, one folder per dataset with one defs.yaml."""
    datasets = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(
        datasets, dg.Definitions(executor=executor_of("in_process", default_lake()))
    )


def _check_names(jobs: Iterable[str]) -> None:
    """Refuse datasets whose names, and so those of their jobs, differ in case only."""
    known: dict[str, str] = {}
    for name in jobs:
        other = known.setdefault(name.lower(), name)
        if other != name:
            one, two = (job.removesuffix("_nightly") for job in (other, name))
            raise SpecError(
                f"the datasets {one!r} and {two!r} below defs/ differ in case only, and DuckDB"
                " knows one schema for both: rename one"
            )
