"""The catalog's asset: publishes what is good of a dataset, and keeps the report of the run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource

from er_pipeline.blocking.records.data_docs import data_docs_of
from er_pipeline.blocking.records.snapshots import check_is_of
from er_pipeline.blocking.spec.declared_settings import declared_settings
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.files import files_of_mode
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.locks import catalog_lock, step_lock
from er_pipeline.blocking.tables.moments import time_text
from er_pipeline.blocking.tables.printable import printable
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
from er_pipeline.orchestration.asset_keys import asset_key
from er_pipeline.orchestration.assets import as_dagster_failures, code_references, ends_of
from er_pipeline.orchestration.catalog_last import CATALOG_ASSET, RUN_LAST
from er_pipeline.orchestration.groups import CATALOG, group_of
from er_pipeline.orchestration.resources import LakeFolder
from er_pipeline.orchestration.snapshot_partitions import snapshot_of
from er_pipeline.orchestration.unchanged import is_shown, known_tags, observation, unlogged

EVERY_TABLE_IS_PUBLISHED = Check(
    "every_table_is_published",
    "A table is withheld where a check on it, or on what it is made of, failed.",
)


def catalog_asset(spec: PipelineSpec, steps: Sequence[Step]) -> dg.AssetsDefinition:
    """Publish every good table of the dataset as a view for people, in one step."""
    planned = planned_stamps(plans_of(steps))

    @dg.asset(
        key=asset_key(spec, CATALOG_ASSET),
        # The ends of the graph alone, so that people can follow its lines. When a part of it is
        # selected, the catalog comes last all the same: see `catalog_last.py`.
        deps=[asset_key(spec, name) for name in ends_of(spec, steps)],
        op_tags=RUN_LAST,
        description=(
            f"Schema {spec.dataset!r} of catalog.duckdb: one view per table, ids as they were"
            " given. Open it with any DuckDB client, also while a run goes on."
        ),
        group_name=group_of(spec.dataset, CATALOG),
        tags={"er_pipeline/stage": CATALOG},
        kinds={"duckdb"},
        owners=spec.owners,
        code_version=digest([code_version(publish_dataset.__module__), *planned.values()]),
        metadata=code_references(publish_dataset),
        check_specs=[
            dg.AssetCheckSpec(
                EVERY_TABLE_IS_PUBLISHED.name,
                asset=asset_key(spec, CATALOG_ASSET),
                description=EVERY_TABLE_IS_PUBLISHED.why,
            )
        ],
    )
    def catalog_views(
        context: dg.AssetExecutionContext, lake: LakeFolder, catalog: DuckDBResource
    ) -> Iterator[dg.MaterializeResult[Any]]:
        place = lake.of(spec)
        with as_dagster_failures():
            day = snapshot_of(context)
        with (
            as_dagster_failures(),
            files_of_mode(spec.lake.file_mode),
            step_lock(place.folder),
            catalog_lock(place.root),
        ):
            found = publish_what_is_good(spec, place, steps)
            figures = figures_of(spec, place, found.standing)
            report = run_report(found.standing, place, figures)
            keep_report(place, report)
            page = keep_page(spec, place, found.standing, figures, report)
            check_is_of(place, day)  # what is good is shown, but it is of another date
        docs = data_docs_of(place.folder)
        withheld = found.standing.missed
        version = catalog_version(place, found.standing)
        checked = dg.AssetCheckResult(
            check_name=EVERY_TABLE_IS_PUBLISHED.name,
            passed=not withheld,
            description=". ".join(found.standing.withheld_by_cause())
            or "Every table is published.",
        )
        declared = context.assets_def.specs_by_key[context.asset_key]
        known = known_tags(context.instance, [declared.key], day)
        # Dagster knows an age by materializations alone, and a night without news is no old one.
        has_age = spec.runs.max_age_hours is not None
        if not found.is_new and not has_age and is_shown(known, declared, place, version):
            since = time_text(place.published()["at"])
            context.log_event(observation(context.asset_key, since, version))
            yield unlogged(context.asset_key, check_results=[checked])
            return
        shown = place.published()["tables"]
        context.log.info(f"published {len(found.views)} views in {catalog.database}")
        yield dg.MaterializeResult(
            metadata={
                # Begins with what failed, if anything did, and the one thing to do next.
                "verdict": printable(report[0]),
                "next": printable(report[1].removeprefix("Next:").strip()),
                "dagster/uri": Path(catalog.database).as_uri(),
                "views": dg.MetadataValue.int(len(found.views)),
                **({"report": dg.MetadataValue.path(page)} if page else {}),
                **({"data_docs": dg.MetadataValue.path(docs)} if docs else {}),
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
    settings = declared_settings(spec)
    views = publish_dataset(lake, tables, spec.lake.retention, standing.withheld, settings)
    return Published(standing, views, is_new=True)
