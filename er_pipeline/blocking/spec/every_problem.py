"""Every problem of a declaration at once: what a first mistake hides is looked for, too.

Pydantic looks at how settings fit each other only when each is valid by itself. So the wrong ones
are taken out, and the rest is looked at again.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.settings import Problem, plain_message
from er_pipeline.blocking.tables.sql import quoted

# A value that is wrong, one that needed it, one that needed both.
MOST_ROUNDS = 3
# What stands in for a needed setting, so that the others can be looked at.
STAND_INS: Mapping[str, Any] = {"dataset": "dataset", "sources": [{"path": "records.csv"}]}


def every_problem(attributes: Any) -> tuple[list[Problem], PipelineSpec | None]:
    """List all that is wrong with settings, each with its place; none if nothing is.

    attributes: what stands below `attributes`, left as it is.
    Returns the spec, too: of the settings that are right, where those make one.
    """
    settings = deepcopy(attributes)
    found: dict[Problem, None] = {}
    taken_out: list[tuple[str | int, ...]] = []
    for _ in range(MOST_ROUNDS):
        try:
            return list(found), PipelineSpec.model_validate(settings)
        except ValidationError as error:
            problems = [(problem["loc"], plain_message(problem)) for problem in error.errors()]
        # What hangs on a setting that was taken out is no mistake of its own.
        new = [p for p in problems if not any(_hang_together(p[0], out) for out in taken_out)]
        found |= dict.fromkeys(new)
        places = [place for place, _ in new]
        if not new or not isinstance(settings, dict) or any(map(_names_a_field, places)):
            break
        for place in places:
            taken_out.append(place)
            _take_out(settings, place)
    try:
        return list(found), PipelineSpec.model_validate(settings)
    except ValidationError:
        return list(found), None


def _hang_together(place: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    n = min(len(place), len(other))
    return place[:n] == other[:n]


def _names_a_field(place: tuple[str | int, ...]) -> bool:
    """Say whether a place gives a field its name: without it, every key would be wrong."""
    return "columns" in place or (place[:1] == ("fields",) and place[-1] == "[key]")


def _take_out(settings: dict[str, Any], place: tuple[str | int, ...]) -> None:
    """Remove the setting at a place, or the nearest one around it that is there."""
    if len(place) == 1 and place[0] in STAND_INS:
        settings[str(place[0])] = deepcopy(STAND_INS[str(place[0])])
        return
    if place[:1] == ("fields",) and len(place) > 1 and isinstance(settings.get("fields"), dict):
        settings["fields"][place[1]] = "text"
        return
    if place[:1] == ("sources",) and len(place) > 1 and isinstance(place[1], int):
        _stand_in_for_source(settings["sources"], place[1])
        return
    if place[0] in ("strategies", "training_rules") and len(place) > 1:
        keys, field = settings[str(place[0])], _some_field(settings)
        if isinstance(keys, dict) and place[1] in keys and field:
            keys[place[1]] = quoted(field)
        return
    holders = list(_way(settings, place))
    if not holders:
        return
    holder, name = holders[-1]
    # Without an element, those behind it would stand at other places.
    while isinstance(holder, list) and len(holders) > 1:
        holders.pop()
        holder, name = holders[-1]
    if isinstance(holder, dict):
        holder.pop(name, None)


def _some_field(settings: Mapping[str, Any]) -> str | None:
    """Return the first field that the settings name."""
    fields = settings.get("fields")
    names = list(fields) if isinstance(fields, dict) else []
    sources = settings.get("sources")
    for source in sources if isinstance(sources, list) else []:
        columns = source.get("columns") if isinstance(source, dict) else None
        names += list(columns) if isinstance(columns, dict) else []
    return next((name for name in names if isinstance(name, str)), None)


def _stand_in_for_source(sources: Any, nth: int) -> None:
    if isinstance(sources, list) and nth < len(sources):
        columns = sources[nth].get("columns") if isinstance(sources[nth], dict) else None
        sources[nth] = {"path": f"records_{nth}.csv", "columns": columns or {}}


def _way(settings: Any, place: tuple[str | int, ...]) -> Iterator[tuple[Any, Any]]:
    """Give the (container, name) pairs on the way to a place, as far as it is there.

    Parts that name a choice of pydantic's, and no setting, are passed over.
    """
    here = settings
    for part in place:
        is_there = (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        )
        if is_there:
            yield here, part
            here = here[part]
