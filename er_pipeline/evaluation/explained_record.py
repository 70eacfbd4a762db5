"""What became of one record: its keys and blocks, its candidates, its entity, and why it has none.

What explains a pair is in `explained_pair`; the blocks are read as there, see `record_keys`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.evaluation.entity_past import past_of
from er_pipeline.evaluation.missed_keys import list_proposers
from er_pipeline.evaluation.proposed_true import tables_of_proposals
from er_pipeline.evaluation.record_candidates import Candidate, find_candidates
from er_pipeline.evaluation.record_keys import (
    KeyBlock,
    ask_records,
    blocks_of_keys,
    keys_of_records,
)

# Engine table of the record in question.
ASKED = "record_asked"
# Members of an entity that are named.
MEMBERS_NAMED = 50
# Why a block is not compared, as a sentence says it.
BLOCK_TEXTS = {
    "oversized": "over the cap",
    "refined": "over the cap and divided",
    "below_min_size": "too small",
    "one_source": "of one source alone",
}


@dataclass(frozen=True)
class RecordKeys:
    """The keys that a strategy or rule gives the record, each with its block."""

    strategy: str
    expression: str
    blocks: tuple[KeyBlock, ...]


@dataclass(frozen=True)
class RecordEntity:
    """The entity of the record.

    records: how many it has. members: the first `MEMBERS_NAMED` of them, itself among them. events:
    its history, see `past_of`.
    """

    entity_id: int
    records: int
    members: tuple[RecordName, ...]
    events: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class ExplainedRecord:
    """What became of one record.

    values: field -> clean value. n_candidates: of all its candidate pairs; candidates: the best.
    why_none: what keeps it from having any; empty if it has some. threshold: least probability of a
    match; None where nothing is scored, and then there is no entity.
    """

    record: RecordName
    values: dict[str, str | None]
    keys: tuple[RecordKeys, ...]
    n_candidates: int
    candidates: tuple[Candidate, ...]
    why_none: str
    threshold: float | None
    entity: RecordEntity | None

    @property
    def sentence(self) -> str:
        """What became of the record."""
        name = self.record.record_id
        if not self.n_candidates:
            said = f"{name} has no candidate: {self.why_none}"
        else:
            blocks = [block for keys in self.keys for block in keys.blocks]
            n_compared = sum(not block.why for block in blocks)
            said = f"{name} has {count_of(self.n_candidates, 'candidate')}"
            if blocks:
                said += f", with {n_compared} of its {count_of(len(blocks), 'block')} compared"
        if self.entity is None:
            return f"{said}."
        if self.entity.records > 1:
            size = f"{self.entity.records:,} records"
            return f"{said}; it is in entity {self.entity.entity_id}, of {size}."
        best = self.candidates[0].score if self.candidates else None
        if best is not None and self.threshold is not None and best < self.threshold:
            said += f"; the best scores {best:.4f}, the threshold is {self.threshold:g}"
        return f"{said}; it is alone in entity {self.entity.entity_id}."


def explain_record(
    engine: Engine, lake: Lake, spec: PipelineSpec, record: RecordName, most: int
) -> ExplainedRecord:
    """Find what became of a record, in every table that the last run made.

    most: candidates that are listed, the best first; see `find_candidates`.
    Raises InputError if there is no such record; LakeError if a table is missing or stale.
    """
    tables = ["cleaned_records", "unified_pairs", "dropped_blocks"]
    tables += [table for table in tables_of_proposals(spec) if table != "true_pairs"]
    if spec.matching:
        tables += ["em_model", "entities", "entity_events"]
    for table in tables:
        lake.open(engine, table)
    record_no = find_record(engine, spec, record)
    ask_records(engine, [record_no], ASKED)
    keys = tuple(_keys(engine, lake, spec, record_no))
    n_candidates, candidates = find_candidates(engine, lake, spec, record_no, most)
    fields = list(spec.field_kinds)
    values = engine.row(f"select {', '.join(map(quoted, fields))} from {ASKED}")
    return ExplainedRecord(
        record=record,
        values=dict(zip(fields, values, strict=True)),
        keys=keys,
        n_candidates=n_candidates,
        candidates=tuple(candidates),
        why_none="" if n_candidates else _why_none(spec, keys),
        threshold=spec.matching.threshold if spec.matching else None,
        entity=_entity(engine, record_no) if spec.matching else None,
    )


def find_record(engine: Engine, spec: PipelineSpec, name: RecordName) -> int:
    """Give the number of a record in the engine's cleaned_records.

    Raises InputError if there is none of that source and id.
    """
    rows = engine.rows(
        "select record_no from cleaned_records where source = ? and record_id = ?",
        [name.source, name.record_id],
    )
    if not rows:
        raise InputError(
            f"source {name.source!r} of dataset {spec.dataset!r} has no record"
            f" {name.record_id!r}; ids are written as in the source"
        )
    return int(rows[0][0])


def _keys(engine: Engine, lake: Lake, spec: PipelineSpec, record_no: int) -> Iterator[RecordKeys]:
    proposers = list_proposers(spec, lake)
    found = keys_of_records(engine, proposers, ASKED, [record_no])
    for proposer in proposers:
        blocks = blocks_of_keys(engine, lake, proposer, found[proposer.name][record_no])
        yield RecordKeys(proposer.name, proposer.conjunction.expression, blocks)


def _why_none(spec: PipelineSpec, keys: Sequence[RecordKeys]) -> str:
    """Say what keeps a record without a candidate from having one, the last thing first."""
    blocks = [(of.strategy, block) for of in keys for block in of.blocks]
    compared = [block for _, block in blocks if not block.why and block.records is not None]
    also = ", and no neighbour is near enough" if spec.encoder else ""
    if compared and spec.budget:
        return f"the budget cut all pairs of its {count_of(len(compared), 'compared block')}{also}"
    dropped = [
        f"{strategy} {block.key!r} of {block.records:,} records is {BLOCK_TEXTS[block.why]}"
        for strategy, block in blocks
        if block.why and block.records is not None and block.records > 1
    ]
    if dropped:
        return f"no block that it shares is compared ({'; '.join(dropped)}){also}"
    if blocks:
        return f"no other record shares any of its {count_of(len(blocks), 'key')}{also}"
    if keys:
        return f"no strategy gives it a key{also}"
    return "no neighbour is near enough"


def _entity(engine: Engine, record_no: int) -> RecordEntity:
    """Give the entity of a record, with its history."""
    entity_id, entity_no = engine.row(
        f"select entity_id, entity_no from entities where record_no = {record_no}"
    )
    of_entity = f"select record_no from entities where entity_no = {entity_no}"
    (n_records,) = engine.row(f"select count(*) from ({of_entity})")
    members = engine.rows(
        "select source, record_id from cleaned_records where record_no in"
        f" ({of_entity} order by record_no limit {MEMBERS_NAMED}) order by record_no"
    )
    return RecordEntity(
        int(entity_id),
        int(n_records),
        tuple(RecordName(*row) for row in members),
        tuple(past_of(engine, int(entity_id))),
    )
