"""One entity as the last good run left it: its records, its past, and what its id stands for."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.evaluation.entity_past import past_of
from er_pipeline.matching.entity_ids import LEDGER
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline.terminal.record_arguments import records_named

# Records that are listed for people; --json has all.
MOST_LISTED = 100
EVENT_TEXTS = {
    "minted": "minted",
    "split": "split from {other}",
    "shrank": "shrank",
    "grew": "grew",
    "merged": "merged into {other}",
    "retired": "retired",
}


class Found(TypedDict):
    """An id: in_use, or retired and what it resolves to; records and events, the oldest first.

    records: (source, record_id) of the entities that it resolves to, with entity_id. events: also
    those of others that name it.
    """

    entity_id: int
    in_use: bool
    resolves_to: list[int]
    records: list[dict[str, Any]]
    events: list[dict[str, Any]]


class Ledger:
    """The entities that were last published, with their events."""

    def __init__(self, engine: Engine, lake: Lake, spec: PipelineSpec) -> None:
        """Make the tables readable; raise LakeError if no entities were ever published."""
        folders = lake.ledger("entities", LEDGER)
        if folders is None:
            raise LakeError(
                f"dataset {spec.dataset!r} has no entities in the lake {lake.root}: declare"
                " `matching` and run `er-pipeline run DEFS.yaml` first (is --lake right?)"
            )
        for table, folder in folders.items():
            engine.read_folder(folder, table)
        self.engine, self.spec = engine, spec

    def entity_of(self, record: str) -> int:
        """Return the id of the entity that a record is in: source:record_id, or record_id alone.

        Raises UsageError if there is no such record, or several.
        """
        found = records_named(self.engine, record)
        if not found:
            raise UsageError(
                f"no record {record!r}: write SOURCE:RECORD_ID, with the source as it is called in"
                " the view entities and the id as the source wrote it"
            )
        if len(found) > 1:
            named = " or ".join(f"{one.source}:{one.record_id}" for one in found)
            raise UsageError(f"several sources have a record {record!r}: write {named}")
        ((entity_id,),) = self.engine.rows(
            "select e.entity_id from entities as e join cleaned_records as r"
            " on r.record_no = e.record_no where r.source = ? and r.record_id = ?",
            list(found[0]),
        )
        return int(entity_id)

    def look_up(self, entity_id: int) -> Found:
        """Find an id, in use or retired; raise UsageError if it was never minted."""
        events = past_of(self.engine, entity_id)
        if not any(event["entity_id"] == entity_id for event in events):
            (highest,) = self.engine.row("select coalesce(max(entity_id), 0) from entity_events")
            raise UsageError(f"no entity has ever had the id {entity_id}; the ids go to {highest}")
        successors = self.engine.rows(
            "select successor_id from entity_history where entity_id = $1 order by 1", [entity_id]
        )
        resolves_to = [no for (no,) in successors if no is not None] if successors else [entity_id]
        records = self.engine.rows(
            f"""
            select r.source, r.record_id, e.entity_id from entities as e
            join cleaned_records as r on r.record_no = e.record_no
            where e.entity_id in ({", ".join(map(str, resolves_to)) or "null"})
            order by e.entity_id, e.record_no
            """
        )
        return Found(
            entity_id=entity_id,
            in_use=not successors,
            resolves_to=resolves_to,
            records=[
                dict(zip(("source", "record_id", "entity_id"), row, strict=True)) for row in records
            ],
            events=events,
        )


def entity_lines(found: Found) -> Iterator[str]:
    """Write what was found for people."""
    if found["in_use"]:
        yield f"Entity {found['entity_id']} has {count_of(len(found['records']), 'record')}:"
    elif found["resolves_to"]:
        stands_for = " and ".join(map(str, found["resolves_to"]))
        yield f"Entity {found['entity_id']} is retired; it resolves to {stands_for}:"
    else:
        yield f"Entity {found['entity_id']} is retired; none of its records is left."
    for record in found["records"][:MOST_LISTED]:
        of_which = "" if found["in_use"] else f"  entity {record['entity_id']}"
        yield f"  {record['source']}:{record['record_id']}{of_which}"
    if len(found["records"]) > MOST_LISTED:
        yield f"  and {len(found['records']) - MOST_LISTED:,} more; --json lists all"
    yield ""
    yield from event_lines(found["events"])


def event_lines(events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Write events for people, below a header."""
    yield f"{'at':<20} {'run':>5} {'entity':>9} {'records':>15}  what happened"
    for event in events:
        yield _event_line(event)


def _event_line(event: Mapping[str, Any]) -> str:
    other = event["other_entity_id"]
    text = EVENT_TEXTS[event["event"]].format(other=other)
    if event["event"] in ("shrank", "grew"):
        text += f" by {count_of(event['records'], 'record')}"
    if event["event"] == "shrank" and other is not None:
        text += f", now of {other}"
    if event["event"] == "grew" and other is not None:
        text += f" of {other}"
    sizes = f"{event['records_before']:,} -> {event['records_after']:,}"
    shown = "" if event["record_id"] is None else f", {event['source']}:{event['record_id']}"
    return (
        f"{event['at'][:19].replace('T', ' '):<20} {event['run_no']:>5} {event['entity_id']:>9}"
        f" {sizes:>15}  {text} ({event['cause'].replace('_', ' ')}{shown})"
    )
