"""The job of one declared dataset, loaded from its YAML in every process of a run."""

import json
from functools import lru_cache
from pathlib import Path

import dagster as dg

from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.orchestration.component import BlockingPipeline
from er_pipeline.orchestration.progress import progress_logger


@lru_cache(maxsize=1)  # Dagster asks for it at each stage of a run
def load_job(
    defs_yaml: str, lake: str, executor: str, overrides: str, digest: str
) -> dg.JobDefinition:
    """Load the job of a declared dataset; called anew in every process of a run.

    overrides: JSON of `read_spec`'s. executor: in_process, multiprocess or "" for the spec's.
    digest: of the YAML's text, so that the job of a changed file is another.
    """
    spec = read_spec(Path(defs_yaml), json.loads(overrides))
    defs = dg.Definitions.merge(
        BlockingPipeline(spec).definitions(Path(lake), executor or None),
        dg.Definitions(loggers={"progress": progress_logger}),
    )
    return defs.resolve_job_def(f"{spec.dataset}_nightly")
