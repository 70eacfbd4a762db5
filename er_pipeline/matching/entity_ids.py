"""Entity ids: minted once and never reused, carried from night to night.

An id goes on with the part that has most of the records it had: of equal parts with the one in
which no other id has as many, then with that of the least record. Where several ids would go on
with one entity, the one with most records in it does, of equal ones the oldest. What no id goes on
with is given a new one, in the order of the least record; the next id is one above the highest that
was ever minted, whatever became of it.

What is compared are the entities as they were last published, in the ledger that lies beside them.
"""

from pathlib import Path

from er_pipeline.blocking.records.record_changes import compare_records
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake

# Beside the entities as they were last published: what tonight's are compared with.
LEDGER = (
    "cleaned_records",
    "matches",
    "entity_links",
    "entity_cuts",
    "entity_bridges",
    "entity_events",
    "entity_history",
)
NOTHING_BEFORE = {
    "entities": "select 0::integer as record_no, 0::bigint as entity_id where false",
    "entity_history": "select 0::bigint as entity_id, 0::bigint as successor_id where false",
}


def open_ledger(engine: Engine, lake: Lake) -> dict[str, Path] | None:
    """Make old_entities, old_entity_history and record_changes, tables of the engine.

    And views of the other tables of the ledger, as old_<table>. Reads cleaned_records. Returns the
    folders of the ledger, None if there is none: then every record is new, and nothing else is
    made.
    """
    folders = lake.ledger("entities", LEDGER)
    if folders is None:
        for table, query in NOTHING_BEFORE.items():
            engine.make_table(f"old_{table}", query)
        engine.make_table(
            "record_changes",
            "select null::integer as old_no, record_no, 'new' as change from cleaned_records",
        )
        return None
    for table, folder in folders.items():
        engine.read_folder(folder, f"old_{table}")
    compare_records(engine, lake, folders["cleaned_records"])
    return folders


def assign_ids(engine: Engine, highest: int) -> None:
    """Give every entity its id; follow every record from its old entity to its new one.

    Reads the engine's joined (record_no, entity_no), old_entities and record_changes. highest: the
    highest id that was ever minted.
    Makes assigned (entity_no, entity_id, is_minted), moves (old_no, record_no, change, old_id,
    new_id), a row per record of either night, and flows (old_id, new_id, records, least_no,
    least_old_no), the records that came, went or changed their id, by where they were and are.
    """
    engine.make_table(
        "followed",
        """
        select c.old_no, c.record_no, c.change, o.entity_id as old_id, j.entity_no
        from record_changes as c
        left join old_entities as o on o.record_no = c.old_no
        left join joined as j on j.record_no = c.record_no
        """,
    )
    engine.make_table(
        "parts",
        """
        select old_id, entity_no, count(*) as n, min(record_no) as least_no from followed
        where old_id is not null and entity_no is not null group by old_id, entity_no
        """,
    )
    choose_keepers(engine)
    engine.make_table(
        "assigned",
        f"""
        select entity_no, entity_id, false as is_minted from kept_ids
        union all
        select entity_no, {highest} + row_number() over (order by entity_no), true
        from (select distinct entity_no from joined) anti join kept_ids using (entity_no)
        """,
    )
    engine.make_table(
        "moves",
        """
        select f.old_no, f.record_no, f.change, f.old_id, a.entity_id as new_id
        from followed as f left join assigned as a on a.entity_no = f.entity_no
        """,
    )
    engine.make_table(
        "flows",
        """
        select old_id, new_id, count(*) as records, min(record_no) as least_no,
            min(old_no) as least_old_no
        from moves where old_id is distinct from new_id group by old_id, new_id
        """,
    )


def choose_keepers(engine: Engine) -> None:
    """Make kept_ids (entity_no, entity_id): which entity every id goes on with, see the top.

    Reads the engine's parts (old_id, entity_no, n, least_no): n records that had an id stand in an
    entity, least_no the least of them.
    """
    # Nearly all entities have one id, and that id no other entity: these need no ranking.
    engine.make_table(
        "contested",
        """
        select * from parts
        where old_id in (select old_id from parts group by old_id having count(*) > 1)
            or entity_no in (select entity_no from parts group by entity_no having count(*) > 1)
        """,
    )
    engine.make_table(
        "kept_ids",
        """
        with ranked as (
            select *, row_number() over (partition by entity_no order by n desc, old_id) as place
            from contested
        ), preferred as (
            select * from ranked
            qualify row_number() over (partition by old_id order by n desc, place, least_no) = 1
        )
        select entity_no, old_id as entity_id from preferred
        qualify row_number() over (partition by entity_no order by n desc, old_id) = 1
        union all
        select entity_no, old_id from parts anti join contested using (old_id, entity_no)
        """,
    )


def resolve_retired(engine: Engine) -> None:
    """Make resolved (entity_id, successor_id): every retired id, and the ids it stands for now.

    Reads the engine's old_entity_history, assigned, flows and retired (entity_id). An id that is
    retired stands for all that its records went to; where a successor is retired or parted later,
    for that one's successors or parts, too. One without any has a row with NULL.
    """
    engine.make_table(
        "went_to",
        """
        select f.old_id as entity_id, f.new_id as successor_id from flows as f
        where f.new_id is not null and f.old_id in (select entity_id from retired)
        union
        select f.old_id, s.successor_id from flows as f
        join assigned as a on a.entity_id = f.new_id and a.is_minted
        cross join lateral (values (f.old_id), (f.new_id)) as s(successor_id)
        where f.old_id not in (select entity_id from retired)
        """,
    )
    engine.make_table(
        "resolved",
        """
        with known as (
            select entity_id, successor_id from old_entity_history
            union all select entity_id, entity_id from retired
        ), followed_on as (
            select distinct k.entity_id,
                case when w.entity_id is not null then w.successor_id
                    when k.successor_id not in (select entity_id from retired) then k.successor_id
                end as successor_id
            from known as k left join went_to as w on w.entity_id = k.successor_id
        )
        select entity_id, successor_id from followed_on
        qualify successor_id is not null or count(successor_id) over (partition by entity_id) = 0
        order by entity_id, successor_id
        """,
    )
