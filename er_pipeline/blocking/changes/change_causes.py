"""The cause of every pair that was gained or lost: what alone would have gained or lost it, too.

Of what could be a cause, the nearest one counts:

    record_new        one of its records is new
    record_gone       one of its records is gone
    strategy_changed  the strategy or rule that found it was added, removed, or computes other keys;
                      the key that divides large blocks is another; the mode is another
    record_changed    both share the key on one night alone, since one of them was changed; or one
                      whose neighbours or weights are others was
    block_over_cap    both nights they share the key, and its block has outgrown the cap
    block_within_cap  the same, and the block is back within the cap
    block_min_size    the same, and the block has crossed blocks: min_size
    neighbours_moved  neighbours list it on one night alone, though neither record changed
    second_pass_moved one of its records needs the second pass on one night alone
    budget_moved      both nights made it, and one cut it: with its weight it is below that cut
    threshold_changed a match whose score then crosses the threshold of now, or that of now the one
                      of then; min_probability is no cause: it decides what is kept, not what is a
                      match
    model_changed     both nights made it, and its weight or score is another
    label             rules, weights or a model are others, of which nothing but labels has changed

A pair that several strategies found is explained by the first of them: those with one key per
record come first, then those with several, neighbours, and the second pass.
"""

from collections.abc import Iterator, Mapping

from er_pipeline.blocking.blocks.refined_blocks import DIVISION_MARK
from er_pipeline.blocking.changes.both_nights import BOTH, Side
from er_pipeline.blocking.changes.declared_night import counterpart, is_known, of_kind
from er_pipeline.blocking.records.record_changes import RECORDS
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.table import Column, arrow_of
from er_pipeline.blocking.values.keys import Conjunction

# In the order in which the report names those of equally many pairs.
CAUSES = (
    "record_new",
    "record_gone",
    "record_changed",
    "block_over_cap",
    "block_within_cap",
    "block_min_size",
    "strategy_changed",
    "label",
    "neighbours_moved",
    "second_pass_moved",
    "budget_moved",
    "threshold_changed",
    "model_changed",
)
EXPLAINED = "explained"
ROUTE_NAMES = (
    Column("route", "SMALLINT", "Place of the route"),
    Column("strategy", "VARCHAR", "What its own night calls it"),
    Column("other_strategy", "VARCHAR", "What the other night does"),
)


def explain_pairs(
    engine: Engine,
    own: Side,
    other: Side,
    keys: Mapping[str, Conjunction],
    text_fields: list[str],
    only_labels_changed: bool,
) -> None:
    """Make the view <own>_explained: the changed pairs with their cause.

    Columns: lo, hi, route, cause, block_key, own_size, other_size; the sizes are those of the block
    on either night, where the route has blocks and they are known. keys: strategies and rules of
    this night, by name. text_fields: what neighbours are searched by. only_labels_changed: of all
    that rules and weights are learned from.
    """
    _name_blocks(engine, own, other)
    _find_other_keys(engine, own, other, keys)
    reads_texts = of_kind(own.night, "neighbours", "second")
    _find_changed_texts(engine, text_fields if reads_texts else [])
    learned = "label" if only_labels_changed else "strategy_changed"
    unknown = [i for i, r in enumerate(own.night["routes"]) if not is_known(r, other.night)]
    cases = [
        *_of_records(own),
        (f"p.route in ({_listed(unknown)}) and not p.is_made", literal(learned)),
        ("p.is_made", _of_weight(engine, own, other, only_labels_changed)),
        (_route_in(own, "neighbours"), _unless_texts("neighbours_moved")),
        (_route_in(own, "second"), _unless_texts("second_pass_moved")),
        ("not (l_had and r_had)", "'record_changed'"),
        *_of_block(own, other),
    ]
    listed = " ".join(f"when {condition} then {cause}" for condition, cause in cases)
    engine.make_view(
        own.table(EXPLAINED),
        f"""
        select lo, hi, route, block_key, own_size, other_size,
            case {listed} else 'strategy_changed' end as cause
        from (
            select p.*, b.* exclude (route, block_no), l.change as l_change, r.change as r_change,
                l.change = 'same' or x.who is not null as l_had,
                r.change = 'same' or y.who is not null as r_had,
                l.who in (select who from changed_texts) as l_text,
                r.who in (select who from changed_texts) as r_text
            from {own.table("changed")} as p
            join {BOTH} as l on l.who = p.lo join {BOTH} as r on r.who = p.hi
            left join {own.table("named")} as b on b.route = p.route and b.block_no = p.block_no
            left join {own.table("had")} as x
                on x.route = p.route and x.who = p.lo and x.block_key = b.whole_key
            left join {own.table("had")} as y
                on y.route = p.route and y.who = p.hi and y.block_key = b.whole_key
        ) as p
        """,
    )


