"""Expectations of tables that other steps make: their check joins those of the step."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

from er_pipeline.blocking.records.expectations import FITS_EXPECTATIONS, judge_expectations
from er_pipeline.blocking.spec.expectations_section import RECORDS
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.suite_files import Declared
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Table
from er_pipeline.blocking.tables.verdicts import Verdict


def with_expectations(spec: PipelineSpec, steps: Iterable[Step]) -> list[Step]:
    """Let every step judge what is expected of its main table; cleaned_records does so itself."""
    return [_expecting(spec, step) for step in steps]


def _expecting(spec: PipelineSpec, step: Step) -> Step:
    if step.name == RECORDS or step.name not in spec.expectations.tables:
        return step
    declared = Declared(spec, step.name)
    judge = partial(
        judge_step, first=step.judge, spec=spec, table=step.writes[0], declared=declared
    )
    return replace(step, checks=(*step.checks, FITS_EXPECTATIONS), judge=judge)


def judge_step(
    engine: Engine,
    lake: Lake,
    *,
    first: Callable[[Engine, Lake], Iterable[Verdict]],
    spec: PipelineSpec,
    table: Table,
    declared: Declared,
) -> Iterator[Verdict]:
    """Find the verdicts of a step's own checks, then those of the expectations."""
    yield from first(engine, lake)
    yield from judge_expectations(engine, lake, spec=spec, table=table, declared=declared)
