"""Wanted columns: which columns of a source become records, whatever kind of source it is."""

from collections.abc import Sequence
from difflib import get_close_matches

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.sql import quoted


def keep_wanted(
    engine: Engine, relation: str, wanted: Sequence[str], table: str, origin: str
) -> None:
    """Make a table of the wanted columns of a relation, as text.

    Raises InputError if the relation lacks one; origin: what to call it there.
    """
    described = engine.described(f"select * from {relation}")
    names = find_columns(wanted, [name for name, _ in described], origin)
    columns = ", ".join(
        f"cast({quoted(names[column])} as varchar) as {quoted(column)}"
        for column in dict.fromkeys(wanted)
    )
    engine.make_table(table, f"select {columns} from {relation}")


def find_columns(wanted: Sequence[str], present: Sequence[str], origin: str) -> dict[str, str]:
    """Return the name that each wanted column has in a source; upper and lower case are the same.

    Raises InputError if the source lacks one.
    """
    by_lower = {name.lower(): name for name in present}
    missing = [name for name in wanted if name.lower() not in by_lower]
    if missing:
        raise InputError(
            f"{origin}: has no column {', '.join(map(repr, missing))}; it has"
            f" {', '.join(repr(name[:80]) for name in present)}."
            f"{_near(missing, present)}"
            " Correct `record_id`, `fields` or `columns`; a field that this source lacks is"
            " declared so: columns: {name: null}"
        )
    return {name: by_lower[name.lower()] for name in wanted}


def _near(missing: Sequence[str], present: Sequence[str]) -> str:
    """Suggest columns for missing ones, or another delimiter where there is one column only."""
    if len(present) == 1:
        return " Is it one column only? Else say how columns are divided: csv: {delimiter: ...}."
    near = {name: get_close_matches(name, present, n=1) for name in missing}
    suggested = [f"{found[0]!r} for {name!r}" for name, found in near.items() if found]
    return f" Did you mean {', '.join(suggested)}?" if suggested else ""