def _of_records(own: Side) -> list[tuple[str, str]]:
    word, cause = ("new", "record_new") if own.prefix == "n" else ("gone", "record_gone")
    return [(f"l_change = '{word}' or r_change = '{word}'", literal(cause))]


def _of_weight(engine: Engine, own: Side, other: Side, only_labels_changed: bool) -> str:
    """Write the cause of a pair that the other night cut, or that this night did not.

    With the weight it has on one night it would have been above the cut of the other night, too:
    then its weight is another there. Else the cut is.
    """
    line = _cut_of(engine, other)
    model = "label" if only_labels_changed else "model_changed"
    moved = f"when weight > {line!r}::float then {literal(model)} " if line is not None else ""
    changed = "l_change = 'changed' or r_change = 'changed'"
    return f"case when {changed} then 'record_changed' {moved}else 'budget_moved' end"


def _cut_of(engine: Engine, side: Side) -> float | None:
    """Return the least weight that a night kept, in the class of weights that it cut into."""
    low = side.night["cut_below"]
    if low is None or not side.night["is_cut"]:
        return None
    (least,) = engine.row(f"select min(weight) from {side.table('pairs')} where weight >= {low}")
    return None if least is None else float(least)


def _route_in(own: Side, kind: str) -> str:
    return f"p.route in ({_listed([i for i, _ in of_kind(own.night, kind)])})"


def _listed(places: list[int]) -> str:
    return ", ".join(map(str, places)) or "null"


def _unless_texts(cause: str) -> str:
    return f"case when l_text or r_text then 'record_changed' else {literal(cause)} end"


def _of_block(own: Side, other: Side) -> list[tuple[str, str]]:
    """Write the causes of two records that share the key of the block on both nights."""
    crossed = "'block_within_cap'" if own.prefix == "n" else "'block_over_cap'"
    routes = own.night["routes"]
    divided_otherwise = [
        i
        for i, route in of_kind(own.night, "code", "list")
        if own.night["divisions"].get(route["name"]) != other.night["divisions"].get(route["name"])
        and all(side.night["divisions"].get(routes[i]["name"]) for side in (own, other))
    ]
    both_divided = "is_part and other_reason = 'refined'"
    changed = "l_change = 'changed' or r_change = 'changed'"
    return [
        (
            f"{both_divided} and p.route in ({_listed(divided_otherwise)})",
            "'strategy_changed'",
        ),
        (f"{both_divided} and ({changed})", "'record_changed'"),
        ("other_reason in ('oversized', 'refined')", crossed),
        ("other_reason = 'below_min_size'", "'block_min_size'"),
    ]


def _name_blocks(engine: Engine, own: Side, other: Side) -> None:
    """Make <own>_named: the blocks of the changed pairs, by key, and what became of that key.

    Columns: route, block_no, block_key, whole_key (without what divided it, as the strategy writes
    it), own_size, other_size, other_reason (why the other night did not compare it whole), is_part.
    """
    engine.put("route_names", arrow_of(ROUTE_NAMES, list(_names_of(own, other))))
    engine.make_table(
        "touched_blocks",
        "select distinct p.route, p.block_no, n.strategy, n.other_strategy"
        f" from {own.table('changed')} as p join route_names as n on n.route = p.route"
        " where p.block_no is not null",
    )
    whole, is_part = "block_key", "false"
    if own.night["refines"]:
        refined = _listed_names(_strategies(own))
        undivided = f"split_part(block_key, ' {DIVISION_MARK} ', 1)"
        whole = f"case when strategy in ({refined}) then {_unescaped(undivided)} else block_key end"
        is_part = f"strategy in ({refined}) and strpos(block_key, ' {DIVISION_MARK} ') > 0"
    engine.make_table(
        "named_blocks",
        f"""
        select route, block_no, strategy, other_strategy, block_key, block_size,
            {whole} as whole_key, {is_part} as is_part
        from (
            select t.*, any_value(b.block_key) as block_key, any_value(b.block_size) as block_size
            from touched_blocks as t join {own.table("blocks")} as b
                on b.strategy = t.strategy and b.block_no = t.block_no
            group by all
        )
        """,
    )
    other_whole = "d.block_key"
    if other.night["refines"]:
        other_whole = (
            f"case when d.strategy not in ({_listed_names(_strategies(other))}) then d.block_key"
            f" when strpos(d.block_key, ' {DIVISION_MARK} ') = 0"
            f" then {_unescaped('d.block_key')} end"
        )
    engine.make_table(
        own.table("named"),
        f"""
        with dropped as (
            select strategy, block_key, {other_whole} as whole_key, block_size, reason
            from {other.table("dropped")} as d where block_size > 1
        ),
        compared as (
            select b.strategy, b.block_key, any_value(b.block_size) as block_size
            from {other.table("blocks")} as b semi join named_blocks as n
                on n.other_strategy = b.strategy and n.block_key = b.block_key
            group by b.strategy, b.block_key
        )
        select n.route, n.block_no, n.block_key, n.whole_key, n.is_part, n.block_size as own_size,
            coalesce(c.block_size, p.block_size, w.block_size) as other_size,
            w.reason as other_reason
        from named_blocks as n
        left join dropped as w on w.strategy = n.other_strategy and w.whole_key = n.whole_key
        left join dropped as p on p.strategy = n.other_strategy and p.block_key = n.block_key
        left join compared as c on c.strategy = n.other_strategy and c.block_key = n.block_key
        """,
    )


