"""Checks: what must hold of each table. The pure half finds the verdicts and their numbers."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import duckdb

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.contract import FITS_CONTRACT, judge_contract
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Table
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.orchestration.assets import as_dagster_failures
from er_pipeline.orchestration.resources import LakeFolder


def dataset_checks(spec: PipelineSpec, steps: Sequence[Step]) -> list[dg.AssetChecksDefinition]:
    """Make the checks of a dataset: the contract of every table, and what its step checks."""
    return [table_checks(spec, step, table) for step in steps for table in step.assets]


def table_checks(spec: PipelineSpec, step: Step, table: Table) -> dg.AssetChecksDefinition:
    """Make all checks of one table; they run together after it."""
    own = step.checks if table.name == step.name else ()

    @dg.multi_asset_check(
        name=f"{spec.dataset}__{table.name}__checks",
        specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=dg.AssetKey([spec.dataset, table.name]),
                description=check.why,
                blocking=check.stops,
            )
            for check in (FITS_CONTRACT, *own)
        ],
    )
    def run_checks(
        context: dg.AssetCheckExecutionContext, lake: LakeFolder
    ) -> Iterator[dg.AssetCheckResult]:
        tables = lake.of(spec)
        with (
            as_dagster_failures(),
            DuckDBEngine(spec.threads, spec.memory_limit, tables.spill) as engine,
        ):
            verdicts = list(judge_table(engine, tables, step, table))
        for verdict in verdicts:
            yield check_result(spec, table.name, verdict)

    return run_checks


def judge_table(engine: Engine, lake: Lake, step: Step, table: Table) -> Iterator[Verdict]:
    """Judge one table: its contract first, then, of a step's main table, its checks."""
    is_main = table.name == step.name
    internal = [other for other in step.writes if other.is_internal] if is_main else []
    contract = judge_contract(engine, lake, [table, *internal])
    yield contract
    if not is_main:
        return
    try:
        yield from list(step.judge(engine, lake))
    except duckdb.Error:
        if contract.passed:
            raise
        text = f"cannot be judged: {table.name} does not fit its contract"
        yield from (Verdict(check.name, False, "error", text) for check in step.checks)


def check_result(spec: PipelineSpec, table: str, verdict: Verdict) -> dg.AssetCheckResult:
    """Show a verdict: its sentence, and its numbers so that the UI plots them over time."""
    numbers: dict[str, Any] = {
        name: dg.MetadataValue.float(value) if isinstance(value, float) else value
        for name, value in verdict.numbers.items()
    }
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey([spec.dataset, table]),
        check_name=verdict.check,
        passed=verdict.passed,
        severity=(
            dg.AssetCheckSeverity.ERROR
            if verdict.severity == "error"
            else dg.AssetCheckSeverity.WARN
        ),
        description=verdict.text,
        metadata=numbers,
    )
