"""Checks: what must hold of each table. The pure half finds the verdicts and their numbers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from er_pipeline.blocking.records.data_docs import data_docs_of
from er_pipeline.blocking.records.expectations import FITS_EXPECTATIONS
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.contract import FITS_CONTRACT
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.pictures import Shown
from er_pipeline.blocking.tables.printable import printable
from er_pipeline.blocking.tables.standing import judge_and_note, verdicts_in_force
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Table
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.orchestration.asset_keys import asset_key
from er_pipeline.orchestration.asset_metadata import metadata_values
from er_pipeline.orchestration.assets import as_dagster_failures
from er_pipeline.orchestration.resources import LakeFolder
from er_pipeline.orchestration.unchanged import is_full

# Marks the failure of a step whose checks failed; with how many.
FAILED_CHECKS = "failed_checks"


def dataset_checks(spec: PipelineSpec, steps: Sequence[Step]) -> list[dg.AssetChecksDefinition]:
    """Make the checks of a dataset: the contract of every table, and what its step checks."""
    tolerated = {table for step in steps for table in step.tolerates}
    return [
        table_checks(spec, step, table, is_tolerated=table.name in tolerated)
        for step in steps
        for table in step.assets
    ]


def table_checks(
    spec: PipelineSpec, step: Step, table: Table, *, is_tolerated: bool = False
) -> dg.AssetChecksDefinition:
    """Make all checks of one table; they run together after it, or some of them alone.

    is_tolerated: whether a step does without what is wrong with the table. Dagster would keep that
    step from being run, too; instead those that cannot do without refuse the table themselves.
    """
    own = step.checks if table.name == step.name else ()
    every = (FITS_CONTRACT, *own)
    stops = {check.name for check in every if check.stops and not (is_tolerated and check in own)}

    @dg.multi_asset_check(
        name=f"{spec.dataset}__{table.name}__checks",
        specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=dg.AssetKey(asset_key(spec, table.name)),
                description=check.why,
                blocking=check.name in stops,
            )
            for check in every
        ],
        can_subset=True,
    )
    def run_checks(
        context: dg.AssetCheckExecutionContext, lake: LakeFolder
    ) -> Iterator[dg.AssetCheckResult]:
        tables = lake.of(spec)
        # Whoever runs checks alone, or all again, has them judged.
        asset = dg.AssetKey(asset_key(spec, table.name))
        in_run = context.job_def.asset_layer.executable_asset_keys
        is_anew = is_full(context) or asset not in in_run
        verdicts = None if is_anew else verdicts_in_force(tables, step, table)
        if verdicts is None:
            with (
                as_dagster_failures(),
                DuckDBEngine(spec.threads, spec.memory_limit, tables.spill) as engine,
            ):
                verdicts = judge_and_note(engine, tables, step, table)
        wanted = {key.name for key in context.selected_asset_check_keys}
        judged = [verdict for verdict in verdicts if verdict.check in wanted]
        for verdict in judged:
            is_of_docs = verdict.check == FITS_EXPECTATIONS.name
            page = data_docs_of(tables.folder) if is_of_docs else None
            yield check_result(spec, table.name, verdict, page)
        failed = [v for v in judged if not v.passed and v.severity == "error" and v.check in stops]
        if failed:
            raise failure_of(failed)

    return run_checks


def failure_of(failed: Sequence[Verdict]) -> dg.Failure:
    """Return what fails the step of checks that stop a run: it says why, as Dagster's would not.

    The page of a run ends with it.
    """
    return dg.Failure(
        printable(" ".join(f"{verdict.check}: {verdict.text}" for verdict in failed)),
        metadata={FAILED_CHECKS: len(failed)},
        allow_retries=False,
    )


def is_of_checks(failure: Any) -> bool:
    """Say whether a step failed since its checks did; failure: its StepFailureData."""
    data = failure.user_failure_data
    return data is not None and FAILED_CHECKS in data.metadata


def check_result(
    spec: PipelineSpec, table: str, verdict: Verdict, page: Path | None = None
) -> dg.AssetCheckResult:
    """Show a verdict: its sentence, what was found, and numbers that the UI plots over time.

    page: where more of it is shown.
    """
    shown: dict[str, Shown] = {"found": verdict.grid} if verdict.grid else {}
    places = {"data_docs": dg.MetadataValue.path(page)} if page else {}
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(asset_key(spec, table)),
        check_name=verdict.check,
        passed=verdict.passed,
        severity=(
            dg.AssetCheckSeverity.ERROR
            if verdict.severity == "error"
            else dg.AssetCheckSeverity.WARN
        ),
        description=verdict.text,
        metadata={**places, **metadata_values({**shown, **verdict.numbers})},
    )
