"""What changed since the last good run, in sentences: how many pairs, and because of what."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from er_pipeline.blocking.changes.cause_counts import CauseCount, NamedBlock
from er_pipeline.blocking.changes.declared_night import Declared
from er_pipeline.blocking.changes.pair_changes import PairChangesFacts

# Names of strategies, and blocks, that a sentence gives; the facts hold more.
SHOWN = 3
# Characters of a key that are shown.
KEY_SHOWN = 40


def pair_sentences(facts: PairChangesFacts) -> Iterator[str]:
    """Write what became of the candidate pairs: a sentence for those lost, one for those gained.

    The larger of both comes first, and in it the cause of most pairs.
    """
    before = facts["before"]
    if before is not None:
        yield from change_sentences(facts["causes"], "pair", facts["night"], before)


def change_sentences(
    causes: Sequence[CauseCount],
    noun: str,
    night: Declared,
    before: Declared,
    moved: str = "",
    threshold: str = "",
) -> Iterator[str]:
    """Write a sentence per change; causes: most pairs first, as facts have them.

    noun: what was gained or lost. moved: why the same candidates are scored otherwise. threshold:
    which one, and which it was, where it moved.
    """
    for change in dict.fromkeys(count["change"] for count in causes):
        counts = [count for count in causes if count["change"] == change]
        total = sum(count["pairs"] for count in counts)
        because = [
            f"{count['pairs']:,} because {_because(count, night, before, moved, threshold)}"
            for count in counts
        ]
        plural = {"pair": "pairs", "match": "matches"}[noun]
        yield f"{total:,} {noun if total == 1 else plural} {change}: {', '.join(because)}."


def _because(
    count: CauseCount, night: Declared, before: Declared, moved: str, threshold: str
) -> str:
    texts: Mapping[str, Callable[[], str]] = {
        "record_new": lambda: "a record is new",
        "record_gone": lambda: "a record is gone",
        "record_changed": lambda: "a record was changed",
        "block_over_cap": lambda: _crossed(count, "passed", _cap(night, before)),
        "block_within_cap": lambda: _crossed(count, "is back within", _cap(night, before)),
        "block_min_size": lambda: _crossed(count, "crossed", f"the least size {night['min_size']}"),
        "strategy_changed": lambda: _strategies(count, night, before),
        "label": lambda: "labels changed",
        "neighbours_moved": lambda: (
            "the settings of neighbours changed"
            if night["search"] != before["search"]
            else "neighbours changed"
        ),
        "second_pass_moved": lambda: "other records need the second pass",
        "budget_moved": lambda: f"the budget's cut moved{_budget(night, before)}",
        "threshold_changed": lambda: threshold or "the threshold moved",
        "model_changed": lambda: moved or "weights changed",
    }
    return texts[count["cause"]]()


def _cap(night: Declared, before: Declared) -> str:
    if night["max_size"] == before["max_size"]:
        return f"the cap of {night['max_size']:,}" if night["max_size"] else "the cap"
    return f"the cap of {_number(night['max_size'])} ({_number(before['max_size'])} before)"


def _number(value: int | None) -> str:
    return "none" if value is None else f"{value:,}"


def _crossed(count: CauseCount, verb: str, limit: str) -> str:
    """Name the one block that crossed a limit, or of several those with most pairs."""
    blocks = count["blocks"]
    if not blocks:
        return f"blocks of {_first(list(count['strategies']))} {verb} {limit}"
    if len(blocks) == 1:
        return f"{_block(blocks[0])} {verb} {limit}{_size(blocks[0])}"
    named = ", ".join(f"{_block(block)}{_size(block)} {block['pairs']:,}" for block in blocks)
    plural = "are back within" if verb.startswith("is") else verb
    return f"blocks {plural} {limit} ({'most' if _has_more(count) else 'namely'}: {named})"


def _has_more(count: CauseCount) -> bool:
    return sum(block["pairs"] for block in count["blocks"]) < count["pairs"]


def _block(block: NamedBlock) -> str:
    key = block["block_key"]
    return f"{block['strategy']} {key if len(key) <= KEY_SHOWN else key[:KEY_SHOWN] + '…'}"


def _size(block: NamedBlock) -> str:
    size = block["size_now"]
    return "" if size is None else f" (now {size:,})"


def _strategies(count: CauseCount, night: Declared, before: Declared) -> str:
    """Say whether strategies were added, removed, or compute something else."""
    if night["mode"] != before["mode"]:
        return f"the mode is {night['mode']}, {before['mode']} before"
    now, old = ({route["name"] for route in side["routes"]} for side in (night, before))
    names = list(count["strategies"])
    parts = []
    for word, of_word in (
        ("added", [name for name in names if name not in old]),
        ("removed", [name for name in names if name not in now]),
        ("changed", [name for name in names if name in now and name in old]),
    ):
        if of_word:
            parts.append(f"{_first(of_word)} {'was' if len(of_word) == 1 else 'were'} {word}")
    return " and ".join(parts) or "a strategy was changed"


def _first(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _budget(night: Declared, before: Declared) -> str:
    if night["budget"] == before["budget"]:
        return ""
    return f" ({_number(night['budget'])} pairs, {_number(before['budget'])} before)"
