"""Remedies as settings: what a declaration would say with the change made.

A remedy is a text, since it is grouped, stored and shown as one; the texts are those of `remedies`,
and every one that names a setting is read here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import yaml

from er_pipeline.blocking.spec.pipeline import PipelineSpec

# Said of a pair that the model would give too little; and what would have it compared.
NO_MATCH = "none alone: as a candidate it would be no match"
COMPARED_BY = "; to have it compared: "
# How a remedy begins that names no change, since none is known that unites the two.
NO_CHANGE = ("no ", "none ")
# Name of a strategy that is added, unless it is taken.
ADDED = "added"
_COSTS = (
    r"\((?P<bound>at most |at least |about )?\+(?P<pairs>[\d,]+) (?:pairs|matches)(?:;[^)]*)?\)"
)


@dataclass(frozen=True)
class Change:
    """A remedy as settings.

    settings: sections of the declaration, whole, as they would be. adds: what its number counts:
    the pairs that a new strategy or rule makes (`strategy`, its keys in `strategy_keys`), pairs of
    the strategies (`blocks`), candidates that the budget keeps (`candidates`), neighbours
    (`neighbours`, and `second_pass`), or matches (`matches`). bound: at most, at least or
    about, where the number is not exact. budget: the larger budget that comes with it, if one does.
    makes_match: False if it makes the pair a candidate, which the model gives too little.
    """

    settings: Mapping[str, Any]
    adds: Literal["strategy", "blocks", "second_pass", "candidates", "neighbours", "matches"]
    number: int
    bound: str = ""
    strategy_keys: str | list[str] = ""
    budget: "Change | None" = None
    makes_match: bool = True


def change_of(spec: PipelineSpec, remedy: str) -> Change | None:
    """Read a remedy; None where it names no setting, since no single change is known."""
    if remedy.startswith(NO_MATCH):
        found = change_of(spec, remedy.removeprefix(NO_MATCH).removeprefix(COMPARED_BY))
        return replace(found, makes_match=False) if found else None
    first, with_budget, rest = remedy.partition("; budget: ")
    change = _read(spec, first)
    if change is None or not with_budget:
        return change
    budget = _read(spec, f"budget: {rest}")
    assert budget, f"a remedy names no budget: {remedy}"
    return replace(change, settings={**change.settings, **budget.settings}, budget=budget)


def _read(spec: PipelineSpec, remedy: str) -> Change | None:
    for pattern, read in _READERS:
        found = re.fullmatch(pattern, remedy)
        if found:
            return read(spec, found)
    return None


def _section(spec: PipelineSpec, name: str, **changed: Any) -> dict[str, Any]:
    """Give a section as it is declared, with some settings changed."""
    section = getattr(spec, name)
    declared = section.model_dump(mode="json", exclude_unset=True) if section is not None else {}
    return {name: {**declared, **changed}}


def _number(found: re.Match[str]) -> int:
    return int(found["pairs"].replace(",", ""))


def _bound(found: re.Match[str]) -> str:
    return (found["bound"] or "").strip()


def _strategy(spec: PipelineSpec, found: re.Match[str]) -> Change:
    keys = _keys_of(found["keys"])
    if spec.strategies == "auto":
        pinned = [*(spec.learning.pin if spec.learning else []), keys]
        settings = _section(spec, "learning", pin=pinned)
    else:
        declared = spec.declared_strategies()
        name, n = ADDED, 1
        while name in spec.proposers:
            n += 1
            name = f"{ADDED}_{n}"
        settings = {"strategies": {**declared, name: keys}}
    return Change(settings, "strategy", _number(found), strategy_keys=keys)


def _keys_of(text: str) -> str | list[str]:
    """Read keys as they stand in a remedy: one, or several in brackets."""
    if not text.startswith("["):
        return text
    # The keys are SQL, whose commas within parentheses divide nothing.
    keys, depth, start = [], 0, 1
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if (letter == "," and depth == 0) or place == len(text) - 1:
            keys.append(text[start:place].strip())
            start = place + 1
    return keys


def _cap(spec: PipelineSpec, found: re.Match[str]) -> Change:
    settings = _section(spec, "blocks", max_size=int(found["n"]))
    return Change(settings, "blocks", _number(found), _bound(found))


def _second_cap(spec: PipelineSpec, found: re.Match[str]) -> Change:
    settings = _section(spec, "second_pass", max_size=int(found["n"]))
    return Change(settings, "second_pass", _number(found))


def _min_size(spec: PipelineSpec, found: re.Match[str]) -> Change:
    settings = _section(spec, "blocks", min_size=2)
    return Change(settings, "blocks", _number(found), _bound(found))


def _budget(spec: PipelineSpec, found: re.Match[str]) -> Change:
    settings = _section(spec, "budget", **_named_numbers(found["limits"]))
    return Change(settings, "candidates", _number(found), _bound(found))


def _named_numbers(text: str) -> dict[str, float | int]:
    """Read settings as a remedy lists them: k 20, min_share_of_best 0.5."""
    numbers: dict[str, float | int] = {}
    for part in text.split(", "):
        name, value = part.rsplit(" ", 1)
        numbers[name] = int(value) if name in ("k", "max_pairs") else float(value)
    return numbers


def _lists(spec: PipelineSpec, found: re.Match[str]) -> Change:
    cuts = _named_numbers(found["cuts"])
    if not found["second"]:
        settings = _section(spec, "embedding", **cuts)
        return Change(settings, "neighbours", _number(found), _bound(found))
    second = spec.second_pass.embedding if spec.second_pass else None
    assert second, "there is a second search"
    declared = second.model_dump(mode="json", exclude_unset=True)
    settings = _section(spec, "second_pass", embedding={**declared, **cuts})
    return Change(settings, "second_pass", _number(found), _bound(found))


def _threshold(spec: PipelineSpec, found: re.Match[str]) -> Change:
    settings = _section(spec, "matching", threshold=float(found["n"]))
    return Change(settings, "matches", _number(found))


_READERS: tuple[tuple[str, Callable[[PipelineSpec, re.Match[str]], Change]], ...] = (
    (r"(?:add strategy|learning: pin) (?P<keys>.+): costs (?P<pairs>[\d,]+) pairs", _strategy),
    (rf"raise blocks: max_size to (?P<n>\d+) {_COSTS}", _cap),
    (rf"raise second_pass: max_size to (?P<n>\d+) {_COSTS}", _second_cap),
    (rf"lower blocks: min_size to 2 {_COSTS}", _min_size),
    (rf"budget: (?P<limits>.+?) {_COSTS}", _budget),
    (rf"(?P<second>second_pass: )?embedding: (?P<cuts>.+?) {_COSTS}", _lists),
    (rf"matching: threshold (?P<n>[\d.e-]+) {_COSTS}", _threshold),
)


def as_declared(change: Change) -> str:
    """Write a change as it stands in a declaration, on one line."""
    text = yaml.safe_dump(
        dict(change.settings), default_flow_style=True, sort_keys=False, width=float("inf")
    )
    return text.strip()[1:-1]
