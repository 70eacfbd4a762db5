"""The catalog's asset: publishes what is good of a dataset, and keeps the report of the run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.files import files_of_mode
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.locks import catalog_lock, step_lock
from er_pipeline.blocking.tables.moments import time_text
from er_pipeline.blocking.tables.run_metrics import collect_run_metrics
from er_pipeline.blocking.tables.shown_views import has_news
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.tables.stamps import code_version, digest, planned_stamps
from er_pipeline.blocking.tables.standing import Standing, judge_and_note, standing_of
from er_pipeline.blocking.tables.step import Step, plans_of
from er_pipeline.blocking.tables.table import Check
from er_pipeline.catalog import (
    clean_up,
    is_published,
    publish_dataset,
    shows_what_is_noted,
)
from er_pipeline.evaluation.kept_report import figures_of, keep_report, run_report
from er_pipeline.evaluation.page.run_page import keep_page
from er_pipeline.orchestration.assets import as_dagster_failures, code_references
from er_pipeline.orchestration.resources import LakeFolder
from er_pipeline.orchestration.unchanged import is_shown, known_tags, observation, unlogged

CATALOG_ASSET = "catalog"
EVERY_TABLE_IS_PUBLISHED = Check(
    "every_table_is_published",
    "A table is withheld where a check on it, or on what it is made of, failed.",
)


def catalog_asset(spec: PipelineSpec, steps: Sequence[Step]) -> dg.AssetsDefinition:
    """Publish every good table of the dataset as a view for people, in one step."""
    tables = [table for step in steps for table in step.writes]
    planned = planned_stamps(plans_of(steps))

    @dg.asset(
        key=[spec.dataset, CATALOG_ASSET],
        # All, not only the ends of the graph: when a part of it is selected, the catalog still
        # comes after every table that is made, and not at all after a check that failed.
        deps=[[spec.dataset, table.name] for table in tables if not table.is_internal],
        description=(
            f"Schema {spec.dataset!r} of catalog.duckdb: one view per table, ids as they were"
            " given. Open it with any DuckDB client, also while a run goes on."
        ),
        group_name=spec.dataset,
        tags={"er_pipeline/stage": "catalog"},
        kinds={"duckdb"},
        owners=spec.owners,
        code_version=digest([code_version(publish_dataset.__module__), *planned.values()]),
        metadata=code_references(publish_dataset),
        check_specs=[
            dg.AssetCheckSpec(
                EVERY_TABLE_IS_PUBLISHED.name,
                asset=[spec.dataset, CATALOG_ASSET],
                description=EVERY_TABLE_IS_PUBLISHED.why,
            )
        ],
    )
    def catalog_views(
        context: dg.AssetExecutionContext, lake: LakeFolder, catalog: DuckDBResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        place = lake.of(spec)
        with (
            as_dagster_failures(),
            files_of_mode(spec.lake.file_mode),
            step_lock(place.folder),
            catalog_lock(place.root),
        ):
            found = publish_what_is_good(spec, place, steps)
            figures = figures_of(spec, place, found.standing)
            lines = run_report(found.standing, place, figures)
            keep_report(place, lines)
            page = keep_page(spec, place, found.standing, figures, lines)
        withheld = found.standing.withheld
        version = catalog_version(place, found.standing)
        checked = dg.AssetCheckResult(
            check_name=EVERY_TABLE_IS_PUBLISHED.name,
            passed=not withheld,
            description="; ".join(f"{t} is withheld: {why}" for t, why in withheld.items())
            or "Every table is published.",
        )
        declared = context.assets_def.specs_by_key[context.asset_key]
        known = known_tags(context.instance, [declared.key])
        if not found.is_new and is_shown(known, declared, place, version):
            since = time_text(place.published()["at"])
            context.log_event(observation(context.asset_key, since, version))
            yield unlogged(context.asset_key, check_results=[checked])
            return
        shown = place.published()["tables"]
        context.log.info(f"published {len(found.views)} views in {catalog.database}")
        yield dg.MaterializeResult(
            metadata={
                "dagster/uri": Path(catalog.database).as_uri(),
                "views": dg.MetadataValue.int(len(found.views)),
                **({"report": dg.MetadataValue.path(page)} if page else {}),
                "how_to_open": dg.MetadataValue.md(
                    f"```sql\nattach {literal(catalog.database)} as er (read_only);\n"
                    f"from er.{spec.dataset}.unified_pairs limit 10;\n```"
                ),
                "names": dg.MetadataValue.json(found.views),
                "withheld": dg.MetadataValue.json(withheld),
                "of_an_earlier_run": dg.MetadataValue.json([t for t in withheld if t in shown]),
            },
            check_results=[checked],
            data_version=dg.DataVersion(version),
        )

    return catalog_views


def catalog_version(lake: Lake, standing: Standing) -> str:
    """Return what stands for all tables that the catalog may show, as they are now."""
    return digest({table: lake.stamp(table) for table in standing.good})


@dataclass(frozen=True)
class Published:
    """What came of publishing.

    views: those of the dataset. is_new: whether there was a publication.
    """

    standing: Standing
    views: Sequence[str]
    is_new: bool


def publish_what_is_good(spec: PipelineSpec, lake: Lake, steps: Sequence[Step]) -> Published:
    """Publish every table that may be shown; withhold those of which a check failed.

    The caller holds the `catalog_lock`. Where the catalog shows all that is good already, or a
    table is withheld and no other is new, there is no publication: only versions that are no longer
    to be kept go.
    Raises LakeError if a table is missing or stale though nothing failed: somebody ran a part of
    the graph, and the rest no longer belongs to it.
    """
    with DuckDBEngine(spec.threads, spec.memory_limit, lake.spill) as engine:
        standing = standing_of(steps, lake, partial(judge_and_note, engine, lake))
        for table in standing.stale:
            lake.check(table)
        good = set(standing.good)
        tables = [table for step in steps for table in step.writes if table.name in good]
        has_old = standing.withheld and not has_news(lake, tables) and shows_what_is_noted(lake)
        if has_old or is_published(lake, tables, standing.withheld):
            clean_up(lake, spec.lake.retention)
            return Published(standing, sorted(lake.published()["views"]), is_new=False)
        collect_run_metrics(engine, lake)
    views = publish_dataset(lake, tables, spec.lake.retention, standing.withheld)
    return Published(standing, views, is_new=True)
