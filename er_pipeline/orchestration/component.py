"""The component: a dataset's YAML -> its assets, checks, job and schedule."""

from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import BaseModel, SecretStr

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.suite_files import suite_problems
from er_pipeline.blocking.spec.yaml_document import check_read_as_written
from er_pipeline.blocking.tables.default_lake import default_lake
from er_pipeline.blocking.tables.errors import SpecError
from er_pipeline.catalog import check_dataset_name
from er_pipeline.flow import flow, open_lake
from er_pipeline.orchestration.assets import dataset_assets
from er_pipeline.orchestration.automation import automated, automation_sensors, with_max_age
from er_pipeline.orchestration.catalog_asset import catalog_asset
from er_pipeline.orchestration.checks import dataset_checks
from er_pipeline.orchestration.jobs import (
    dataset_schedule,
    executor_of,
    nightly_job,
    publishing_sensor,
)
from er_pipeline.orchestration.learn_job import learn_job, learn_schedules, learns_something
from er_pipeline.orchestration.notice_sensors import notice_sensors
from er_pipeline.orchestration.partial_jobs import partial_jobs
from er_pipeline.orchestration.publish_assets import last_assets, publish_assets
from er_pipeline.orchestration.resources import lake_resources
from er_pipeline.orchestration.snapshot_partitions import partitioned, snapshot_sensors
from er_pipeline.orchestration.source_sensor import source_sensors
from er_pipeline.sinks.places import check_places


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
        check_read_as_written(context.path / "defs.yaml")
        filled = _fill_in(attributes.model_dump(exclude_unset=True), context)
        spec = PipelineSpec.model_validate(filled).located_in(context.path)
        if wrong := suite_problems(spec):
            raise SpecError("\n".join(wrong))
        return cls(spec)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Make the definitions, over the lake of this process."""
        return self.definitions(default_lake())

    def definitions(self, lake: Path, executor: str | None = None) -> dg.Definitions:
        """Make the definitions of the dataset over a lake.

        executor: overrides the spec's, "in_process" or "multiprocess".
        Raises LakeError if the lake holds a dataset whose name differs in case only, SpecError if a
        place is to get a table that there is not.
        """
        spec = self.spec
        check_dataset_name(open_lake(lake, spec))
        runs_in = executor or spec.executor
        job = nightly_job(spec, runs_in, lake)
        steps = flow(spec)
        check_places(spec, steps)
        catalog = with_max_age(spec, catalog_asset(spec, steps))
        learning = [learn_job(spec, lake)] if learns_something(spec) else []
        assets = [*dataset_assets(spec, steps), catalog, *publish_assets(spec)]
        return dg.Definitions(
            assets=automated(spec, partitioned(spec, assets)),
            asset_checks=dataset_checks(spec, steps),
            jobs=[
                job,
                *partial_jobs(spec, steps, executor_of(runs_in, lake), last_assets(spec)),
                *learning,
            ],
            schedules=[
                dataset_schedule(spec, job),
                *(one for learns in learning for one in learn_schedules(spec, learns)),
            ],
            sensors=[
                publishing_sensor(spec, job),
                *source_sensors(spec, job),
                *snapshot_sensors(spec, job),
                *notice_sensors(spec, steps, lake),
                *automation_sensors(spec),
            ],
            resources=lake_resources(lake),
        )


def _fill_in(value: Any, context: dg.ComponentLoadContext) -> Any:
    if isinstance(value, dict):
        return {name: _fill_in(part, context) for name, part in value.items()}
    if isinstance(value, list):
        return [_fill_in(part, context) for part in value]
    if isinstance(value, SecretStr):
        return SecretStr(_fill_in(value.get_secret_value(), context))
    if isinstance(value, str) and "{{" in value:
        return context.resolution_context.resolve_value(value, as_type=str)
    return value
