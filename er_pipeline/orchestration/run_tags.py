"""Run tags: what a run is of, how often it is tried again, and how long it may take."""

from collections.abc import Mapping

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.orchestration.asset_keys import name_of_dataset

# Of one dataset, Dagster's queue lets one run begin at a time: see concurrency in dagster.yaml.
DATASET_TAG = "er_pipeline/dataset"
KIND_TAG = "er_pipeline/kind"
# Of a run of which somebody is, or will be, notified.
NOTICE_TAG = "er_pipeline/notice"
# Of runs whose command publishes what is good of them and says how they went, even if they fail.
FROM_TERMINAL = "er_pipeline/from_terminal"
# The kind of a run that only publishes what is good of one that failed.
PUBLISHES = "publish"


def run_tags(spec: PipelineSpec, kind: str) -> dict[str, str]:
    """Return the tags of every run of a job; kind: nightly, blocking, learn and so on."""
    tags = {**spec.runs.tags, DATASET_TAG: name_of_dataset(spec), KIND_TAG: kind}
    if spec.runs.timeout_minutes is not None:
        tags["dagster/max_runtime"] = str(round(spec.runs.timeout_minutes * 60))
    if spec.runs.retries:
        # Of a process that died, what it had not done; a step that failed is tried again itself.
        tags["dagster/max_retries"] = str(spec.runs.retries)
        tags["dagster/retry_strategy"] = "FROM_FAILURE"
        tags["dagster/retry_on_asset_or_op_failure"] = "false"
    return tags


def retry_policy(spec: PipelineSpec) -> dg.RetryPolicy | None:
    """Return how a step is tried again, if it is."""
    if not spec.runs.retries:
        return None
    return dg.RetryPolicy(
        max_retries=spec.runs.retries,
        delay=spec.runs.retry_seconds,
        backoff=dg.Backoff.EXPONENTIAL,
    )


def is_of_dataset(run: dg.DagsterRun, dataset: str) -> bool:
    """Say whether a run is of a dataset: by its tag, or by the tables it was started for.

    dataset: with its prefix, as `name_of_dataset` writes it.
    """
    tags: Mapping[str, str] = run.tags
    if DATASET_TAG in tags:
        return tags[DATASET_TAG] == dataset
    return any("/".join(key.path[:-1]) == dataset for key in run.asset_selection or ())
