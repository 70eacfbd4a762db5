"""Causes of what happened to entities: one out of a closed list, and a record that shows it.

A record that came or went is its own cause. Where records went from one entity to another, the
links show why: of those that held the old entity together across the two, the one that was lost; of
those that hold the new one together, the one that was gained. A link is lost or gained for one
cause, the first that holds; of several links the one counts whose cause comes first in `CAUSES`,
then the surest.
"""

from dataclasses import dataclass

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import literal

# threshold_changed: it moved across the score. model_changed: the pair was scored on both nights,
# otherwise. other_link: one-to-one, a better link took its place, or left it.
CAUSES = (
    "first_run",
    "label",
    "record_new",
    "record_gone",
    "record_changed",
    "threshold_changed",
    "model_changed",
    "settings_changed",
    "other_link",
    "pair_gained",
    "pair_lost",
)
# Of events that were noted before the threshold had a cause of its own; they stay as they are.
PAST_CAUSES = ("model_or_threshold_changed",)


@dataclass(frozen=True)
class Since:
    """What else changed since the entities were last published.

    old_threshold: None if they never were. settings_changed: whether candidate pairs are made
    otherwise now.
    """

    old_threshold: float | None
    threshold: float
    settings_changed: bool


def find_causes(engine: Engine, since: Since) -> None:
    """Find, of every flow of records, why they left where they were and came where they are.

    Reads the engine's flows and moves and, but for a first run, matches, answers, entity_links and
    entity_cuts of both nights.
    Makes flow_causes (old_id, new_id, lost, lost_old_no, lost_no, gained, gained_old_no,
    gained_no): two causes, each with the record that shows it, by its old number and its new one.
    """
    came = "first_run" if since.old_threshold is None else "record_new"
    engine.make_table(
        "flow_causes",
        f"""
        select old_id, new_id, 'record_gone' as lost, least_old_no as lost_old_no,
            least_no as lost_no, {literal(came)} as gained,
            least_old_no as gained_old_no, least_no as gained_no
        from flows where old_id is null or new_id is null
        """,
    )
    (n_moved,) = engine.row(
        "select count(*) from flows where old_id is not null and new_id is not null"
    )
    if not n_moved:
        return
    _find_ends(engine)
    _find_lost(engine, since)
    _find_gained(engine, since)
    engine.append(
        "flow_causes",
        """
        select f.old_id, f.new_id,
            coalesce(l.cause, 'pair_lost'),
            case when l.cause is null then f.least_old_no else l.old_no end,
            case when l.cause is null then f.least_no else l.record_no end,
            coalesce(g.cause, 'pair_gained'),
            case when g.cause is null then f.least_old_no else g.old_no end,
            case when g.cause is null then f.least_no else g.record_no end
        from flows as f
        left join lost_of_flow as l on l.old_id = f.old_id and l.new_id = f.new_id
        left join gained_of_flow as g on g.old_id = f.old_id and g.new_id = f.new_id
        where f.old_id is not null and f.new_id is not null
        """,
    )


def _find_ends(engine: Engine) -> None:
    """Make ends, the records of both nights in entities that records moved between."""
    engine.make_table(
        "ends",
        """
        with moved as (select * from flows where old_id is not null and new_id is not null)
        select * from moves
        where old_id in (select old_id from moved union select new_id from moved)
            or new_id in (select new_id from moved union select old_id from moved)
        """,
    )


def _find_lost(engine: Engine, since: Since) -> None:
    """Make lost_of_flow: the link of last night whose loss let the records of a flow go."""
    now = {name: _is_pair(name, "record_no") for name in ("t", "c", "m")}
    engine.make_table(
        "lost_links",
        f"""
        select a.old_id, a.new_id as left_id, b.new_id as right_id, l.match_probability,
            a.old_no as left_old, a.record_no as left_no, a.change as left_change,
            b.old_no as right_old, b.record_no as right_no, b.change as right_change,
            case
                when 'gone' in (a.change, b.change) then 'record_gone'
                when t.answer = 'no_match' or c.left_no is not null then 'label'
                when l.answered and t.answer is null then 'label'
                when l.match_probability < {since.threshold!r}
                    and l.match_probability >= {since.old_threshold!r} then 'threshold_changed'
                when 'changed' in (a.change, b.change) then 'record_changed'
                when m.match_probability >= {since.threshold!r} then 'other_link'
                when m.left_no is not null then 'model_changed'
                else {literal("settings_changed" if since.settings_changed else "pair_lost")}
            end as cause
        from old_entity_links as l
        join ends as a on a.old_no = l.left_no
        join ends as b on b.old_no = l.right_no
        left join answers as t on {now["t"]}
        left join entity_cuts as c on {now["c"]}
        left join matches as m on {now["m"]}
        where a.new_id is distinct from b.new_id
        """,
    )
    _choose(engine, "lost", of_entity="old_id", of_flow="new_id", shows="gone")


