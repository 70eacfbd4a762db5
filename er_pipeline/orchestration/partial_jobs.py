"""Partial jobs: a dataset's blocking alone, its matching alone, its evaluation alone.

Each makes its own tables from those before it as they are. The last one publishes them all: a
catalog of blocks of tonight and matches of yesterday would be refused.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.step import Step
from er_pipeline.orchestration.asset_keys import asset_key
from er_pipeline.orchestration.run_tags import retry_policy, run_tags

PARTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "blocking": (
        "from the sources to the candidate pairs",
        ("records", "blocks", "learning", "pairs"),
    ),
    "matching": (
        "from the candidate pairs to matches and entities",
        ("training", "matching"),
    ),
    "evaluation": (
        "what was found and missed, the report and the catalog",
        ("evaluation",),
    ),
}
# What is taught by the model comes after it, so blocking makes the model, too.
PUBLISHING_PART = "evaluation"


def partial_jobs(
    spec: PipelineSpec, steps: Sequence[Step], executor: dg.ExecutorDefinition, last: Sequence[str]
) -> list[Any]:
    """Make a job for every part of a dataset that has tables.

    last: names of the assets that publish.
    """
    jobs = []
    for part, tables in tables_of_parts(steps).items():
        names = [*tables, *(last if part == PUBLISHING_PART else [])]
        about = PARTS[part][0]
        jobs.append(
            dg.define_asset_job(
                name=f"{spec.dataset}_{part}",
                selection=dg.AssetSelection.assets(*(asset_key(spec, name) for name in names)),
                description=f"Make a part of dataset {spec.dataset!r}: {about}.",
                executor_def=executor,
                tags=run_tags(spec, part),
                op_retry_policy=retry_policy(spec),
            )
        )
    return jobs


def tables_of_parts(steps: Sequence[Step]) -> dict[str, list[str]]:
    """Divide the tables of a flow among the parts; a step that a part needs first is of it."""
    part_of_stage = {stage: part for part, (_, stages) in PARTS.items() for stage in stages}
    order = list(PARTS)
    made_by = {table.name: step for step in steps for table in step.writes}
    part_of = {step.name: order.index(part_of_stage[step.stage]) for step in steps}
    for step in reversed(steps):
        for read in step.reads:
            name = made_by[read].name
            part_of[name] = min(part_of[name], part_of[step.name])
    found: dict[str, list[str]] = {part: [] for part in order}
    for step in steps:
        found[order[part_of[step.name]]] += [table.name for table in step.assets]
    return {part: tables for part, tables in found.items() if tables}
