"""What can go wrong, said so that the reader knows what to do next."""

from collections.abc import Iterable
from difflib import get_close_matches


class BlockingError(Exception):
    """Base of every error this package raises on purpose; its text is meant for the user."""


class SpecError(BlockingError):
    """A dataset's declaration is wrong: names the file, the line and what to write instead."""


class InputError(BlockingError):
    """The user's records are wrong: names the file, the row or column, and what to do."""


class LakeError(BlockingError):
    """A table that is needed is missing or does not belong to the others."""


class SinkError(BlockingError):
    """A place outside the lake cannot be written: names it, without secrets, and what to do."""


class BudgetError(BlockingError):
    """There are, or would be, more pairs than a budget allows."""


def did_you_mean(name: str, known: Iterable[str], least: float = 0.75) -> str:
    """Ask whether the nearest known name was meant: " did you mean 'x'?"; empty if none is near.

    least: share of common characters, as difflib counts them, that makes a name near.
    """
    by_lower = {other.lower(): other for other in known}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=least)
    return f" did you mean {by_lower[near[0]]!r}?" if near else ""


def first_line(error: BaseException) -> str:
    """Return the first paragraph of another library's error, on one line."""
    return " ".join(str(error).split("\n\n")[0].split())[:400]
