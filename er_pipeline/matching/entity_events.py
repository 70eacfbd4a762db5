"""Entity events: all that ever happened to entities, in a table that only grows.

minted begins an id and retired ends it. split and merged say where the records of the one came
from, and where those of the other went; shrank and grew what an entity that stays lost and gained.
So every record that has another id than the night before is in an event that names both.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import TableDraft, link_files
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.table import Column, Table
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.matching.event_causes import CAUSES, PAST_CAUSES

if TYPE_CHECKING:
    from collections.abc import Mapping

# In the order in which they stand where one entity has several of one night.
EVENTS = ("minted", "split", "shrank", "grew", "merged", "retired")
# Files of the table, one for each night with events: then they are put into one, so that reading
# it does not take longer and longer.
MOST_FILES = 60

ENTITY_ID = Column("entity_id", "BIGINT", "Id of the entity, minted once, never reused", minimum=1)
ENTITY_EVENTS = Table(
    "entity_events",
    "What happened to entities, from the first night on; kept for ever.",
    [
        Column("event_no", "BIGINT", "Place among all events", minimum=1),
        Column("run_no", "INTEGER", "The run, counted are those with an event", minimum=1),
        Column("at", "TIMESTAMP WITH TIME ZONE", "When that run joined entities"),
        ENTITY_ID,
        Column("event", "VARCHAR", "What happened to it", allowed=EVENTS),
        Column(
            "other_entity_id",
            "BIGINT",
            "Where the records came from or went, if there is one",
            required=False,
        ),
        Column("records", "BIGINT", "Records that the event is about", minimum=0),
        Column("records_before", "BIGINT", "Records of the entity before the run", minimum=0),
        Column("records_after", "BIGINT", "Records of it after the run", minimum=0),
        Column("cause", "VARCHAR", "Why", allowed=(*CAUSES, *PAST_CAUSES)),
        Column("source", "VARCHAR", "Source of a record that shows why", required=False),
        Column("record_id", "VARCHAR", "Its id; NULL once it was forgotten", required=False),
    ],
    all_columns("entity_events"),
    is_from_outside=True,
)
ENTITY_HISTORY = Table(
    "entity_history",
    "Retired ids, and what each stands for now. The view shows every event with it.",
    [
        ENTITY_ID,
        Column(
            "successor_id", "BIGINT", "An entity that has its records; NULL: none", required=False
        ),
    ],
    lambda relations: _history_view(relations),
    is_from_outside=True,
)


def find_retired(engine: Engine) -> None:
    """Make retired (entity_id), the ids that no entity has any more."""
    engine.make_table(
        "retired",
        "select distinct entity_id from old_entities anti join assigned using (entity_id)",
    )


def find_events(engine: Engine, *, is_first: bool) -> None:
    """Make new_events, without number, run and moment, of every flow of records.

    Reads the engine's flows, flow_causes, assigned, retired, joined, old_entities, cleaned_records
    and, but for a first run, old_cleaned_records.
    """
    engine.make_table(
        "sizes",
        """
        with touched as (
            select old_id as entity_id from flows union select new_id from flows
        )
        select t.entity_id, coalesce(o.n, 0) as n_before, coalesce(n.n, 0) as n_after,
            n.least_no, coalesce(n.is_minted, false) as is_minted,
            t.entity_id in (select entity_id from retired) as is_retired
        from touched as t
        left join (
            select entity_id, count(*) as n from old_entities group by entity_id
        ) as o on o.entity_id = t.entity_id
        left join (
            select a.entity_id, any_value(a.is_minted) as is_minted, count(*) as n,
                min(j.record_no) as least_no
            from joined as j join assigned as a on a.entity_no = j.entity_no group by a.entity_id
        ) as n on n.entity_id = t.entity_id
        where t.entity_id is not null
        """,
    )
    engine.make_table(
        "caused",
        """
        select f.old_id, f.new_id, f.records, c.* exclude (old_id, new_id),
            coalesce(o.is_retired, false) as is_retired, coalesce(n.is_minted, false) as is_minted
        from flows as f
        join flow_causes as c
            on c.old_id is not distinct from f.old_id and c.new_id is not distinct from f.new_id
        left join sizes as o on o.entity_id = f.old_id
        left join sizes as n on n.entity_id = f.new_id
        """,
    )
    names = (
        "left join cleaned_records as r on r.record_no = e.record_no"
        if is_first
        else """
            left join cleaned_records as r on r.record_no = e.record_no
            left join old_cleaned_records as o on o.record_no = e.old_no and e.record_no is null
        """
    )
    named = ("r.source", "r.record_id")
    if not is_first:
        named = ("coalesce(r.source, o.source)", "coalesce(r.record_id, o.record_id)")
    engine.make_table(
        "new_events",
        f"""
        select e.entity_id, e.event, e.other_entity_id, e.records, s.n_before as records_before,
            s.n_after as records_after, e.cause, {named[0]} as source, {named[1]} as record_id
        from ({_events_sql()}) as e
        join sizes as s on s.entity_id = e.entity_id
        {names}
        """,
    )


def _events_sql() -> str:
    """Write the query of all events of the flows in caused."""
    # An entity that has its records of several places, or went to several, has the cause of most.
    most = "order by old_id is null, records desc, old_id"
    went = "order by new_id is null, records desc, new_id"
    lost = "lost as cause, lost_old_no as old_no, lost_no as record_no"
    gained = "gained as cause, gained_old_no as old_no, gained_no as record_no"
    return f"""
        select new_id as entity_id, 'minted' as event, null::bigint as other_entity_id,
            n_after as records, case when old_id is null then gained else lost end as cause,
            case when old_id is null then gained_old_no else lost_old_no end as old_no,
            case when old_id is null then gained_no else lost_no end as record_no
        from (
            select * from caused where is_minted
            qualify row_number() over (partition by new_id {most}) = 1
        ) as c join sizes as s on s.entity_id = c.new_id
        union all
        select new_id, 'split', old_id, records, {lost} from caused
        where is_minted and old_id is not null
        union all
        select old_id, 'shrank', new_id, records, {lost} from caused
        where old_id is not null and not is_retired
        union all
        select new_id, 'grew', old_id, records, {gained} from caused
        where new_id is not null and not is_minted
        union all
        select old_id, 'merged', new_id, records, {gained} from caused
        where is_retired and new_id is not null and not is_minted
        union all
        select old_id, 'retired', new_id, n_before,
            case when new_id is null or c.is_minted then lost else gained end,
            case when new_id is null or c.is_minted then lost_old_no else gained_old_no end,
            case when new_id is null or c.is_minted then lost_no else gained_no end
        from (
            select * from caused where is_retired
            qualify row_number() over (partition by old_id {went}) = 1
        ) as c join sizes as s on s.entity_id = c.old_id
    """


def append_events(engine: Engine, draft: TableDraft, before: Path | None) -> dict[str, int]:
    """Write new_events behind those of the ledger; return how many there are of each kind.

    before: the folder of the events so far; None if there are none. Its files are linked, not
    copied. Of two runs that make the same of the same the moment differs, and nothing else.
    """
    run_no = last_no = 0
    if before:
        run_no, last_no = engine.row(
            "select coalesce(max(run_no), 0), coalesce(max(event_no), 0) from old_entity_events"
        )
    places = ", ".join(map(literal, EVENTS))
    at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f+00}"
    engine.make_table(
        "numbered_events",
        f"""
        select {last_no} + row_number() over (
                order by entity_id, list_position([{places}], event), other_entity_id nulls first
            ) as event_no,
            cast({run_no + 1} as integer) as run_no, {literal(at)}::timestamptz as "at", *
        from new_events
        """,
    )
    columns = ", ".join(quoted(column.name) for column in ENTITY_EVENTS.columns)
    new = f"select {columns} from numbered_events order by event_no"
    (n_new,) = engine.row("select count(*) from numbered_events")
    files = sorted(before.glob("*.parquet")) if before else []
    if before and n_new and len(files) >= MOST_FILES:
        whole = f"select {columns} from old_entity_events union all ({new})"
        engine.write(f"from ({whole}) order by event_no", draft.file(_file_name(run_no + 1)))
    else:
        if before:
            link_files(before, draft.folder)
        if n_new or not files:
            engine.write(new, draft.file(_file_name(run_no + 1)))
    counted = dict(engine.rows("select event, count(*) from numbered_events group by event"))
    return {event: counted.get(event, 0) for event in EVENTS}


def _file_name(run_no: int) -> str:
    return f"events_{run_no:06}"


def _history_view(relations: "Mapping[str, str]") -> str:
    return f"""
        select e.*, coalesce(h.resolves_to, [e.entity_id]) as resolves_to
        from {relations["entity_events"]} as e
        left join (
            select entity_id, coalesce(
                    list(successor_id order by successor_id)
                        filter (where successor_id is not null), []) as resolves_to
            from {relations["entity_history"]} group by entity_id
        ) as h on h.entity_id = e.entity_id
    """
