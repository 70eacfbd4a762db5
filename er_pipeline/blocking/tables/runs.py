"""Runs: the steps of a flow in their order, or as many of them as one table needs."""

import logging
from collections.abc import Iterator, Sequence

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.failures import explained_failures
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Facts
from er_pipeline.blocking.tables.verdict_notes import noted_verdicts

logger = logging.getLogger(__name__)


def run(
    steps: Sequence[Step],
    lake: Lake,
    *,
    until: str | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> Iterator[tuple[Step, Facts]]:
    """Run steps in their order, each in an engine of its own; give every step with its facts.

    until: only what this table is made of, and itself; None runs all.
    threads, memory_limit: of each engine, as `DuckDBEngine` takes them.
    Raises KeyError if no step makes `until`, and what the steps raise.
    """
    for step in steps if until is None else steps_for(steps, until):
        with DuckDBEngine(threads, memory_limit, lake.spill) as engine:
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
    """Run one step; what it reads stays at one version, and is what it declares.

    What was learned and is in force is not learned anew: its step returns the facts that it noted.
    Raises LakeError where the machine fails it: a full disk, too little memory.
    """
    in_force = facts_in_force(step, lake)
    if in_force is not None:
        return in_force
    with explained_failures(f"{lake.dataset}/{step.name}"):
        return step.run(engine, lake.for_step(step.reads, [table.name for table in step.writes]))


def facts_in_force(step: Step, lake: Lake) -> Facts | None:
    """Return the facts of a step all of whose tables are in force; None if it is to be run.

    What failed a check, or is marked unusable, was learned in vain, and is learned anew.
    """
    if not all(table.stays_in_force and table.name in lake.plans for table in step.writes):
        return None
    try:
        for table in step.writes:
            lake.check(table.name)
    except LakeError as error:
        if lake.has(step.name):
            logger.info("learned anew: %s", error)
        return None
    for table in step.writes:
        verdicts = noted_verdicts(lake, table.name) or ()
        if any(not verdict.passed and verdict.severity == "error" for verdict in verdicts):
            return None
    facts = lake.facts(step.name)
    return None if facts.get("unusable") else facts
