"""Why two records are, or are not, together: what every stage made of them, and what would help.

The causes and remedies are those of missed_matches, asked of one pair; see `pair_causes`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.pairs.weighed_when_read import holds_weights, with_weights
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.evaluation.contrary_terms import contrary_text
from er_pipeline.evaluation.entity_chain import ChainLink, strongest_chain
from er_pipeline.evaluation.entity_merges import count_merged
from er_pipeline.evaluation.explained_record import find_record
from er_pipeline.evaluation.missed_keys import list_proposers
from er_pipeline.evaluation.missed_matches import tables_read
from er_pipeline.evaluation.pair_causes import CANDIDATES, PROPOSED, explain_pairs
from er_pipeline.evaluation.pair_score import PairScore, score_pair
from er_pipeline.evaluation.parted_pair import PairLabel, read_label, why_apart
from er_pipeline.evaluation.record_keys import (
    KeyBlock,
    ask_records,
    blocks_of_keys,
    keys_of_records,
)
from er_pipeline.evaluation.remedy_settings import NO_CHANGE, NO_MATCH, Change, change_of
from er_pipeline.matching.entity_cuts import ENTITY_CUTS
from er_pipeline.matching.entity_links import ENTITY_LINKS
from er_pipeline.matching.splink_linker import read_model
from er_pipeline.matching.term_frequencies import frequencies_of_records

# Engine table of the two records.
ASKED = "records_asked"
# What stands between two records that are not together, as the sentence says it.
CAUSE_TEXTS = {
    "no_key": "no strategy gives a key to both",
    "keys_differ": "no strategy gives them a common key",
    "below_similarity": "they share no key, and their cosine left them out of the lists",
    "block_dropped": "the block that they share is not compared",
    "cut_by_budget": "the budget cut the pair",
    "below_threshold": "they are compared, and the model gives them too little",
}


@dataclass(frozen=True)
class PairKeys:
    """The keys that a strategy or rule gives the two records, and the blocks that hold both."""

    strategy: str
    expression: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    blocks: tuple[KeyBlock, ...]


@dataclass(frozen=True)
class Missed:
    """Why the pair is not found.

    cause: of MISSED_CAUSES. detail: the keys, block, weight, cosine or score. remedy: the cheapest
    change that would find it, and its cost in pairs. change: the same as settings, None where no
    single change is known. merged: by how many entities there would be fewer with it, where that is
    known, see `count_merged`.
    """

    cause: str
    detail: str
    remedy: str
    change: Change | None = None
    merged: int | None = None

    @property
    def is_mended(self) -> bool:
        """Whether what the remedy says would unite the two."""
        if self.change is not None:
            return self.change.makes_match
        return not self.remedy.startswith(NO_CHANGE)


@dataclass(frozen=True)
class ExplainedPair:
    """What became of two records.

    values: field -> both clean values. proposed_by: the strategies and rules that make the pair.
    weight, least_weight: the pair's where it is kept, and the least that is kept. similarity, rank:
    of the lists of neighbours, where the pair stands in them. entities: (of the left one, of the
    right one) as (entity_id, records); chain: the links that join them, where they are in one.
    missed: None where the pair is found. label: what people said of the pair. apart: why the two
    are in two entities though they match, or were called a match; None if they are not.
    """

    left: RecordName
    right: RecordName
    values: dict[str, tuple[str | None, str | None]]
    keys: tuple[PairKeys, ...]
    similarity: float | None
    rank: int | None
    proposed_by: tuple[str, ...]
    is_candidate: bool
    weight: float | None
    least_weight: float | None
    score: PairScore | None
    threshold: float | None
    entities: tuple[tuple[str, int], tuple[str, int]] | None
    chain: tuple[ChainLink, ...]
    missed: Missed | None
    label: PairLabel | None = None
    apart: str | None = None

    @property
    def is_together(self) -> bool:
        """Whether both are in one entity."""
        return self.entities is not None and self.entities[0] == self.entities[1]

    @property
    def sentence(self) -> str:
        """What became of the pair, what parts it first, and what would unite it at least cost."""
        names = f"{self.left.record_id} and {self.right.record_id}"
        if self.is_together:
            return f"{names} are one entity{self._joined()}."
        if self.missed is None:
            if self.score is None:
                return f"{names} are a candidate pair, made by {', '.join(self.proposed_by)}."
            why = f": {self.apart}" if self.apart else ""
            return f"{names} match ({self.score.probability:.4f}), and are kept apart{why}."
        cause = CAUSE_TEXTS[self.missed.cause]
        if self.label and self.label.answer == "no_match":
            return (
                f"{names} are not together: a label calls them no match ({self.label.by});"
                f" besides, {cause} ({self.missed.detail})."
            )
        if self.label and self.label.answer == "match" and self.apart:
            return (
                f"{names} are not together, though a label calls them a match"
                f" ({self.label.by}): {self.apart}."
            )
        return (
            f"{names} are not together: {cause} ({self.missed.detail})."
            f" Cheapest change: {self.missed.remedy}."
            + (self._merged() if self.entities else "")
            + self._contrary()
        )

    def _joined(self) -> str:
        """Say what joins two records of one entity."""
        if self.label and self.label.answer == "match":
            given = f"; the model gives them {self.score.probability:.4f}" if self.score else ""
            return f": a label calls them a match ({self.label.by}){given}"
        if self.missed is None:
            assert self.score, "there are entities, so there is a model"
            return f": they match ({self.score.probability:.4f})"
        by = ""
        if self.chain:
            what = "links" if any(link.answered for link in self.chain) else "matches"
            by = f" by a chain of {len(self.chain)} {what}"
        return f"{by}; not by themselves: {CAUSE_TEXTS[self.missed.cause]} ({self.missed.detail})"

    def _contrary(self) -> str:
        """Say what speaks against a pair that the model gives too little."""
        assert self.missed, "they are not together"
        is_doubted = self.missed.remedy.startswith(NO_MATCH)
        if self.score is None or not (is_doubted or self.missed.cause == "below_threshold"):
            return ""
        text = contrary_text(self.score, self.values)
        return f" {text}" if text else ""

    def _merged(self) -> str:
        assert self.entities, "there are entities"
        (_, left), (_, right) = self.entities
        merged = self.missed.merged if self.missed else None
        said = []
        if self.missed is None or self.missed.is_mended:
            said.append(f"united, their entities of {left:,} and {right:,} records become one")
        if merged is not None:
            said.append(f"in all the change makes {_fewer(merged)}")
        text = "; ".join(said)
        return f" {text[0].upper()}{text[1:]}." if text else ""


def _fewer(n: int) -> str:
    return f"{count_of(n, 'entity', 'entities')} fewer" if n else "no entity fewer"


def explain_pair(
    engine: Engine, lake: Lake, spec: PipelineSpec, left: RecordName, right: RecordName
) -> ExplainedPair:
    """Find what became of two records, in every table that the last run made.

    Raises InputError if a record is not there, both are one, or their pair is never compared (of
    one source, when linking); LakeError if a table is missing or stale.
    """
    threshold = spec.matching.threshold if spec.matching else None
    for table in tables_read(spec, threshold):
        if table != "true_pairs":
            lake.open(engine, table)
    given = [find_record(engine, spec, name) for name in (left, right)]
    _check_pair(spec, left, right, given)
    ends = sorted(given)
    engine.make_table(
        "true_pairs", f"select {ends[0]}::integer as left_no, {ends[1]}::integer as right_no"
    )
    truth = None
    if spec.truth is not None and lake.has("true_pairs"):
        truth = "known_pairs"
        lake.open(engine, "true_pairs", truth)
    ask_records(engine, ends, ASKED)
    explained = explain_pairs(engine, lake, spec, threshold, truth, few=ASKED)
    found = engine.rows(f"select cause, detail, remedy from {explained.table}")
    missed = _missed(engine, lake, spec, *found[0]) if found else None
    names = {bit: name for name, bit in unified_facts(lake)["strategy_bits"].items()}
    masks = engine.rows(f"select strategy_mask from {PROPOSED}")
    proposed = [name for bit, name in sorted(names.items()) if masks and masks[0][0] >> bit & 1]
    is_candidate = missed is None or missed.cause == "below_threshold"
    weight, least = _weights(engine, lake, spec)
    neighbours = _of_pair(engine, "embedding_blocks", "similarity, rank", ends, spec.embedding)
    label = read_label(engine, lake, spec, ends)
    score, entities, apart = None, None, None
    chain: Sequence[ChainLink] = ()
    if spec.matching:
        model = read_model(lake)
        frequencies = frequencies_of_records(engine, lake, model, ASKED)
        score = score_pair(engine, model, frequencies, (ends[0], ends[1]), ASKED)
        lake.open(engine, ENTITY_LINKS.name)
        lake.open(engine, ENTITY_CUTS.name)
        entities, chain = _entities(engine, spec, given)
        is_called = label is not None and label.answer == "match"
        if entities and entities[0] != entities[1] and (missed is None or is_called):
            apart = why_apart(engine, spec, ends, label)
    return ExplainedPair(
        left=left,
        right=right,
        values=_values(engine, spec, given),
        keys=tuple(_keys(engine, lake, spec, given)),
        similarity=neighbours[0] if neighbours else None,
        rank=neighbours[1] if neighbours else None,
        proposed_by=tuple(proposed),
        is_candidate=is_candidate,
        weight=weight,
        least_weight=least,
        score=score,
        threshold=threshold,
        entities=entities,
        chain=tuple(chain),
        missed=missed,
        label=label,
        apart=apart,
    )


def _missed(
    engine: Engine, lake: Lake, spec: PipelineSpec, cause: str, detail: str, remedy: str
) -> Missed:
    change = change_of(spec, remedy)
    merged = count_merged(engine, lake, spec, change) if change else None
    return Missed(cause, detail, remedy, change, merged)


def _keys(
    engine: Engine, lake: Lake, spec: PipelineSpec, given: Sequence[int]
) -> Iterator[PairKeys]:
    """Give the keys of two records by each strategy and rule, and the blocks that hold both."""
    proposers = list_proposers(spec, lake)
    found = keys_of_records(engine, proposers, ASKED, given)
    for proposer in proposers:
        left, right = (found[proposer.name][no] for no in given)
        shared = [key for key in left if key in right]
        blocks = blocks_of_keys(engine, lake, proposer, shared)
        yield PairKeys(proposer.name, proposer.conjunction.expression, left, right, blocks)


def _check_pair(
    spec: PipelineSpec, left: RecordName, right: RecordName, given: Sequence[int]
) -> None:
    if given[0] == given[1]:
        raise InputError(f"{left.record_id!r} is one record: name two")
    if spec.link_mode == "link" and left.source == right.source:
        raise InputError(
            f"{left.record_id!r} and {right.record_id!r} are both of source {left.source!r}, which"
            " `mode: link` never compares with itself; `mode: link_and_dedupe` does"
        )


def _of_pair(
    engine: Engine, table: str, columns: str, ends: Sequence[int], is_there: object = True
) -> tuple[float, int] | None:
    """Read the row of a pair in a table of pairs; None if it has none."""
    if not is_there:
        return None
    rows = engine.rows(
        f"select {columns} from {table} where left_no = {ends[0]} and right_no = {ends[1]}"
    )
    return rows[0] if rows else None


def _weights(engine: Engine, lake: Lake, spec: PipelineSpec) -> tuple[float | None, float | None]:
    """Give the weight of a candidate pair and, where pairs are ranked, the least that is kept."""
    weight, least = None, None
    if engine.rows(f"select 1 from {CANDIDATES}"):
        (weight,) = engine.row(
            f"select weight from ({with_weights(engine, lake, spec, CANDIDATES)})"
        )
    if holds_weights(spec):
        (least,) = engine.row("select min(weight) from unified_pairs")
    return weight, least


def _values(
    engine: Engine, spec: PipelineSpec, given: Sequence[int]
) -> dict[str, tuple[str | None, str | None]]:
    fields = list(spec.field_kinds)
    columns = ", ".join(map(quoted, fields))
    left, right = (
        engine.row(f"select {columns} from {ASKED} where record_no = {no}") for no in given
    )
    return dict(zip(fields, zip(left, right, strict=True), strict=True))


def _entities(
    engine: Engine, spec: PipelineSpec, given: Sequence[int]
) -> tuple[tuple[tuple[str, int], tuple[str, int]] | None, Sequence[ChainLink]]:
    """Give the entities of two records, and the matches that join them, where they are in one."""
    assert spec.matching, "matching is on"
    found = {
        no: engine.row(
            "select entity_id, entity_no, count(*) from entities where entity_no ="
            f" (select entity_no from entities where record_no = {no})"
            " group by entity_id, entity_no"
        )
        for no in given
    }
    left, right = ((str(found[no][0]), int(found[no][2])) for no in given)
    if left != right:
        return (left, right), ()
    return (left, right), strongest_chain(engine, spec, found[given[0]][1], given[0], given[1])
