"""Stamps: the identity of a table, derived from all that shaped it.

    stamp(table) = hash(code of its step, its settings, {input: the stamp it was read with})

Tables made from outside add a fingerprint of their content. Steps are deterministic, so equal
stamps are equal tables; a table whose stamp is not the one that follows from the settings and the
tables as they are now is stale.

Source: sqlmesh derives the fingerprint of a model from its parents' in the same way.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from er_pipeline.blocking.tables.errors import LakeError

STAMP = "stamp.json"
PACKAGE = __name__.split(".")[0]


def imports_of(package: str) -> re.Pattern[str]:
    """Return the pattern of import statements of a package's modules, wherever they stand."""
    return re.compile(
        rf"^\s*(?:from|import) ({package}(?:\.\w+)*)(?: import (\([^)]*\)|[^#\n]*))?",
        re.MULTILINE,
    )


IMPORTED = imports_of(PACKAGE)


@dataclass(frozen=True)
class Plan:
    """What shapes a table, known before it is made.

    step: the table that is made to make this one. code, settings: digests. reads: its inputs.
    is_from_outside: whether its content counts, too. stays_in_force: of what
    is learned, whether changed inputs leave it as it is; None of other tables. learned_with: what
    is learned, too, and was when this was.
    """

    step: str
    code: str
    settings: str
    reads: tuple[str, ...]
    is_from_outside: bool
    stays_in_force: bool | None = None
    learned_with: tuple[str, ...] = ()

    @property
    def must_be_as_read(self) -> tuple[str, ...]:
        """The tables that must be as they were when it was made, or it is stale."""
        return self.learned_with if self.stays_in_force else self.reads


def plan_of_learned(plan: Plan, before: Mapping[str, Plan]) -> Plan:
    """Return the plan of a learned table, given those of all tables before it.

    In force it does not follow changed data, so what shapes the data on their way counts as its
    own: code and settings of every table between the sources and itself, but for those that read
    what comes from outside. Of what it reads, at any remove, what was learned must be what it was
    learned with.
    """
    above, waiting = set[str](), list(plan.reads)
    while waiting:
        name = waiting.pop()
        if name not in above:
            above.add(name)
            waiting += before[name].reads if name in before else ()
    read = {name: other for name, other in before.items() if name in above}
    shaping = [other for other in read.values() if not other.is_from_outside]
    return replace(
        plan,
        code=digest([plan.code, *(other.code for other in shaping)]),
        settings=digest([plan.settings, *(other.settings for other in shaping)]),
        learned_with=tuple(
            name for name, other in read.items() if other.stays_in_force is not None
        ),
    )


@dataclass(frozen=True)
class Stamp:
    """What shaped a table, noted beside it when it was made.

    made_from: input -> the stamp it was read with. content: of a table made from outside.
    The others are noted with the stamp and are no part of it; `current.py` compares them. outside:
    place -> fingerprint of what the step found there. libraries: name -> version of those at work.
    files: name -> bytes of each file of the table. thinned: the
    stamp that the table had before forgotten records were taken out of it. No step makes such a
    table, so no stamp of one is equal to it.
    """

    code: str
    settings: str
    made_from: Mapping[str, str]
    content: str | None = None
    outside: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)
    thinned: str | None = None

    @property
    def value(self) -> str:
        """The stamp itself, 16 hexadecimal digits."""
        shaped = [self.code, self.settings, sorted(self.made_from.items()), self.content]
        return digest(shaped if self.thinned is None else [*shaped, self.thinned])

    def save(self, folder: Path) -> None:
        """Note the stamp in a table's folder."""
        self.save_as(folder / STAMP)

    def save_as(self, path: Path) -> None:
        """Note the stamp in a file."""
        path.write_text(json.dumps(asdict(self), indent=1), "utf-8")


def read_stamp(folder: Path) -> Stamp | None:
    """Read what was noted when the table of a folder was made; None if nothing can be read."""
    try:
        noted: dict[str, Any] = json.loads((folder / STAMP).read_text("utf-8"))
        return Stamp(**noted)
    except (OSError, ValueError, TypeError):
        return None


