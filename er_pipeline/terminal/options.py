"""Options and arguments that several commands take, and the groups that help shows them in."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

RUN, LABELS, RULES, REFERENCE, OTHER = (
    Group(name, sort_key=place)
    for place, name in enumerate(("Run", "Labels", "Rules", "Reference", "Other"))
)

Defs = Annotated[Path, Parameter(name="DEFS", help="The dataset's declaration, a defs.yaml.")]
LakeOption = Annotated[
    Path | None,
    Parameter(
        name="--lake",
        help="Folder of the tables; by default ER_PIPELINE_LAKE, else .lake.",
    ),
]
DateOption = Annotated[
    str | None,
    Parameter(
        name="--date",
        help="The snapshot to run, where a source has {date} in its path; by default the newest.",
    ),
]
DatesOption = Annotated[
    str | None,
    Parameter(
        name="--dates",
        help="All snapshots from one date to another, FROM..TO, one run after another.",
    ),
]
ExecutorOption = Annotated[
    Literal["in_process", "multiprocess"] | None,
    Parameter(
        name="--executor",
        help="One process, or assets side by side; by default the dataset's setting.",
    ),
]
JsonOption = Annotated[
    bool,
    Parameter(name="--json", negative="", show_default=False, help="Print one JSON object."),
]


def examples(*lines: str) -> str:
    """Return the examples at the end of a command's help."""
    return "\n".join(["Examples", *(f"  {line}" for line in lines)])
