"""Changes counted: how many pairs or matches were gained and lost, and by which cause."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from er_pipeline.blocking.changes.change_causes import CAUSES
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict


class NamedBlock(TypedDict):
    """A block and how many changed pairs it explains."""

    strategy: str
    block_key: str
    pairs: int
    size_before: int | None
    size_now: int | None


class CauseCount(TypedDict):
    """How many pairs were gained or lost by one cause.

    is_listed: whether they stand in the table. strategies: the first to find them, most pairs
    first. blocks: those with most of the pairs.
    """

    change: str
    cause: str
    pairs: int
    is_listed: bool
    strategies: dict[str, int]
    blocks: list[NamedBlock]


def count_causes(
    found: Iterable[tuple[str, str, str | None, int]], blocks: Iterable[tuple[Any, ...]]
) -> list[CauseCount]:
    """Gather counts by change and cause, in the order of their first row.

    found: (change, cause, strategy, how many). blocks: (change, cause, strategy, block_key, size
    before, size now, how many), of those that are named.
    """
    counts: dict[tuple[str, str], CauseCount] = {}
    for change, cause, strategy, n in found:
        count = counts.setdefault(
            (change, cause),
            CauseCount(
                change=change, cause=cause, pairs=0, is_listed=True, strategies={}, blocks=[]
            ),
        )
        count["pairs"] += n
        if strategy is not None:
            count["strategies"][strategy] = n
    for change, cause, strategy, key, before, now, n in blocks:
        counts[change, cause]["blocks"].append(
            NamedBlock(strategy=strategy, block_key=key, pairs=n, size_before=before, size_now=now)
        )
    return list(counts.values())


def by_weight(counts: Iterable[CauseCount]) -> list[CauseCount]:
    """Sort counts, the cause of most first, of equal ones that which comes first in the list."""
    order = {cause: place for place, cause in enumerate(CAUSES)}
    return sorted(counts, key=lambda c: (-c["pairs"], order[c["cause"]], c["change"]))


def total_of(change: str, counts: Iterable[CauseCount]) -> int:
    """Add up what was gained, or lost."""
    return sum(count["pairs"] for count in counts if count["change"] == change)


def judge_sum(check: Check, noun: str, facts: Mapping[str, Any]) -> Verdict:
    """Judge whether what was, less what was lost, with what was gained, is what there is.

    noun: pairs or matches. facts: since, gained and lost, and how many there are and were.
    """
    numbers = {name: facts[name] for name in (f"{noun}_before", "lost", "gained", noun)}
    before, lost, gained, now = numbers.values()
    if not facts["since"]:
        text = "There is no good run before to compare with."
        return Verdict(check.name, True, "error", text, numbers)
    expected = before - lost + gained
    text = (
        f"{before:,} {noun}, less {lost:,} lost, with {gained:,} gained, are {expected:,}; there"
        f" are {now:,}."
    )
    return Verdict(check.name, expected == now, "error", text, numbers)
