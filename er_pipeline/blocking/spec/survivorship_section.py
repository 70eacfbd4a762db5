"""The section `survivorship`: which record's value stands for its entity."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from er_pipeline.blocking.spec.settings import Identifier, Problem, Settings
from er_pipeline.blocking.tables.errors import did_you_mean

if TYPE_CHECKING:  # a spec lists its problems itself
    from er_pipeline.blocking.spec.pipeline import PipelineSpec

Rule = Literal["most_frequent", "newest", "longest", "source_order"]
# What golden_records and its view have beside the fields, and what they make of each.
OWN_COLUMNS = ("entity_no", "entity_id", "records")
ENDINGS = ("_record_no", "_record", "_source")


class Survivorship(Settings):
    """Which value of an entity's records survives in its golden record; NULL never does."""

    default: Rule = Field("most_frequent", description="The rule of every field not in `fields`.")
    fields: dict[Identifier, Rule] = Field(
        default_factory=dict,
        description="field: rule; most_frequent, newest, longest or source_order.",
    )
    newest_by: Identifier | None = Field(
        None, description="The field of the kind date that says how new a record is."
    )
    source_order: list[str] | None = Field(
        None,
        min_length=1,
        description="Names of sources, the most trusted first; in the order of `sources` if"
        " omitted. Sources that are not named come last.",
    )

    def rule_of(self, field: str) -> str:
        """The rule of a field."""
        return self.fields.get(field, self.default)

    def sources_in_order(self, labels: list[str]) -> list[str]:
        """List all sources, the most trusted first."""
        return list(dict.fromkeys([*(self.source_order or ()), *labels]))


def survivorship_problems(spec: "PipelineSpec") -> Iterator[Problem]:
    """List what is wrong with a spec's survivorship."""
    section = spec.survivorship
    if section is None:
        return
    kinds = spec.field_kinds
    if spec.matching is None:
        yield ("survivorship",), "golden records are of entities; write matching: true, too"
    for name in section.fields:
        if name not in kinds:
            there_are = did_you_mean(name, kinds) or f" there are {', '.join(kinds)}"
            yield ("survivorship", "fields", name), f"field {name!r} is unknown;{there_are}"
    if section.newest_by is None:
        if "newest" in (section.default, *section.fields.values()):
            yield (
                ("survivorship",),
                "the rule newest needs to know how new a record is; write newest_by: and the name"
                " of a field of the kind date",
            )
    elif kinds.get(section.newest_by) != "date":
        kind = kinds.get(section.newest_by)
        what = f"is of the kind {kind}" if kind else "is unknown"
        yield (
            ("survivorship", "newest_by"),
            f"field {section.newest_by!r} {what}; write the name of a field of the kind date, such"
            " as fields: {updated: date}",
        )
    for source in section.source_order or ():
        if source not in spec.source_labels:
            yield (
                ("survivorship", "source_order"),
                f"{source!r} is no source; there are {', '.join(spec.source_labels)}",
            )
    names = {name.lower() for name in kinds}
    made = {f"{name}{ending}" for name in names for ending in ENDINGS}
    for name in sorted(names & {*made, *OWN_COLUMNS}):
        yield (
            ("survivorship",),
            f"golden_records has a column {name!r} of its own, so no field may be called so: rename"
            f" it, columns: {{my_{name}: {name}}}",
        )
