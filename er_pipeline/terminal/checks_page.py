"""The page checks.md: every check, by the table that it judges."""

from er_pipeline.blocking.tables.contract import FITS_CONTRACT
from er_pipeline.blocking.tables.table import Check
from er_pipeline.terminal.list_items import list_item
from er_pipeline.terminal.widest_flows import widest_flows

INTRODUCTION = """\
# Checks

Every check, by the table that it judges, in the order in which tables are made. The name says what
holds when the check passes. An error stops the run: no table that follows is made, and the catalog
keeps showing the tables of the last good run. A warning is only shown. The limits are settings,
described in [settings](settings.md).
"""


def described_checks() -> dict[str, dict[str, Check]]:
    """Return table -> name -> check, in the order in which the tables are made."""
    found: dict[str, dict[str, Check]] = {}
    for steps in widest_flows():
        for step in steps:
            if step.checks:
                checks = {check.name: check for check in step.checks}
                found[step.name] = {**found.get(step.name, {}), **checks}
    return found


def checks_page() -> str:
    """Write the page."""
    parts = [INTRODUCTION, "## Every table\n", _item(FITS_CONTRACT) + "\n"]
    for table, checks in described_checks().items():
        parts.append(f"## {table}\n")
        parts.append("\n".join(map(_item, checks.values())) + "\n")
    return "\n".join(parts)


def _item(check: Check) -> str:
    severity = "error, stops the run" if check.stops else "warning"
    lines = [f"`{check.name}`: {severity}.", check.why]
    if check.limits:
        lines.append(f"Limit: {', '.join(f'`{limit}`' for limit in check.limits)}.")
    return list_item(*lines)
