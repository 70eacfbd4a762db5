"""Current tables: those that their step would make again just as they are, so it need not run.

Steps are deterministic, so that follows from what is noted: the stamps of the tables on the way to
them, what the step found outside, the libraries, and that all files are there.
"""

from collections.abc import Mapping, Sequence

from er_pipeline.blocking.tables.contract import FITS_CONTRACT
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline.blocking.tables.files import sizes_of
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import time_text
from er_pipeline.blocking.tables.outside import library_versions, why_differs
from er_pipeline.blocking.tables.stamps import Stamp, first_stale, upstream_of
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.verdict_notes import noted_failure, noted_verdicts


def why_to_run(
    step: Step, lake: Lake, stamps: Mapping[str, Stamp | None] | None = None
) -> str | None:
    """Say why a step must run, in a few words; None if its tables are current.

    lake: with the plans of the flow; nothing is read of tables but their notes. stamps: of all
    tables, where somebody has read them already.
    """
    if any(table.name not in lake.plans for table in step.writes):
        return "the lake does not know what shapes it"
    stamps = lake.stamps(lake.plans) if stamps is None else stamps
    for table in step.writes:
        reason = _why_not_current(table.name, lake, stamps)
        if reason:
            return reason
    if noted_failure(lake, step.name):
        return "it failed when it last ran"
    for table in step.assets:
        for verdict in noted_verdicts(lake, table.name) or ():
            if verdict.check == FITS_CONTRACT.name and not verdict.passed:
                return f"{table.name} breaks its contract"
            # What failed was learned in vain; any other table would come out as it is.
            if table.stays_in_force and not verdict.passed and verdict.severity == "error":
                return f"what it learned failed the check {verdict.check}"
    if step.writes[0].stays_in_force and lake.facts(step.name).get("unusable"):
        return "what it learned cannot be used"
    return _why_outside_differs(step, lake, stamps)


def reasons_to_run(steps: Sequence[Step], lake: Lake) -> dict[str, str | None]:
    """Say which of some steps must run, and why, in their order; all others are current.

    A step that reads what another of them makes has no reason of its own yet: only when that one
    has run it is known whether its tables came out as they were.
    """
    reasons: dict[str, str | None] = {}
    stamps = lake.stamps(lake.plans)
    made_by = {table.name: step.name for step in steps for table in step.writes}
    for step in steps:
        own = {table.name for table in step.writes}
        needed = {name for table in own for name in upstream_of(table, lake.plans)} - own
        if any(made_by.get(name) in reasons for name in needed):
            reasons[step.name] = None
        elif reason := why_to_run(step, lake, stamps):
            reasons[step.name] = reason
    return reasons


def unchanged_since(steps: Sequence[Step], lake: Lake) -> str:
    """Return when the last of the steps' tables was made, for people: 2026-11-27 02:00 UTC."""
    return time_text(max(lake.version(table.name) for step in steps for table in step.writes))


def _why_not_current(table: str, lake: Lake, stamps: Mapping[str, Stamp | None]) -> str | None:
    needed = upstream_of(table, lake.plans)
    stale = first_stale(
        table, lake.plans, {name: stamps[name] for name in needed if name in stamps}
    )
    if stale:
        return " ".join(stale)
    stamp = stamps[table]
    assert stamp, "it would be stale"
    found = sizes_of(lake.path(table))
    if any(found.get(name) != size for name, size in stamp.files.items()) or not stamp.files:
        return f"files of {table} are missing or cut short"
    if lake.plans[table].stays_in_force:
        return None  # whatever learned it
    for name, version in library_versions().items():
        if stamp.libraries.get(name) != version:
            return f"{table} was made with another version of {name} than {version}"
    return None


def _why_outside_differs(step: Step, lake: Lake, stamps: Mapping[str, Stamp | None]) -> str | None:
    if step.outside is None:
        return None
    noted = stamps[step.name]
    assert noted, "it would be stale"
    try:
        return why_differs(noted.outside, step.outside(lake))
    except (BlockingError, OSError) as error:  # the step says it better
        return str(error)
