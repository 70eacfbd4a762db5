"""Shown pairs: two records with the values of both, for people to judge side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from er_pipeline.blocking.labels.labels import BRIDGE, Label, RecordName, give_labels
from er_pipeline.blocking.labels.value_differences import Compared, cells, compared
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal, quoted

# So many of the weakest bridges are asked about, as many as of the rarest kind in the queue.
MOST_BRIDGES = 40
REASON_TEXTS = {
    "likely_uncovered": "no rule proposes this pair, and it is among the likeliest matches",
    "dearest_rule": "only the most expensive rule proposes this pair",
    "bridge": "this match alone holds two groups of records together as one entity",
    "audit": "drawn at random from the candidates, for unbiased estimates",
}


@dataclass(frozen=True)
class ShownPair:
    """A pair with its clean values.

    values: field -> (left value, right value); None is no value.
    reason: why the pair is asked. rules: the rules that propose it, where that matters.
    """

    left: RecordName
    right: RecordName
    reason: str
    rules: tuple[str, ...]
    values: dict[str, tuple[str | None, str | None]]

    @property
    def pair(self) -> tuple[RecordName, RecordName]:
        """The two records, the same whichever of them stands on the left."""
        return min(self.left, self.right), max(self.left, self.right)

    @property
    def why(self) -> str:
        """Why the pair is asked, in words."""
        rules = f" ({', '.join(self.rules)})" if self.rules else ""
        return f"{REASON_TEXTS.get(self.reason, self.reason)}{rules}"

    @property
    def rows(self) -> list[tuple[str, Compared]]:
        """The two records field by field, their names first."""
        ends = (self.left, self.right)
        is_one = self.left.source == self.right.source
        left, right = (cells(end.record_id if is_one else " ".join(end)) for end in ends)
        fields = ((field, compared(*values)) for field, values in self.values.items())
        return [("record", Compared(" ", left, right)), *fields]


def show_queue(engine: Engine, lake: Lake, spec: PipelineSpec) -> list[ShownPair]:
    """List the pairs worth asking about: the weakest bridges of entities, then the queue.

    Reads cleaned_records, label_queue and, where records are matched and the table fits,
    entity_bridges: the queue is made before there are matches, and without a model, too.
    Raises LakeError if one of the first two is not there, or does not follow from the settings and
    tables as they are now.
    """
    missing = [table for table in ("cleaned_records", "label_queue") if not lake.has(table)]
    if missing:
        raise LakeError(
            f"dataset {spec.dataset!r} has no {' and no '.join(missing)} in the lake {lake.root}:"
            " declare `labels` and run `er-pipeline run DEFS.yaml` first; it chooses the pairs to"
            " ask about (is --lake right?)"
        )
    for table in ("cleaned_records", "label_queue"):
        lake.open(engine, table)
    bridges = _bridges_sql(engine, lake, spec)
    rows = engine.rows(
        f"""
        select l.source, l.record_id, r.source, r.record_id, q.reason, q.rules, {_values(spec)}
        from (
            select queue_no, left_no, right_no, reason, rules from label_queue {bridges}
        ) as q
        join cleaned_records as l on l.record_no = q.left_no
        join cleaned_records as r on r.record_no = q.right_no
        order by q.queue_no
        """
    )
    return [_shown(row, spec) for row in rows]


def _bridges_sql(engine: Engine, lake: Lake, spec: PipelineSpec) -> str:
    """Write the part of the queue's query that puts bridges before it; nothing if none fit."""
    if spec.matching is None or not lake.has("entity_bridges"):
        return ""
    try:
        lake.open(engine, "entity_bridges")
    except LakeError:
        return ""  # of other records or settings
    return (
        f"union all select bridge_no - {MOST_BRIDGES}, left_no, right_no, {literal(BRIDGE)}, null"
        f" from entity_bridges where bridge_no < {MOST_BRIDGES}"
    )


def show_labelled(
    engine: Engine, lake: Lake, spec: PipelineSpec, labels: Sequence[Label]
) -> list[ShownPair]:
    """Give the pair of every label with its values, in the order of the labels.

    Reads cleaned_records; a record that is not there has no values.
    """
    lake.open(engine, "cleaned_records")
    give_labels(engine, labels, "shown_labels")
    rows = engine.rows(
        f"""
        select g.left_source, g.left_id, g.right_source, g.right_id, g.reason, null, {_values(spec)}
        from shown_labels as g
        left join cleaned_records as l on l.record_id = g.left_id and l.source = g.left_source
        left join cleaned_records as r on r.record_id = g.right_id and r.source = g.right_source
        order by g.label_no
        """
    )
    return [_shown(row, spec) for row in rows]


def _values(spec: PipelineSpec) -> str:
    return ", ".join(f"l.{quoted(name)}, r.{quoted(name)}" for name in spec.field_kinds)


def _shown(row: tuple[Any, ...], spec: PipelineSpec) -> ShownPair:
    left_source, left_id, right_source, right_id, reason, rules, *values = row
    return ShownPair(
        RecordName(left_source, left_id),
        RecordName(right_source, right_id),
        reason,
        tuple(rules or ()),
        dict(zip(spec.field_kinds, zip(values[::2], values[1::2], strict=True), strict=True)),
    )
