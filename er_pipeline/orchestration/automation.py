"""Automation: conditions under which Dagster makes tables by itself, and how old they may grow."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.schedule_section import Schedule
from er_pipeline.orchestration.asset_keys import path_of_dataset
from er_pipeline.orchestration.run_tags import run_tags
from er_pipeline.orchestration.source_keys import own_source_keys

Asset = dg.AssetsDefinition | dg.AssetSpec


def automated(spec: PipelineSpec, assets: Sequence[Asset]) -> list[Asset]:
    """Give every table of a dataset the condition that the declaration wants; sources have none."""
    condition = _condition(spec)
    if condition is None:
        return list(assets)
    return with_attribute(assets, automation_condition=condition)


def with_attribute(assets: Sequence[Asset], **attribute: Any) -> list[Asset]:
    """Give all that runs make an attribute of Dagster's asset specs; sources are as they are."""
    return [
        asset.map_asset_specs(lambda one: one.replace_attributes(**attribute))
        if isinstance(asset, dg.AssetsDefinition) and asset.is_executable
        else asset
        for asset in assets
    ]


def status_of(schedule: Schedule) -> dg.DefaultScheduleStatus:
    """Return whether a schedule is on as soon as the project loads."""
    status = dg.DefaultScheduleStatus
    return status.RUNNING if schedule.enabled else status.STOPPED


def with_max_age(spec: PipelineSpec, catalog: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """Give the catalog its freshness policy, if the declaration has one."""
    policy = freshness_policy(spec)
    if policy is None:
        return catalog
    return catalog.map_asset_specs(lambda one: one.replace_attributes(freshness_policy=policy))


def freshness_policy(spec: PipelineSpec) -> dg.FreshnessPolicy | None:
    """Return how old the last good run may be, if the declaration says so."""
    hours = spec.runs.max_age_hours
    return None if hours is None else dg.FreshnessPolicy.time_window(timedelta(hours=hours))


def automation_sensors(spec: PipelineSpec) -> list[dg.SensorDefinition]:
    """Make the sensor that looks at the conditions, if there are any; its runs have our tags."""
    if spec.schedule.automation is None:
        return []
    return [
        dg.AutomationConditionSensorDefinition(
            name=f"{spec.dataset}_automation",
            target=dg.AssetSelection.key_prefixes(path_of_dataset(spec)),
            default_status=dg.DefaultSensorStatus.RUNNING,
            run_tags=run_tags(spec, "automation"),
            description=f"Make tables of dataset {spec.dataset!r} when their conditions hold.",
        )
    ]


def _condition(spec: PipelineSpec) -> dg.AutomationCondition[Any] | None:
    """Return the condition; files and databases are not waited for, as nothing makes them here."""
    if spec.schedule.automation is None:
        return None
    condition = (
        dg.AutomationCondition.eager()
        if spec.schedule.automation == "eager"
        else dg.AutomationCondition.on_cron(spec.schedule.cron, spec.schedule.timezone)
    )
    own = own_source_keys(spec)
    return condition.ignore(dg.AssetSelection.assets(*own)) if own else condition
