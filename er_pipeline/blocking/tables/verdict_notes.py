"""What a run found of its tables, noted in the lake: verdicts, and why a step failed.

    <root>/<dataset>/<table>/<version>/verdicts.json    what the checks of that version found
    <root>/<dataset>/failures/<step>.json               why a step made nothing, and when

The catalog and the report are made in another process than the checks, or by another run; from
these notes they know what may be shown.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from er_pipeline.blocking.tables.files import write_whole
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import moment
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.verdicts import Verdict

VERDICTS = "verdicts.json"
FAILURES = "failures"


@dataclass(frozen=True)
class Failure:
    """Why a step made nothing. at: as the versions of tables are named, so that they compare."""

    text: str
    at: str


def note_verdicts(lake: Lake, table: str, verdicts: Iterable[Verdict], judged_by: str = "") -> None:
    """Note what the checks found of a table as it was written last.

    judged_by: see `Step.judged_by`.
    """
    noted = {"judged_by": judged_by, "verdicts": [asdict(verdict) for verdict in verdicts]}
    write_whole(lake.path(table) / VERDICTS, json.dumps(noted, indent=1))


def noted_verdicts(
    lake: Lake, table: str, judged_by: str | None = None, version: str | None = None
) -> list[Verdict] | None:
    """Read what the checks found of a version of a table, the latest; None if none has run.

    judged_by: None takes what was judged by other settings, too.
    """
    try:
        noted = json.loads((lake.path(table, version) / VERDICTS).read_text("utf-8"))
        if judged_by not in (None, noted["judged_by"]):
            return None
        return [_verdict(verdict) for verdict in noted["verdicts"]]
    except (OSError, ValueError, TypeError, KeyError):  # none, or torn: they can be found anew
        return None


def _verdict(noted: dict[str, Any]) -> Verdict:
    grid = noted.get("grid")
    return Verdict(**{**noted, "grid": Grid(**grid) if grid else None})


def note_failure(lake: Lake, step: str, text: str) -> None:
    """Note why a step made nothing."""
    failure = Failure(text, moment())
    write_whole(lake.folder / FAILURES / f"{step}.json", json.dumps(asdict(failure), indent=1))


def forget_failure(lake: Lake, step: str) -> None:
    """Forget why a step made nothing, since it has made something."""
    (lake.folder / FAILURES / f"{step}.json").unlink(missing_ok=True)


def noted_failure(lake: Lake, step: str) -> Failure | None:
    """Read why a step made nothing when it last ran; None if it made its tables."""
    try:
        noted = json.loads((lake.folder / FAILURES / f"{step}.json").read_text("utf-8"))
        failure = Failure(**noted)
    except (OSError, ValueError, TypeError):
        return None
    return failure if not lake.has(step) or failure.at > lake.version(step) else None
