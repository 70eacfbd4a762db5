"""The assets of `publish`: one for each place outside the lake, written after the catalog."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.publish_section import PublishPlace
from er_pipeline.blocking.tables.moments import time_text
from er_pipeline.blocking.tables.stamps import digest
from er_pipeline.orchestration.asset_keys import asset_key
from er_pipeline.orchestration.assets import Clock, as_dagster_failures
from er_pipeline.orchestration.catalog_last import (
    CATALOG_ASSET,
    PUBLISH_PREFIX,
    RUN_AFTER_CATALOG,
)
from er_pipeline.orchestration.groups import CATALOG, group_of
from er_pipeline.orchestration.resources import LakeFolder
from er_pipeline.orchestration.snapshot_partitions import snapshot_of
from er_pipeline.orchestration.unchanged import (
    DATA_VERSION,
    UNCHANGED_SINCE,
    is_full,
    known_tags,
    observation,
    unlogged,
)
from er_pipeline.sinks.contents import contents_of
from er_pipeline.sinks.places import sink_of, version_of, write_place

KIND_OF_PLACE = {"parquet": "parquet", "ducklake": "ducklake", "database": "sql"}


def publish_asset_name(place: PublishPlace) -> str:
    """Name the asset of a place."""
    return f"{PUBLISH_PREFIX}{place.label}"


def publish_assets(spec: PipelineSpec) -> list[dg.AssetsDefinition]:
    """Make an asset for every place."""
    return [_publish_asset(spec, place) for place in spec.publish]


def last_assets(spec: PipelineSpec) -> list[str]:
    """Name the assets that come after all tables: the catalog, then those of the places."""
    return [CATALOG_ASSET, *map(publish_asset_name, spec.publish)]


def _publish_asset(spec: PipelineSpec, place: PublishPlace) -> dg.AssetsDefinition:
    @dg.asset(
        key=asset_key(spec, publish_asset_name(place)),
        deps=[asset_key(spec, CATALOG_ASSET)],
        op_tags=RUN_AFTER_CATALOG,
        description=(
            f"Writes {', '.join(place.tables)} as the catalog shows them to a place outside the"
            " lake; if that fails, the place and the lake are as they were."
        ),
        group_name=group_of(spec.dataset, CATALOG),
        tags={"er_pipeline/stage": CATALOG},
        kinds={KIND_OF_PLACE[place.kind]},
        owners=spec.owners,
        code_version=digest(place.model_dump(mode="json")),
    )
    def written(
        context: dg.AssetExecutionContext, lake: LakeFolder
    ) -> Iterator[dg.MaterializeResult[Any]]:
        tables = lake.of(spec)
        clock = Clock()
        with as_dagster_failures():
            day = snapshot_of(context)
            rows = write_place(spec, tables, place, again=is_full(context))
            where = sink_of(spec, place).where
            version = digest(version_of(contents_of(tables, place.tables)))
        key = context.asset_key
        known = known_tags(context.instance, [key], day).get(key, {})
        since = time_text(tables.published()["at"])
        if rows is None and known.get(DATA_VERSION) == version:
            context.log_event(observation(context.asset_key, since, version))
            yield unlogged(context.asset_key)
            return
        listed = ", ".join(f"{n:,} rows of {table}" for table, n in (rows or {}).items())
        yield dg.MaterializeResult(
            metadata={
                "verdict": f"Wrote {listed}." if rows else "The place holds these tables already.",
                "where": where,
                **({UNCHANGED_SINCE: since} if rows is None else {}),
                **{f"rows_{table}": n for table, n in (rows or {}).items()},
                **clock.figures(),
            },
            data_version=dg.DataVersion(version),
        )

    return written
