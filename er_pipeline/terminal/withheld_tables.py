"""Tables that were made and are withheld, as commands that read or seek them say it."""

from collections.abc import Collection, Mapping

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.standing import MADE_OF_WITHHELD, standing_of
from er_pipeline.flow import flow


def withheld_tables(lake: Lake, spec: PipelineSpec, tables: Collection[str]) -> dict[str, str]:
    """Find which of some tables were made and may not be shown: table -> why, in their flow.

    Internal tables, which nobody is shown, are left out, and those that are stale.
    """
    steps = flow(spec)
    shown = {table.name for step in steps for table in step.writes if not table.is_internal}
    standing = standing_of(steps, lake)
    return {
        table: _first_reason(standing.withheld, why)
        for table, why in standing.withheld.items()
        if table in tables and table in shown and table not in standing.stale and lake.has(table)
    }


def _first_reason(withheld: Mapping[str, str], why: str) -> str:
    """Follow a reason that names another withheld table to the one that names a check."""
    first = why
    while first.endswith(MADE_OF_WITHHELD):
        before = withheld.get(first.removesuffix(MADE_OF_WITHHELD))
        if before is None:  # an internal table, which has another name here
            return why
        first = before
    return why if first == why else f"{why} ({first})"


def withheld_line(withheld: Mapping[str, str]) -> str:
    """Say of which tables a command reads versions that are withheld, and why they are."""
    listed = "; ".join(f"{table}: {why}" for table, why in withheld.items())
    return f"This reads tables of the last run that are withheld ({listed})."
