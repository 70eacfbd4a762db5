"""Sources as external assets, which every run that reads them observes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from er_pipeline.blocking.records.snapshots import at_snapshot
from er_pipeline.blocking.records.source_look import declared_place, look_at, source_sentence
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline.blocking.tables.table import Facts
from er_pipeline.orchestration.groups import SOURCES, group_of
from er_pipeline.orchestration.source_keys import own_sources, source_key


def source_assets(spec: PipelineSpec) -> list[dg.AssetSpec]:
    """Show where the records come from; these assets are not made here."""
    return [
        dg.AssetSpec(
            key=source_key(spec, source),
            group_name=group_of(spec.dataset, SOURCES),
            tags={"er_pipeline/stage": SOURCES},
            description=f"Source {source.label!r} of dataset {spec.dataset!r}, made elsewhere.",
            kinds={"table" if source.database or source.url else "file"},
            owners=spec.owners,
            metadata={"place": declared_place(source)},
        )
        for source in own_sources(spec)
    ]


def source_observations(spec: PipelineSpec, facts: Facts) -> Iterator[dg.AssetObservation]:
    """Say of each source that a step has read what was seen of it.

    facts: of the step; those of a step that reads no source give nothing.
    A source that is gone by then is passed over: the step has read it, and says more.
    """
    if "records_of_source" not in facts:
        return
    now = datetime.now(UTC)
    try:
        dated = at_snapshot(spec, facts.get("snapshot"))
    except (BlockingError, OSError):
        return
    for source in own_sources(dated):
        try:
            look = look_at(source, spec.folder)
        except (BlockingError, OSError):
            continue
        n_records = facts["records_of_source"].get(source.label, 0)
        metadata: dict[str, Any] = {
            "verdict": source_sentence(look, n_records, now),
            "place": look.place,
            "dagster/row_count": n_records,
        }
        if look.changed:
            metadata["last_changed"] = dg.MetadataValue.timestamp(look.changed)
            metadata["files"] = look.files
            metadata["dagster/size_bytes"] = look.size
        metadata["records"] = n_records
        yield dg.AssetObservation(
            source_key(spec, source),
            description=source_sentence(look, n_records, now),
            metadata=metadata,
        )
