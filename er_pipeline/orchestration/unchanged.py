"""Unchanged tables: a step that need not run shows them as observed, and what follows goes on.

Dagster runs nothing that comes after an output that a step has not given, and takes every output
for a materialization. An output with the mark that its own observable sources use is given, and
logs no event; the observation is logged beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION
from pydantic import Field

from er_pipeline.blocking.tables.lake import Lake

# Of a run that makes every selected table again.
FULL_TAG = "er_pipeline/full"
UNCHANGED_SINCE = "unchanged_since"
DATA_VERSION = "dagster/data_version"
CODE_VERSION = "dagster/code_version"
INPUT_VERSION = "dagster/input_data_version"


class Again(dg.Config):
    """What a user of the UI may set of one step."""

    full: bool = Field(False, description="Make its tables again, though nothing has changed.")


def is_full(context: Any) -> bool:
    """Say whether a run makes its tables again, though nothing has changed."""
    return bool(context.run.tags.get(FULL_TAG) == "true")


def known_tags(
    instance: Any, keys: Sequence[dg.AssetKey], snapshot: str | None = None
) -> dict[dg.AssetKey, Mapping[str, str]]:
    """Return what an instance noted of the versions of assets when it last saw them made.

    snapshot: the date that a run is of; what was made for another one is not known.
    """
    known: dict[dg.AssetKey, Mapping[str, str]] = {}
    for record in instance.get_asset_records(keys):
        entry = record.asset_entry
        made = entry.last_materialization and entry.last_materialization.asset_materialization
        if made and made.partition == snapshot:
            known[entry.asset_key] = made.tags or {}
    return known


def is_shown(
    known: Mapping[dg.AssetKey, Mapping[str, str]],
    asset: dg.AssetSpec,
    lake: Lake,
    data_version: str,
) -> bool:
    """Say whether an instance knows a table as it lies in the lake, so that it calls it fresh.

    known: of `known_tags`. Not so in an instance that has not seen it made, as of another
    DAGSTER_HOME.
    """
    noted = known.get(asset.key, {})
    return all(noted.get(tag) == version for tag, version in _tags(asset, lake, data_version))


def observation(asset: dg.AssetKey, since: str, data_version: str) -> dg.AssetObservation:
    """Say of a table that it need not be made again. since: when it was made, for people."""
    return dg.AssetObservation(
        asset,
        description=(
            f"Unchanged since {since}: not made again. To make it all the same, materialize it with"
            f" `full: true` in its config, or with the tag {FULL_TAG}: true on the run."
        ),
        metadata={UNCHANGED_SINCE: since},
        tags={DATA_VERSION: data_version},
    )


def unlogged(asset: dg.AssetKey, **more: Any) -> dg.MaterializeResult[Any]:
    """Give the output of an asset without an event, so that what comes after it runs."""
    metadata: Mapping[str, Any] = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
    return dg.MaterializeResult(asset_key=asset, metadata=metadata, **more)


def _tags(asset: dg.AssetSpec, lake: Lake, data_version: str) -> list[tuple[str, str]]:
    """Give what Dagster would note of a table if it were made now, sources aside."""
    tags = [(CODE_VERSION, asset.code_version or ""), (DATA_VERSION, data_version)]
    for dep in asset.deps:
        table = dep.asset_key.path[-1]
        if lake.has(table):
            name = f"{INPUT_VERSION}/{dep.asset_key.to_user_string()}"
            tags.append((name, lake.stamp(table)))
    return tags
