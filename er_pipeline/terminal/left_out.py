"""What a run leaves out: the steps that certainly need not run, found before Dagster is started.

A step that reads what is made again is not among them: only when that is made is it known whether
anything has changed. Such steps are looked at again when their turn comes.
"""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.current import reasons_to_run, unchanged_since
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.locks import catalog_lock
from er_pipeline.blocking.tables.publications import PUBLISHED
from er_pipeline.blocking.tables.standing import standing_of, verdicts_in_force
from er_pipeline.blocking.tables.step import Step
from er_pipeline.catalog import clean_up, is_published
from er_pipeline.orchestration.asset_keys import asset_key
from er_pipeline.orchestration.catalog_asset import catalog_version
from er_pipeline.orchestration.catalog_last import CATALOG_ASSET
from er_pipeline.orchestration.jobs import run_alone
from er_pipeline.orchestration.publish_assets import publish_asset_name
from er_pipeline.orchestration.unchanged import is_shown, known_tags, observation
from er_pipeline.sinks.places import is_current

# What Dagster's instance noted of tables, see `known_tags`; None if no instance is kept.
Known = Mapping[dg.AssetKey, Mapping[str, str]]


@dataclass(frozen=True)
class LeftOut:
    """What a run need not do.

    steps: their names. tables: those of their tables that are assets. since: when the last of them
    was made, for people. with_catalog: whether the catalog shows all already. reasons: of the other
    steps, as far as they have one of their own.
    """

    steps: Sequence[str] = ()
    tables: Collection[str] = ()
    since: str = ""
    with_catalog: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)


def leave_out(
    spec: PipelineSpec,
    steps: Sequence[Step],
    lake: Lake,
    keys: set[dg.AssetKey],
    assets: Mapping[dg.AssetKey, dg.AssetSpec],
    instance: Any | None,
) -> LeftOut:
    """Take out of the keys of a run those of tables that are certainly current.

    keys: of the selected tables; left are those to run. assets: their declarations. instance:
    Dagster's, if it is kept; a table that it does not know as it is stays in the run, and it learns
    that the others were looked at. What killed runs left goes if nothing is to be run.
    Waits until no other run of the dataset is at work.
    """
    if not (lake.folder / PUBLISHED).exists():
        return LeftOut()
    with run_alone(lake.root, [lake.dataset], lambda text: print(text, file=sys.stderr)):
        known = known_tags(instance, sorted(keys), lake.snapshot) if instance else None
        own = [step for step in steps if _keys(step, spec) <= keys]
        reasons = reasons_to_run(own, lake)
        left_out = [
            step
            for step in own
            if step.name not in reasons and _needs_nothing(step, spec, lake, assets, known)
        ]
        observed = {key for step in left_out for key in _keys(step, spec)}
        catalog = dg.AssetKey(asset_key(spec, CATALOG_ASSET))
        # A kept instance knows how old the catalog is by its materializations alone.
        must_show_age = instance is not None and spec.runs.max_age_hours is not None
        places = {
            dg.AssetKey(asset_key(spec, publish_asset_name(place))): place for place in spec.publish
        }
        with_catalog = (
            not must_show_age
            and keys - observed - places.keys() == {catalog}
            and _is_all_shown(steps, lake, assets[catalog], known)
        )
        if with_catalog:
            with catalog_lock(lake.root):
                clean_up(lake, spec.lake.retention)
        current = {
            key
            for key, place in places.items()
            if with_catalog and key in keys and is_current(spec, lake, place)
        }
    since = unchanged_since(left_out, lake) if left_out else ""
    if instance:
        for key in sorted(observed):
            version = lake.stamp(key.path[-1])
            instance.report_runless_asset_event(observation(key, since, version))
    keys -= observed | current
    if with_catalog:
        keys.discard(catalog)
    own_reasons = {name: reason for name, reason in reasons.items() if reason}
    return LeftOut(
        [step.name for step in left_out],
        {key.path[-1] for key in observed},
        since,
        with_catalog,
        own_reasons,
    )


def left_out_lines(left_out: LeftOut, n_steps: int) -> Iterator[str]:
    """Say how many steps a run will leave out, and why it begins with the others.

    While others run, more may turn out to be unchanged: it is a forecast, and the least.
    """
    if left_out.steps:
        n_skipped = len(left_out.steps)
        least = "at least " if n_skipped < n_steps else ""
        yield f"{least}{skipped_text(n_skipped, n_steps, left_out.since)}: will be skipped"
        for step, reason in left_out.reasons.items():
            yield f"{step} runs: {reason}"


def skipped_text(n_skipped: int, n_steps: int, since: str) -> str:
    """Say how many steps are skipped: 22 of 25 steps unchanged since 2026-11-26 02:00 UTC."""
    return f"{n_skipped:,} of {n_steps:,} steps unchanged since {since}"


def _keys(step: Step, spec: PipelineSpec) -> set[dg.AssetKey]:
    return {dg.AssetKey(asset_key(spec, table.name)) for table in step.assets}


def _needs_nothing(
    step: Step,
    spec: PipelineSpec,
    lake: Lake,
    assets: Mapping[dg.AssetKey, dg.AssetSpec],
    known: Known | None,
) -> bool:
    """Say whether the checks of a step need not judge either, and Dagster knows its tables."""
    for table in step.assets:
        if verdicts_in_force(lake, step, table) is None:
            return False
        declared = assets[dg.AssetKey(asset_key(spec, table.name))]
        if known is not None and not is_shown(known, declared, lake, lake.stamp(table.name)):
            return False
    return True


def _is_all_shown(
    steps: Sequence[Step], lake: Lake, declared: dg.AssetSpec, known: Known | None
) -> bool:
    standing = standing_of(steps, lake)
    if standing.withheld or any(
        verdicts_in_force(lake, step, table) is None for step in steps for table in step.assets
    ):
        return False
    version = catalog_version(lake, standing)
    if known is not None and not is_shown(known, declared, lake, version):
        return False
    return is_published(lake, [table for step in steps for table in step.writes])
