"""The candidate pairs that one of two nights has and the other has not.

Without a budget, a pair follows from two rows of codes, so the pairs that stay are never looked at.
Of every block of one night its twin of the other is found: that which its unchanged
records stand in. Two records that stand in both were a pair on either night; so a pair that only
one night has holds a record that stands in the block and not in its twin, and only the blocks of
such records are joined. What that costs grows with what has changed, not with the pairs.

Where a budget cut pairs, they are few, and those of both nights are held against each other.
"""

from pathlib import Path

from er_pipeline.blocking.changes.both_nights import BOTH, Side, by_who, route_of_mask
from er_pipeline.blocking.changes.declared_night import counterpart, of_kind
from er_pipeline.blocking.tables.engine import Engine

# The columns of changed pairs. lo, hi: who. route: the first that found the pair. block_no: of its
# block, where the route has blocks. is_made: the other night made the pair, too, and cut it.
COLUMNS = "lo, hi, route, block_no, weight, is_made"


def find_changed_pairs(engine: Engine, own: Side, other: Side, scratch: Path) -> None:
    """Make <own>_changed: the pairs of one night that are none of the other.

    own, other: see `lay_out_nights`, whose tables are read. scratch: an empty folder for the pairs
    on their way. Columns: see `COLUMNS`.
    """
    name = own.table("changed")
    if own.night["is_cut"] or other.night["is_cut"]:
        _compare_pairs(engine, own, other)
        return
    codes = of_kind(own.night, "code")
    for place, _ in codes:
        _find_touched(engine, own, other, place)
        _write_new(engine, other, _code_pairs(own, other, place), scratch / f"{place:04}.parquet")
    _find_touched_lists(engine, own, other)
    _write_new(engine, other, _other_pairs(own, other), scratch / "others.parquet")
    engine.read_folder(scratch, name)


def _find_touched(engine: Engine, own: Side, other: Side, place: int) -> None:
    """Make touched: the records of every block that holds one which is not in the block's twin."""
    p, q = own.prefix, other.prefix
    route = own.night["routes"][place]
    twin = counterpart(route, other.night)
    if twin is None or own.night["mode"] != other.night["mode"]:
        engine.make_table(
            "touched", f"select *, true as is_mover from {BOTH} where {p}_{place} >= 0"
        )
        return
    known = f"max({q}_{twin}) filter (where {q}_{twin} >= 0"
    engine.make_table(
        "twins",
        f"select {p}_{place} as block_no, coalesce({known} and change = 'same'), {known}), -1)"
        f" as twin from {BOTH} where {p}_{place} >= 0 group by {p}_{place}",
    )
    is_mover = f"(t.twin < 0 or b.{q}_{twin} is null or b.{q}_{twin} <> t.twin)"
    engine.make_table(
        "touched",
        f"""
        with touched_blocks as (
            select distinct t.block_no, t.twin from {BOTH} as b
            join twins as t on t.block_no = b.{p}_{place} where {is_mover}
        )
        select b.*, {is_mover} as is_mover
        from {BOTH} as b join touched_blocks as t on t.block_no = b.{p}_{place}
        """,
    )


def _code_pairs(own: Side, other: Side, place: int) -> str:
    """Write the query of the pairs of `touched` that are filed under one route of codes."""
    p = own.prefix
    earlier = "".join(f" and l.{p}_{j} <> r.{p}_{j}" for j in range(place))
    return f"""
        select least(l.who, r.who) as lo, greatest(l.who, r.who) as hi,
            {place}::smallint as route, l.{p}_{place} as block_no
        from (select * from touched where is_mover) as l
        join touched as r on r.{p}_{place} = l.{p}_{place}
            and l.who <> r.who and (not r.is_mover or l.who < r.who){earlier}
        where {_across(own)} and not {_shared_codes(other)}
    """


def _find_touched_lists(engine: Engine, own: Side, other: Side) -> None:
    """Make touched_lists (route, block_no, who, is_mover): as `touched`, of routes with lists.

    The twin of a block is that of its key.
    """
    routes = [
        (i, counterpart(route, other.night))
        for i, route in of_kind(own.night, "list")
        if own.night["mode"] == other.night["mode"]
    ]
    cases = " ".join(f"when {i} then {twin}" for i, twin in routes if twin is not None)
    twin_route = f"case m.route {cases} end" if cases else "null::smallint"
    for side in (own, other):
        engine.make_table(
            side.table("list_keys"),
            f"""
            select distinct l.route, l.block_no, b.block_key
            from (select distinct route, block_no from {side.table("list")}) as l
            join (select strategy, block_no, any_value(block_key) as block_key
                from {side.table("blocks")} group by strategy, block_no) as b
                on b.block_no = l.block_no and b.strategy = {_names(side)}
            """,
        )
    engine.make_table(
        "touched_lists",
        f"""
        with twins as (
            select m.route, m.block_no, t.route as twin_route, t.block_no as twin_no
            from {own.table("list_keys")} as m left join {other.table("list_keys")} as t
                on t.route = {twin_route} and t.block_key = m.block_key
        ),
        members as (
            select m.route, m.block_no, m.who, x.who is null as is_mover
            from {own.table("list")} as m
            join twins as t on t.route = m.route and t.block_no = m.block_no
            left join {other.table("list")} as x
                on x.route = t.twin_route and x.block_no = t.twin_no and x.who = m.who
        )
        select *, bool_or(is_mover) over (partition by route, block_no) as is_touched from members
        qualify is_touched
        """,
    )


