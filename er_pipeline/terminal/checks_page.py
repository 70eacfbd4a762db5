"""The page checks.md: every check, by the table that it judges."""

from er_pipeline.blocking.tables.contract import FITS_CONTRACT
from er_pipeline.blocking.tables.step import guarded_by
from er_pipeline.blocking.tables.table import Check
from er_pipeline.terminal.list_items import list_item
from er_pipeline.terminal.widest_flows import widest_flows

INTRODUCTION = """\
# Checks

Every check, by the table that it judges, in the order in which tables are made. The name says what
holds when the check passes. An error makes the run fail, and withholds the table and what is made
of it: nothing of that is published, and the catalog goes on showing it as the last good run made
it. All other tables are published. A warning is only shown. The limits are settings, described in
[settings](settings.md).

## What a check guards

A failed check of a table withholds these tables, with every setting switched on; a table that a
declaration does not ask for is not there. `every table` are all but the sources.
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
    parts = [INTRODUCTION, _guards(), "## Every table\n", _item(FITS_CONTRACT) + "\n"]
    for table, checks in described_checks().items():
        parts.append(f"## {table}\n")
        parts.append("\n".join(map(_item, checks.values())) + "\n")
    return "\n".join(parts)


def _guards() -> str:
    """Write the table of what each check guards."""
    lines = ["| table | check | if it fails | withholds |", "|---|---|---|---|"]
    for table, checks in described_checks().items():
        for check in checks.values():
            outcome = "error" if check.stops else "warning"
            held = withheld_by(table) if check.stops else "nothing"
            lines.append(f"| `{table}` | `{check.name}` | {outcome} | {held} |")
    return "\n".join(lines) + "\n"


def withheld_by(table: str) -> str:
    """List the tables that a failed check on a table withholds, those people see."""
    steps = next(flow for flow in widest_flows() if any(step.name == table for step in flow))
    guarded = set(guarded_by(steps, table))
    seen = [made.name for step in steps for made in step.assets]
    held = [name for name in seen if name in guarded]
    return "every table" if len(held) == len(seen) else ", ".join(f"`{name}`" for name in held)


def _item(check: Check) -> str:
    severity = "error, stops the run" if check.stops else "warning"
    lines = [f"`{check.name}`: {severity}.", check.why]
    if check.limits:
        lines.append(f"Limit: {', '.join(f'`{limit}`' for limit in check.limits)}.")
    return list_item(*lines)