def _find_gained(engine: Engine, since: Since) -> None:
    """Make gained_of_flow: the link of this night that brought the records of a flow in."""
    before = {name: _is_pair(name, "old_no") for name in ("c", "m")}
    engine.make_table(
        "gained_links",
        f"""
        select a.new_id, a.old_id as left_id, b.old_id as right_id, l.match_probability,
            a.old_no as left_old, a.record_no as left_no, a.change as left_change,
            b.old_no as right_old, b.record_no as right_no, b.change as right_change,
            case
                when c.left_no is not null then 'label'
                when l.answered and coalesce(l.match_probability < {since.threshold!r}, true)
                    then 'label'
                when 'new' in (a.change, b.change) then 'record_new'
                when coalesce(m.match_probability >= {since.threshold!r}
                    and m.match_probability < {since.old_threshold!r},
                    l.match_probability < {since.old_threshold!r}) then 'threshold_changed'
                when 'changed' in (a.change, b.change) then 'record_changed'
                when m.match_probability >= {since.old_threshold!r} then 'other_link'
                when m.left_no is not null then 'model_changed'
                else {literal("settings_changed" if since.settings_changed else "pair_gained")}
            end as cause
        from entity_links as l
        join ends as a on a.record_no = l.left_no
        join ends as b on b.record_no = l.right_no
        left join (select distinct left_no, right_no from old_entity_cuts) as c on {before["c"]}
        left join old_matches as m on {before["m"]}
        where a.old_id is distinct from b.old_id
        """,
    )
    _choose(engine, "gained", of_entity="new_id", of_flow="old_id", shows="new")


def _is_pair(table: str, number: str) -> str:
    """Write the condition that a row of a table is the pair of the records a and b."""
    return (
        f"{table}.left_no = least(a.{number}, b.{number})"
        f" and {table}.right_no = greatest(a.{number}, b.{number})"
    )


def _choose(engine: Engine, kind: str, *, of_entity: str, of_flow: str, shows: str) -> None:
    """Choose one link of every flow, and the record of it that shows the cause.

    kind: lost or gained. of_entity: the id of the entity that the links held or hold together.
    of_flow: the id that sets its parts apart; a link that touches the flow's records comes
    before one that does not. shows: the change of a record that is the cause itself.
    """
    causes = f"[{', '.join(map(literal, CAUSES))}]"
    engine.make_table(
        f"{kind}_of_flow",
        f"""
        with near as (
            select f.old_id, f.new_id, l.* exclude ({of_entity}),
                l.left_id is not distinct from f.{of_flow} as left_is_of,
                l.right_id is not distinct from f.{of_flow} as right_is_of
            from flows as f join {kind}_links as l on l.{of_entity} = f.{of_entity}
            where f.old_id is not null and f.new_id is not null
        ), chosen as (
            select * from near
            qualify row_number() over (
                partition by old_id, new_id
                order by (left_is_of or right_is_of) desc, list_position({causes}, cause),
                    match_probability desc, left_no, right_no, left_old, right_old
            ) = 1
        ), shown as (
            select *, case
                when left_change = {literal(shows)} then true
                when right_change = {literal(shows)} then false
                when left_change = 'changed' then true
                when right_change = 'changed' then false
                else left_is_of end as is_left
            from chosen
        )
        select old_id, new_id, cause,
            case when is_left then left_old else right_old end as old_no,
            case when is_left then left_no else right_no end as record_no
        from shown
        """,
    )