def _names(side: Side) -> str:
    cases = " ".join(f"when {i} then '{r['name']}'" for i, r in of_kind(side.night, "list"))
    return f"case l.route {cases} end" if cases else "null"


def _other_pairs(own: Side, other: Side) -> str:
    """Write the query of the pairs of lists and those that come ready-made, as no code makes them.

    Of several routes the first one stands for the pair, and of its blocks the first.
    """
    ready = (
        f"select p.lo, p.hi, p.route, null::integer as block_no from {own.table('ready')} as p"
        f" anti join {other.table('ready')} as x on x.lo = p.lo and x.hi = p.hi"
    )
    return f"""
        with proposed as (
            select least(l.who, r.who) as lo, greatest(l.who, r.who) as hi, l.route, l.block_no
            from (select * from touched_lists where is_mover) as l join touched_lists as r
                on r.route = l.route and r.block_no = l.block_no and l.who <> r.who
            union all {ready}
        ),
        firsts as (
            select lo, hi, min(route) as route, arg_min(block_no, [route, block_no]) as block_no
            from proposed group by lo, hi
        )
        select p.* from firsts as p
        join {BOTH} as l on l.who = p.lo join {BOTH} as r on r.who = p.hi
        where {_across(own)} and not {_shared_codes(own)} and not {_shared_codes(other)}
    """


def _across(side: Side) -> str:
    """Write the condition that two records, l and r, may be compared on a night."""
    p = side.prefix
    both = f"l.{p}_no is not null and r.{p}_no is not null"
    return f"({both} and l.{p}_source <> r.{p}_source)" if side.night["mode"] == "link" else both


def _shared_codes(side: Side) -> str:
    """Write the condition that two records, l and r, share a block of a route of codes."""
    p = side.prefix
    shared = [f"l.{p}_{i} = r.{p}_{i}" for i, _ in of_kind(side.night, "code")]
    return f"({_across(side)} and coalesce({' or '.join(shared) or 'false'}, false))"


def _write_new(engine: Engine, other: Side, pairs: str, file: Path) -> None:
    """Write those of some pairs that the other night has neither from lists nor ready-made.

    pairs: a query (lo, hi, route, block_no) that leaves out those of the other night's codes.
    """
    joins = ""
    if of_kind(other.night, "list"):
        engine.make_table("candidates", pairs)
        pairs = "from candidates"
        joins += f" anti join ({_sharing_lists(other, pairs)}) as s on s.lo = p.lo and s.hi = p.hi"
    if of_kind(other.night, "neighbours", "second"):
        joins += f" anti join {other.table('ready')} as x on x.lo = p.lo and x.hi = p.hi"
    engine.write(
        "select p.lo, p.hi, p.route, p.block_no, null::float as weight, false as is_made"
        f" from ({pairs}) as p{joins}",
        file,
        bulk=True,
    )


def _sharing_lists(side: Side, pairs: str) -> str:
    """Write the query of those of some pairs that share a block of a night's lists."""
    members = side.table("list")
    return (
        f"select p.lo, p.hi from ({pairs}) as p join {members} as a on a.who = p.lo"
        f" join {members} as b on b.who = p.hi and b.route = a.route and b.block_no = a.block_no"
        f" join {BOTH} as l on l.who = p.lo join {BOTH} as r on r.who = p.hi"
        f" where {_across(side)}"
    )


def _compare_pairs(engine: Engine, own: Side, other: Side) -> None:
    """Hold the pairs of both nights against each other; make <own>_changed."""
    has_weight = "weight" in dict(engine.described(f"from {own.table('pairs')}"))
    weight = "weight" if has_weight else "null::float as weight"
    weighed = f"(select left_no, right_no, strategy_mask, {weight} from {own.table('pairs')})"
    engine.make_table(
        "own_only",
        f"""
        with own_pairs as (
            {by_who(own, weighed, ["strategy_mask", "weight"])}
        ),
        other_pairs as ({by_who(other, other.table("pairs"), [])})
        select p.lo, p.hi, {route_of_mask(list(enumerate(own.night["routes"])))} as route, p.weight
        from own_pairs as p anti join other_pairs as x on x.lo = p.lo and x.hi = p.hi
        """,
    )
    p = own.prefix
    blocks = "".join(f" when {i} then l.{p}_{i}" for i, _ in of_kind(own.night, "code"))
    block_no = f"case p.route{blocks} end" if blocks else "null::integer"
    shared = own.table("list")
    engine.make_table(
        own.table("changed"),
        f"""
        with shared_lists as (
            select p.lo, p.hi, min(a.block_no) as block_no from own_only as p
            join {shared} as a on a.who = p.lo and a.route = p.route
            join {shared} as b on b.who = p.hi and b.route = a.route and b.block_no = a.block_no
            group by p.lo, p.hi
        ),
        sharing as (select distinct * from ({_sharing_lists(other, "from own_only")}))
        select p.lo, p.hi, p.route, coalesce({block_no}, s.block_no) as block_no, p.weight,
            {_shared_codes(other)} or x.lo is not null or y.lo is not null as is_made
        from own_only as p join {BOTH} as l on l.who = p.lo join {BOTH} as r on r.who = p.hi
        left join shared_lists as s on s.lo = p.lo and s.hi = p.hi
        left join sharing as x on x.lo = p.lo and x.hi = p.hi
        left join {other.table("ready")} as y on y.lo = p.lo and y.hi = p.hi
        """,
    )
