"""Wanted columns: which columns of a source become records, whatever kind of source it is."""

import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

from er_pipeline.blocking.tables.errors import InputError

COLUMN_CURE = (
    "Correct `record_id`, `fields` or `columns`; a field that this source lacks is declared so:"
    " columns: {name: null}"
)
# A person reads no more names than these to see what a table is.
MOST_LISTED = 40
# Signs without a width, which no one sees: joiners, and marks of a byte order within a file.
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


def find_columns(
    wanted: Sequence[str], present: Sequence[str], origin: str, cure: str = COLUMN_CURE
) -> dict[str, str]:
    """Return the name that each wanted column has in a source.

    Upper and lower case, blanks around a name, signs that no one sees and the ways to write one
    letter in Unicode are the same, unless only they tell columns apart.
    Raises InputError if the source lacks one, or has it more than once; cure: what to do then.
    """
    missing, found = [], {}
    for name in wanted:
        alike = [other for other in present if plain_name(other) == plain_name(name)]
        same = [other for other in alike if other == name]
        if not alike:
            missing.append(name)
        elif len(same) == 1 or len(alike) == 1:
            found[name] = (same or alike)[0]
        else:
            raise InputError(
                f"{origin}: column {', '.join(map(repr, alike))} stands more than once (upper and"
                " lower case are the same); rename one, or write the name just as it stands"
            )
    if missing:
        raise InputError(
            f"{origin}: has no column {', '.join(map(repr, missing))}; it has"
            f" {listed_names(present)}."
            f"{_near(missing, present)} {cure}"
        )
    return found


def listed_names(names: Sequence[str]) -> str:
    """Write names of columns for people: of many the first, and how many more there are."""
    listed = ", ".join(repr(name[:80]) for name in names[:MOST_LISTED])
    more = len(names) - MOST_LISTED
    return f"{listed} and {more:,} more" if more > 0 else listed


def plain_name(name: str) -> str:
    """Return a column's name as names are compared: as people see it, in lower case."""
    plain = name.strip().lower()
    if plain.isascii():
        return plain
    return unicodedata.normalize("NFC", plain.translate(_UNSEEN)).strip()


def _near(missing: Sequence[str], present: Sequence[str]) -> str:
    """Suggest columns for missing ones, or another delimiter where there is one column only."""
    if len(present) == 1:
        return " Is it one column only? Else say how columns are divided: csv: {delimiter: ...}."
    near = {name: get_close_matches(name, present, n=1) for name in missing}
    suggested = [f"{found[0]!r} for {name!r}" for name, found in near.items() if found]
    return f" Did you mean {', '.join(suggested)}?" if suggested else ""
