"""An explained record as lines for people."""

from collections.abc import Iterator

from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.evaluation.explained_record import ExplainedRecord, RecordEntity
from er_pipeline.evaluation.record_keys import KeyBlock
from er_pipeline.terminal.entities import event_lines
from er_pipeline.terminal.explain_lines import DROP_TEXTS, SHOWN
from er_pipeline.terminal.text_table import table_lines

# Events and members that are listed for people; --json has all events.
EVENTS_LISTED, MEMBERS_LISTED = 10, 10


def record_lines(record: ExplainedRecord) -> Iterator[str]:
    """Write what became of a record, the sentence last."""
    yield from table_lines(
        ("", f"{record.record.source}:{record.record.record_id}"),
        [(field, value or "") for field, value in record.values.items()],
        None,
        most=SHOWN,
    )
    yield ""
    yield from table_lines(
        ("strategy", "key", "block"),
        [
            (keys.strategy, block.key if block else "none", _block(block) if block else "-")
            for keys in record.keys
            for block in keys.blocks or (None,)
        ],
        None,
        most=SHOWN,
    )
    yield ""
    listed = len(record.candidates)
    best = f", the best {listed}" if listed < record.n_candidates else ""
    yield f"candidates      {record.n_candidates:,}{best}"
    if record.candidates:
        yield from _candidates(record)
    if record.entity is not None:
        yield ""
        yield from _entity(record.entity)
    yield ""
    yield record.sentence


def _candidates(record: ExplainedRecord) -> Iterator[str]:
    rows = [
        (
            f"{candidate.partner.source}:{candidate.partner.record_id}",
            ", ".join(candidate.proposed_by),
            *(
                "" if number is None else f"{number:.{digits}f}"
                for number, digits in (
                    (candidate.weight, 4),
                    (candidate.similarity, 4),
                    (candidate.score, 6),
                )
            ),
        )
        for candidate in record.candidates
    ]
    header = ("partner", "made by", "weight", "cosine", "probability")
    filled = [i for i in range(len(header)) if any(row[i] for row in rows)]
    names = [header[i] for i in filled]
    yield from table_lines(names, [[row[i] for i in filled] for row in rows], None, most=SHOWN)


def _block(block: KeyBlock) -> str:
    if block.records is None:
        return DROP_TEXTS[block.why] if block.why else "-"
    if block.records == 1:
        return "1 record, itself"
    return f"{count_of(block.records, 'record')}, {DROP_TEXTS.get(block.why, 'compared')}"


def _entity(entity: RecordEntity) -> Iterator[str]:
    named = ", ".join(f"{one.source}:{one.record_id}" for one in entity.members[:MEMBERS_LISTED])
    more = entity.records - min(len(entity.members), MEMBERS_LISTED)
    yield (
        f"entity          {entity.entity_id}, of {count_of(entity.records, 'record')}: {named}"
        + (f" and {more:,} more" if more else "")
    )
    left_out = len(entity.events) - EVENTS_LISTED
    if left_out > 0:
        yield f"its history     the last {EVENTS_LISTED} of {len(entity.events):,} events"
    yield from event_lines(entity.events[-EVENTS_LISTED:])
