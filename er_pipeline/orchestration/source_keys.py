"""Source keys: the asset that stands for a source, its own or the one that makes the table."""

from collections.abc import Iterator

import dagster as dg

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.orchestration.asset_keys import asset_key


def source_key(spec: PipelineSpec, source: Source) -> list[str]:
    """Return the key of a source's asset; that of another component, as dbt's, is not made here."""
    return source.asset_key or asset_key(spec, f"source_{source.label}")


def own_sources(spec: PipelineSpec) -> Iterator[Source]:
    """Give the sources that no asset of somebody else stands for."""
    return (source for source in spec.sources if source.asset_key is None)


def own_source_keys(spec: PipelineSpec) -> list[dg.AssetKey]:
    """List the keys of these, which nothing in Dagster ever makes."""
    return [dg.AssetKey(source_key(spec, source)) for source in own_sources(spec)]
