"""What people said of two records, and why records that match are kept apart all the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from er_pipeline.blocking.labels.labels import SAID
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.matching.record_names import record_names


@dataclass(frozen=True)
class PairLabel:
    """What was said of a pair last, as the table labels has it."""

    answer: str
    who: str
    at: str
    source: str
    reason: str

    @property
    def by(self) -> str:
        """Who said it and when, as far as that is noted."""
        return f"{self.who or self.source}, {self.at}" if self.at else self.who or self.source

    @property
    def line(self) -> str:
        """What was said, by whom and when."""
        return f"{self.answer.replace('_', ' ')} ({self.by})"


def read_label(
    engine: Engine, lake: Lake, spec: PipelineSpec, ends: Sequence[int]
) -> PairLabel | None:
    """Read what people said of a pair, by the labels that the last run read; None if nothing.

    ends: left_no and right_no.
    """
    if spec.labels is None:
        return None
    try:
        lake.open(engine, "labels")
    except LakeError:  # nobody has read them yet
        return None
    found = engine.rows(
        f"select {', '.join(map(quoted, SAID))} from labels"
        f" where left_no = {ends[0]} and right_no = {ends[1]}"
    )
    return PairLabel(*(text or "" for text in found[0])) if found else None


def why_apart(
    engine: Engine, spec: PipelineSpec, ends: Sequence[int], label: PairLabel | None
) -> str | None:
    """Say why two records that match, or were called a match, are not in one entity.

    ends: left_no and right_no. Reads the engine's cleaned_records, entities, entity_links and
    entity_cuts. None if nothing that is kept says why.
    """
    assert spec.matching, "matching is on"
    if label and label.answer == "no_match":
        return f"a label calls them no match ({label.by})"
    cuts = engine.rows(
        "select because_left_no, because_right_no from entity_cuts"
        f" where left_no = {ends[0]} and right_no = {ends[1]}"
        " order by because_left_no, because_right_no limit 1"
    )
    if cuts:
        names = record_names(engine, spec, cuts[0])
        left, right = (names[no] for no in cuts[0])
        return f"their link is cut, since a label calls {left} and {right} no match"
    return _best_partners(engine, spec, ends) if spec.matching.one_to_one else None


def _best_partners(engine: Engine, spec: PipelineSpec, ends: Sequence[int]) -> str:
    """Say with whom one_to_one joined either record instead."""
    rows = engine.rows(
        f"""
        select e.record_no, l.partner_no, l.match_probability
        from (values ({ends[0]}), ({ends[1]})) as e(record_no)
        join (
            select left_no as record_no, right_no as partner_no, match_probability, match_weight,
                answered from entity_links
            union all
            select right_no, left_no, match_probability, match_weight, answered from entity_links
        ) as l on l.record_no = e.record_no
        qualify row_number() over (
            partition by e.record_no order by answered desc, match_weight desc, partner_no
        ) = 1
        order by e.record_no
        """
    )
    names = record_names(engine, spec, [no for row in rows for no in row[:2]])
    taken = [
        f"{names[record]} went to {names[partner]}"
        + (f" ({probability:.4f})" if probability is not None else " by a label")
        for record, partner, probability in rows
    ]
    why = "one_to_one takes the best match of every record, and no two records of one source"
    return f"{why}: {', '.join(taken)}" if taken else why
