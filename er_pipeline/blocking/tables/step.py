"""A step: what makes one or several tables, of what, and what must hold of them.

The flow of a dataset is a list of steps. Dagster's assets and checks, the catalog, the dry run and
the reference pages are made from it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, runtime_checkable

from er_pipeline.blocking.tables.cluster import Cluster, Place
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Shown, numbers
from er_pipeline.blocking.tables.stamps import Plan, code_version, digest, plan_of_learned
from er_pipeline.blocking.tables.table import Check, Facts, Table
from er_pipeline.blocking.tables.verdicts import Verdict


@runtime_checkable
class Judging(Protocol):
    """What a check judges by that is more than settings, such as files."""

    @property
    def judged_by(self) -> Any:
        """What stands for it as it is now, JSON-ready but for settings."""


def _no_verdicts(engine: Engine, lake: Lake) -> Iterable[Verdict]:
    return ()


@dataclass(frozen=True)
class Step:
    """One function of the pure half, and the tables it makes.

    writes: the main table first; facts are kept beside it. reads: the tables it needs; every one of
    them is opened, and no other. settings: the sections of the spec that shape what it makes.
    run: takes the engine and the lake, returns the facts; a function, or a partial of one.
    checks: what must hold of the main table. judge: finds the verdicts on them.
    show: facts -> what people see first of the main table.
    count: what a dry run does instead of run, None if nothing; it returns facts of the same kind.
    lineage: column -> the fields of cleaned_records that it follows from, where its name does not
    already say so.
    tolerates: tables that it reads even if a check on them failed, since it does without what is
    wrong with them. Only a table that breaks its contract, or is missing, keeps it from being run.
    outside: finds what the step reads that is no table of its inputs, such as files, or what is
    published: place -> fingerprint, see `outside.py`. None if it reads nothing else.
    place: where its work is done if the dataset has a cluster; else all of it is on the driver.
    cluster: the dataset's, None if it has none; a flow sets it.
    """

    writes: Sequence[Table]
    reads: Sequence[str]
    settings: Any
    run: Callable[[Engine, Lake], Facts]
    stage: str
    checks: Sequence[Check] = ()
    judge: Callable[[Engine, Lake], Iterable[Verdict]] = _no_verdicts
    show: Callable[[Facts], Mapping[str, Shown]] = numbers
    count: Callable[[Engine, Lake], Facts] | None = None
    lineage: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tolerates: Sequence[str] = ()
    outside: Callable[[Lake], Mapping[str, str]] | None = None
    place: Place = "driver"
    cluster: Cluster | None = None

    @property
    def name(self) -> str:
        """The name of its main table."""
        return self.writes[0].name

    @property
    def code(self) -> Callable[..., Facts]:
        """The function that does the work."""
        code: Callable[..., Facts] = self.run.func if isinstance(self.run, partial) else self.run
        return code

    @property
    def judged_by(self) -> str:
        """A digest of the settings and the code that its checks judge by."""
        names = [check.name for check in self.checks]
        return digest([names, _judging(self.judge)])

    @property
    def assets(self) -> list[Table]:
        """The tables that people see as assets."""
        return [table for table in self.writes if not table.is_internal]


def _judging(value: Any) -> Any:
    """Return what stands for a function that judges, and for what it was given to judge by."""
    if isinstance(value, partial):
        given = {name: _judging(part) for name, part in value.keywords.items()}
        return [code_version(value.func.__module__), given]
    if callable(value):
        return code_version(value.__module__)
    if isinstance(value, Judging):
        return value.judged_by
    return value.name if isinstance(value, Table) else value


def guarded_by(steps: Sequence[Step], table: str) -> list[str]:
    """List the tables that a failed check on a table keeps from being made, itself first."""
    guarded = [table]
    for step in steps:
        if step.name == table:
            guarded += [made.name for made in step.writes[1:]]
        if any(read in guarded and read not in step.tolerates for read in step.reads):
            guarded += [made.name for made in step.writes if made.name not in guarded]
    return guarded


def plans_of(flow: Iterable[Step]) -> dict[str, Plan]:
    """Say of every table of a flow what shapes it."""
    plans: dict[str, Plan] = {}
    for step in flow:
        made = {
            table.name: Plan(
                step=step.name,
                code=code_version(step.code.__module__),
                settings=digest([table.name, step.settings, table.shape]),
                reads=tuple(step.reads),
                is_from_outside=table.is_from_outside,
                stays_in_force=table.stays_in_force,
            )
            for table in step.writes
        }
        plans |= {
            name: plan if plan.stays_in_force is None else plan_of_learned(plan, plans)
            for name, plan in made.items()
        }
    return plans
