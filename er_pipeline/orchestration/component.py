"""The component: a dataset's YAML -> its assets, checks, job and schedule."""

from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import check_repeated_settings
from er_pipeline.flow import flow
from er_pipeline.orchestration.assets import dataset_assets
from er_pipeline.orchestration.checks import dataset_checks
from er_pipeline.orchestration.jobs import nightly_job, nightly_schedule, publishing_sensor
from er_pipeline.orchestration.resources import default_lake, lake_resources


class BlockingPipeline(dg.Component):
    """Blocking for entity resolution: records in, candidate pairs and EM training blocks out.

    One `defs.yaml` declares one dataset: its sources, fields, strategies, budgets and schedule.
    """

    def __init__(self, spec: PipelineSpec) -> None:
        """Hold the settings of one dataset."""
        self.spec = spec

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """Name the settings' model; Dagster turns its errors into file, line and caret."""
        return PipelineSpec

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """Describe the component to `dg list components` and the docs."""
        return dg.ComponentTypeSpec(
            description=cls.__doc__,
            produces=["asset", "asset_check", "job", "schedule", "sensor", "resource"],
        )

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Make the component from its YAML; {{ env.NAME }} in any text is filled in."""
        assert isinstance(attributes, PipelineSpec)
        check_repeated_settings(context.path / "defs.yaml")
        filled = _fill_in(attributes.model_dump(exclude_unset=True), context)
        return cls(PipelineSpec.model_validate(filled).located_in(context.path))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Make the definitions, over the lake of this process."""
        return self.definitions(default_lake())

    def definitions(self, lake: Path, executor: str | None = None) -> dg.Definitions:
        """Make the definitions of the dataset over a lake.

        executor: overrides the spec's, "in_process" or "multiprocess".
        """
        spec = self.spec
        job = nightly_job(spec, executor or spec.executor)
        steps = flow(spec)
        return dg.Definitions(
            assets=dataset_assets(spec, steps),
            asset_checks=dataset_checks(spec, steps),
            jobs=[job],
            schedules=[nightly_schedule(spec, job)],
            sensors=[publishing_sensor(spec, job)],
            resources=lake_resources(lake),
        )


def _fill_in(value: Any, context: dg.ComponentLoadContext) -> Any:
    if isinstance(value, dict):
        return {name: _fill_in(part, context) for name, part in value.items()}
    if isinstance(value, list):
        return [_fill_in(part, context) for part in value]
    if isinstance(value, str) and "{{" in value:
        return context.resolution_context.resolve_value(value, as_type=str)
    return value