def _names_of(own: Side, other: Side) -> Iterator[tuple[int, str, str | None]]:
    """Give the name of every route of keys on either night."""
    for i, route in of_kind(own.night, "code", "list"):
        twin = counterpart(route, other.night)
        yield i, route["name"], None if twin is None else other.night["routes"][twin]["name"]


def _strategies(side: Side) -> list[str]:
    """Name the strategies, whose large blocks are divided as those of learned rules are not."""
    learned = side.night["learned"] or []
    return [r["name"] for _, r in of_kind(side.night, "code", "list") if r["name"] not in learned]


def _listed_names(names: list[str]) -> str:
    return ", ".join(literal(name) for name in names) or "null"


def _unescaped(key: str) -> str:
    return f"replace(replace({key}, '\\{DIVISION_MARK}', '{DIVISION_MARK}'), '\\\\', '\\')"


def _find_other_keys(
    engine: Engine, own: Side, other: Side, keys: Mapping[str, Conjunction]
) -> None:
    """Make <own>_had (route, who, block_key): the other night's keys of the changed records.

    Only of routes that both nights have and that found a changed pair.
    """
    records = f"old_{RECORDS}" if own.prefix == "n" else RECORDS
    number = other.table("no")
    engine.make_table(
        "changed_records",
        f"""
        select * from {records} where record_no in (
            select w.{number} from {BOTH} as w where w.change = 'changed' and (
                w.who in (select lo from {own.table("changed")})
                or w.who in (select hi from {own.table("changed")}))
        )
        """,
    )
    engine.make_table(
        own.table("had"),
        "select 0::smallint as route, 0 as who, cast(null as varchar) as block_key where 1 = 0",
    )
    used = {route for (route,) in engine.rows("select distinct route from named_blocks")}
    identities = {tuple(key.identity): key for key in keys.values()}
    for i, route in of_kind(own.night, "code", "list"):
        key = identities.get(tuple(route["identity"]))
        if i not in used or key is None or not is_known(route, other.night):
            continue
        engine.append(
            own.table("had"),
            f"select distinct {i}::smallint, w.who, k.block_key"
            f" from ({key.keyed_records(engine, 'changed_records')}) as k"
            f" join {BOTH} as w on w.{number} = k.record_no",
        )


def _find_changed_texts(engine: Engine, fields: list[str]) -> None:
    """Make changed_texts (who): the records whose values in some fields are others."""
    now = {name for name, _ in engine.described(f"from {RECORDS}")}
    old = {name for name, _ in engine.described(f"from old_{RECORDS}")}
    differs = [
        f"n.{quoted(name)} is distinct from o.{quoted(name)}"
        for name in fields
        if name in now and name in old
    ]
    if len(differs) < len(fields):  # a field was added or taken away
        differs = ["true"]
    engine.make_table(
        "changed_texts",
        f"select w.who from {BOTH} as w join {RECORDS} as n on n.record_no = w.n_no"
        f" join old_{RECORDS} as o on o.record_no = w.o_no"
        f" where w.change = 'changed' and ({' or '.join(differs) or 'false'})",
    )
