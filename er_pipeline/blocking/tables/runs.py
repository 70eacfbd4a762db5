"""Runs: the steps of a flow in their order, or as many of them as one table needs.

A step whose tables are current is skipped; its facts are those it noted when it made them.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence

from er_pipeline.blocking.tables.current import unchanged_since, why_to_run
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_of_step import engine_of
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline.blocking.tables.failures import explained_failures
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Facts

logger = logging.getLogger(__name__)


def run(
    steps: Sequence[Step],
    lake: Lake,
    *,
    until: str | None = None,
    full: bool = False,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> Iterator[tuple[Step, Facts]]:
    """Run steps in their order, each in an engine of its own; give every step with its facts.

    until: only what this table is made of, and itself; None runs all. full: run those steps, too,
    whose tables are current, and take nothing over from the last good run.
    threads, memory_limit: of each DuckDB, as `DuckDBEngine` takes them.
    Raises KeyError if no step makes `until`, and what the steps raise.
    """
    if full:
        lake = lake.taking_nothing_over()
    for step in steps if until is None else steps_for(steps, until):
        if not full and why_to_run(step, lake) is None:
            since = unchanged_since([step], lake)
            logger.info("%s: unchanged since %s, skipped", step.name, since)
            yield step, lake.facts(step.name)
            continue
        with engine_of(step, lake, threads, memory_limit) as engine:
            facts = run_step(step, engine, lake)
        yield step, facts


def steps_for(steps: Sequence[Step], table: str) -> list[Step]:
    """List the steps that a table needs, its own last.

    Raises KeyError that names the tables there are if no step makes this one.
    """
    maker = {made.name: step for step in steps for made in step.writes}
    if table not in maker:
        raise KeyError(f"no step makes {table!r}; the tables are {', '.join(maker)}")
    needed, waiting = set(), [maker[table].name]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [maker[read].name for read in maker[name].reads]
    return [step for step in steps if step.name in needed]


def run_step(step: Step, engine: Engine, lake: Lake) -> Facts:
    """Run one step, current or not; what it reads stays at one version, and is what it declares.

    What was learned and is in force is not learned anew: its step returns the facts that it noted.
    Raises LakeError where the machine fails it: a full disk, too little memory.
    """
    if all(table.stays_in_force and table.name in lake.plans for table in step.writes):
        reason = why_to_run(step, lake)
        if reason is None:
            return lake.facts(step.name)
        if lake.has(step.name):
            logger.info("%s: learned anew, for %s", step.name, reason)
    with explained_failures(f"{lake.dataset}/{step.name}"):
        written = [table.name for table in step.writes]
        return step.run(engine, lake.for_step(step.reads, written, _outside(step, lake)))


def _outside(step: Step, lake: Lake) -> Mapping[str, str]:
    """Find what the step reads outside, before it does; what fails then is for the step to say."""
    try:
        return step.outside(lake) if step.outside else {}
    except (BlockingError, OSError):
        return {}
