"""The standing of a dataset: which of its tables may be shown to people, and why others may not.

A check that failed withholds its table and what is made of it, nothing else: a model that found no
classes says nothing against the records, the blocks and the candidate pairs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import duckdb

from er_pipeline.blocking.tables.contract import FITS_CONTRACT, judge_contract
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Table
from er_pipeline.blocking.tables.verdict_notes import note_verdicts, noted_failure, noted_verdicts
from er_pipeline.blocking.tables.verdicts import Verdict

# Ends the reason of a table with which nothing is wrong but what it is made of or with.
MADE_OF_WITHHELD = " is withheld"

Judge = Callable[[Step, Table], Sequence[Verdict]]


@dataclass(frozen=True)
class Found:
    """A verdict, and the table that it is on."""

    table: str
    verdict: Verdict


@dataclass
class Standing:
    """What may be shown.

    good: tables whose own checks and those of all they are made of hold, in the order of the flow.
    withheld: table -> why it may not be shown. failures: step -> why it made nothing. errors,
    warnings: verdicts that failed. stale: tables that follow neither from the settings nor from the
    tables as they are, though nothing failed: somebody ran a part of the graph. unseen: tables that
    have no view, so people cannot miss them.
    """

    good: list[str] = field(default_factory=list)
    withheld: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    errors: list[Found] = field(default_factory=list)
    warnings: list[Found] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)

    @property
    def missed(self) -> dict[str, str]:
        """What is withheld of the tables that have a view, with the reasons; all if none has."""
        seen = {table: why for table, why in self.withheld.items() if table not in self.unseen}
        return seen or self.withheld

    @property
    def n_seen(self) -> int:
        """How many tables there are, of which `missed` are some."""
        return len(self.missed) + sum(table not in self.unseen for table in self.good)

    def withheld_by_cause(self) -> Iterator[str]:
        """Say once of each cause what it is, and name the tables that are withheld for it."""
        causes: dict[str, tuple[str, list[str]]] = {}
        for table in self.missed:
            root = table
            while (above := self.withheld[root].removesuffix(MADE_OF_WITHHELD)) in self.withheld:
                root = above
            why = self.withheld[root]
            failed = [step for step, text in self.failures.items() if text == why]
            causes.setdefault(failed[0] if failed else root, (why, []))[1].append(table)
        for root, (why, tables) in causes.items():
            others = [table for table in tables if table != root]
            with_it = f"; and so are {', '.join(others)}, made of it" if others else ""
            yield f"{root} is withheld ({why}){with_it}"


def standing_of(steps: Sequence[Step], lake: Lake, judge: Judge | None = None) -> Standing:
    """Find which tables of a dataset may be shown.

    lake: with the plans of the same steps. judge: judges a table whose noted verdicts are not in
    force (`verdicts_in_force`); if omitted, notes are taken as they are.
    """
    found = Standing()
    broken: set[str] = set()  # nobody can do without what is wrong with these
    shown_as = {
        t.name: step.name if t.is_internal else t.name for step in steps for t in step.writes
    }
    found.unseen.update(t.name for step in steps for t in step.writes if t.view is None)
    for step in steps:
        failure = noted_failure(lake, step.name)
        of_main: str | None = None
        for table in step.writes:
            read = _missing(step, found.withheld, broken)
            reason = f"{shown_as[read]}{MADE_OF_WITHHELD}" if read else None
            if failure and not reason:
                reason = found.failures[step.name] = failure.text
            if reason:
                broken.add(table.name)
            else:
                reason = _why_stale(lake, table.name)
                if reason:
                    found.stale.append(table.name)
                    broken.add(table.name)
            if not reason and not table.is_internal:
                verdicts = _verdicts(lake, step, table, judge)
                failed = [verdict for verdict in verdicts if not verdict.passed]
                found.warnings += [Found(table.name, v) for v in failed if v.severity == "warn"]
                errors = [Found(table.name, v) for v in failed if v.severity == "error"]
                found.errors += errors
                if errors:
                    reason = f"check {errors[0].verdict.check} failed"
                if any(error.verdict.check == FITS_CONTRACT.name for error in errors):
                    broken.add(table.name)
                if errors and table.name == step.name:
                    of_main = f"{table.name}{MADE_OF_WITHHELD}"
            # The tables of a step are parts of one: kept blocks and dropped ones, say.
            reason = reason or of_main
            if reason:
                found.withheld[table.name] = reason
            else:
                found.good.append(table.name)
    return found


def _missing(step: Step, withheld: dict[str, str], broken: set[str]) -> str | None:
    """Name the first table that a step would need and that is withheld; None if it has all."""
    for read in step.reads:
        if read in broken or (read in withheld and read not in step.tolerates):
            return read
    return None


def _why_stale(lake: Lake, table: str) -> str | None:
    try:
        lake.check(table)
    except LakeError as error:
        return str(error)
    return None


def _verdicts(lake: Lake, step: Step, table: Table, judge: Judge | None) -> Sequence[Verdict]:
    if judge is None:
        return noted_verdicts(lake, table.name) or ()
    noted = verdicts_in_force(lake, step, table)
    return judge(step, table) if noted is None else noted


def verdicts_in_force(lake: Lake, step: Step, table: Table) -> list[Verdict] | None:
    """Return the noted verdicts on a table, if judging it again would find no others.

    None if there are none, if they were judged by other settings than those of now, or if one of
    them is an error: what it was compared with may have changed.
    """
    noted = noted_verdicts(lake, table.name, step.judged_by)
    if noted is None or any(not v.passed and v.severity == "error" for v in noted):
        return None
    return noted


def judge_and_note(engine: Engine, lake: Lake, step: Step, table: Table) -> list[Verdict]:
    """Judge one table, and note the verdicts for the catalog and the report."""
    if step.cluster is not None:
        step.cluster.check_tables(f"the checks of {table.name}", lake, [table.name])
    verdicts = list(judge_table(engine, lake, step, table))
    note_verdicts(lake, table.name, verdicts, step.judged_by)
    return verdicts


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