def upstream_of(table: str, plans: Mapping[str, Plan]) -> list[str]:
    """List all that must be as it was, at any remove, and itself, in the order of the flow.

    What stays in force needs nothing of what it was learned from but what is in force itself.
    """
    needed, waiting = {table}, [table]
    while waiting:
        plan = plans[waiting.pop()]
        new = set(plan.must_be_as_read) - needed
        needed |= new
        waiting += new
    return [name for name in plans if name in needed]


def first_stale(
    table: str, plans: Mapping[str, Plan], stamps: Mapping[str, Stamp | None]
) -> tuple[str, str] | None:
    """Find the first table, on the way from the sources to this one, that is stale.

    plans: of every table, in the order of the flow. stamps: of the tables that lie in the lake.
    Returns (table, reason); None if all of them follow from the settings and from each other.
    """
    for name in upstream_of(table, plans):
        plan, stamp = plans[name], stamps.get(name)
        if name not in stamps:
            return name, "is not in the lake"
        if stamp is None:
            return name, "was made by a version of er_pipeline that noted no stamp that can be read"
        if stamp.settings != plan.settings:
            return name, "was made under other settings than the defs.yaml has now"
        if stamp.code != plan.code:
            return name, "was made by another version of er_pipeline"
        if stamp.thinned is not None and not plan.stays_in_force:
            return name, "has lost records that were forgotten"
        for read in plan.must_be_as_read:
            of_input = stamps[read]
            assert of_input is not None
            if stamp.made_from.get(read) != of_input.value:
                return name, f"was made from an older {read}"
    return None


def check_stamp(
    dataset: str, table: str, plans: Mapping[str, Plan], stamps: Mapping[str, Stamp | None]
) -> None:
    """Refuse a table that does not follow from the settings and the tables as they are now.

    Raises LakeError that says which table to make again, and why.
    """
    found = first_stale(table, plans, stamps)
    if found is None:
        return
    stale, reason = found
    subject = f"{dataset}/{stale}"
    if stale != table:
        subject = f"{dataset}/{table} is made of {subject}, which"
    raise LakeError(
        f"{subject} {reason}: materialize {dataset}/{plans[stale].step} again, with all that is"
        f" made of it (--select '{plans[stale].step}+'), or run the whole dataset"
    )


def planned_stamps(plans: Mapping[str, Plan]) -> dict[str, str]:
    """Return table -> its stamp as far as settings and code decide it, sources aside.

    plans: of every table, in the order of the flow.
    """
    planned: dict[str, str] = {}
    for table, plan in plans.items():
        inputs = {read: planned[read] for read in plan.must_be_as_read}
        planned[table] = Stamp(plan.code, plan.settings, inputs).value
    return planned


def stale_tables(before: Mapping[str, Plan], after: Mapping[str, Plan]) -> set[str]:
    """Name the tables that a change of settings makes stale, those made of stale ones included.

    A table that only one of the two has is stale.
    """
    old, new = planned_stamps(before), planned_stamps(after)
    return {table for table in old.keys() | new.keys() if old.get(table) != new.get(table)}


def digest(value: Any) -> str:
    """Return 16 hexadecimal digits that stand for a JSON-ready value, settings models included.

    The order of mappings counts: that of fields and strategies shapes tables.
    """
    text = json.dumps(value, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is no setting: {value!r}")


@cache
def code_version(module: str) -> str:
    """Return a digest of a module's source and of all of this package that it imports.

    Changed code may make other tables, so their stamps change with it; what a step does not use
    leaves them alone.
    """
    sources = {name: source_of(name) for name in _imported(module)}
    return digest(dict(sorted(sources.items())))


def _imported(module: str) -> set[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or not source_of(name):
            continue
        found.add(name)
        waiting += _imported_by(name)
    return found


@cache
def _imported_by(module: str) -> Sequence[str]:
    """List what a module imports of this package, with all that it names in a package."""
    listed: list[str] = []
    for imported, names in IMPORTED.findall(source_of(module)):
        listed += [imported, *_modules_within(imported, names)]
    return listed


def _modules_within(package: str, names: str) -> Iterable[str]:
    """List what `from package import names` may name; what is no module is passed over later."""
    listed = (name.split(" as ")[0].strip(" \n(),") for name in names.split(","))
    return [f"{package}.{name}" for name in listed if name]


@cache
def source_of(module: str) -> str:
    """Read a module's source; empty if there is no such module."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # its parent is a module, not a package
        return ""
    if found is None or found.origin is None:
        return ""
    return Path(found.origin).read_text("utf-8")
