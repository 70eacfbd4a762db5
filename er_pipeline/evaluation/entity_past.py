"""What happened to an entity, as its events say."""

from typing import Any

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import quoted

EVENT_COLUMNS = (
    *("event_no", "run_no", "at", "entity_id", "event", "other_entity_id", "records"),
    *("records_before", "records_after", "cause", "source", "record_id"),
)


def past_of(engine: Engine, entity_id: int) -> list[dict[str, Any]]:
    """List the events of an entity, also those of others that name it, the oldest first.

    Reads the engine's entity_events. One mapping per event, by `EVENT_COLUMNS`; at: as a text.
    """
    events = engine.rows(
        f"select {', '.join(map(quoted, EVENT_COLUMNS))}"
        " from entity_events where entity_id = $1 or other_entity_id = $1 order by event_no",
        [entity_id],
    )
    return [
        {
            name: value.isoformat() if name == "at" else value
            for name, value in zip(EVENT_COLUMNS, row, strict=True)
        }
        for row in events
    ]
