"""Two nights side by side: every record of either, its codes, and its place in both.

Records are numbered anew every night, so here each has a number of its own, `who`: this night's, or
beyond them that of the night before where the record is gone. What belongs to this night is called
n_..., what belongs to the night before o_....
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from er_pipeline.blocking.changes.declared_night import Declared, Route, of_kind
from er_pipeline.blocking.records.record_changes import RECORD_CHANGES
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal

BOTH = "both_nights"


@dataclass(frozen=True)
class Side:
    """One of the two nights. prefix: n or o, see above. night: what it declared."""

    prefix: str
    night: Declared

    def table(self, name: str) -> str:
        """Name one of its tables in the engine."""
        return f"{self.prefix}_{name}"


def lay_out_nights(
    engine: Engine, lake: Lake, now: Declared, before: Declared, folders: Mapping[str, Path]
) -> tuple[Side, Side]:
    """Make the tables of both nights that changes are read from; return both sides.

    Reads the engine's record_changes and the tables of this night and, in folders, of the night
    before. Makes both_nights (who, change, n_no, n_source, n_0, ..., o_no, o_source, o_0, ...), and
    of both sides <prefix>_blocks (strategy, block_key, block_size, block_no, record_no),
    <prefix>_dropped, <prefix>_pairs, <prefix>_list (route, block_no, who) of routes with several
    keys per record, and <prefix>_ready (lo, hi, route) of pairs that come ready-made, by who.
    """
    sides = Side("n", now), Side("o", before)
    for side in sides:
        for table in _tables_of(side.night):
            name = side.table(f"read_{table}")
            if side.prefix == "n":
                lake.open(engine, table, name)
            else:
                engine.read_folder(folders[table], name)
        blocks = f"select * from {side.table('read_filtered_blocks')}"
        if "learned_blocks" in _tables_of(side.night):
            blocks += f" union all select * from {side.table('read_learned_blocks')}"
        engine.make_view(side.table("blocks"), blocks)
        engine.make_view(side.table("dropped"), f"from {side.table('read_dropped_blocks')}")
        engine.make_view(side.table("pairs"), f"from {side.table('read_unified_pairs')}")
    _put_codes_together(engine, *sides)
    for side in sides:
        _lay_out_lists(engine, side)
        _lay_out_ready(engine, side)
    return sides


def _tables_of(night: Declared) -> list[str]:
    tables = ["record_codes", "filtered_blocks", "dropped_blocks", "unified_pairs"]
    tables += ["learned_blocks"] if night["learned"] is not None else []
    tables += ["embedding_blocks"] if of_kind(night, "neighbours") else []
    return tables + (["second_pass_pairs"] if of_kind(night, "second") else [])


def _put_codes_together(engine: Engine, now: Side, before: Side) -> None:
    columns = ["c.change"]
    for side, number in ((now, "c.record_no"), (before, "c.old_no")):
        p = side.prefix
        columns += [f"{number} as {p}_no", f"{p}.source_no as {p}_source"]
        columns += [f"{p}.code_{i} as {p}_{i}" for i, _ in of_kind(side.night, "code")]
    engine.make_table(
        BOTH,
        f"""
        select cast(coalesce(c.record_no, c.old_no + (select count(*) from n_read_record_codes))
            as integer) as who, {", ".join(columns)}
        from {RECORD_CHANGES} as c
        left join n_read_record_codes as n on n.record_no = c.record_no
        left join o_read_record_codes as o on o.record_no = c.old_no
        """,
    )


def _lay_out_lists(engine: Engine, side: Side) -> None:
    listed = of_kind(side.night, "list")
    routes = " ".join(f"when {literal(r['name'])} then {i}" for i, r in listed)
    names = ", ".join(literal(route["name"]) for _, route in listed)
    engine.make_table(
        side.table("list"),
        f"select cast(case b.strategy {routes} end as smallint) as route, b.block_no, w.who"
        f" from {side.table('blocks')} as b join {BOTH} as w on w.{side.table('no')} = b.record_no"
        f" where b.strategy in ({names})"
        if listed
        else "select 0::smallint as route, 0 as block_no, 0 as who where 1 = 0",
    )


def _lay_out_ready(engine: Engine, side: Side) -> None:
    near = side.table("read_embedding_blocks")
    parts = [
        f"select left_no, right_no, {i}::smallint as route from {near}"
        for i, _ in of_kind(side.night, "neighbours")
    ]
    second = of_kind(side.night, "second")
    if second:
        parts.append(
            f"select left_no, right_no, {route_of_mask(second)} as route"
            f" from {side.table('read_second_pass_pairs')}"
        )
    every = f"({' union all '.join(parts)})"
    engine.make_table(
        side.table("ready"),
        "select lo, hi, min(route) as route"
        f" from ({by_who(side, every, ['route'])}) group by lo, hi"
        if parts
        else "select 0 as lo, 0 as hi, 0::smallint as route where 1 = 0",
    )


def by_who(side: Side, pairs: str, columns: list[str]) -> str:
    """Write the query of pairs of a night (left_no, right_no) by who: lo, hi, and more columns."""
    number = side.table("no")
    more = "".join(f", p.{column}" for column in columns)
    return (
        f"select least(l.who, r.who) as lo, greatest(l.who, r.who) as hi{more} from {pairs} as p"
        f" join {BOTH} as l on l.{number} = p.left_no join {BOTH} as r on r.{number} = p.right_no"
    )


def route_of_mask(routes: list[tuple[int, Route]]) -> str:
    """Write the expression of the first of some routes that a strategy_mask names."""
    cases = " ".join(f"when (strategy_mask >> {r['bit']}) & 1 = 1 then {i}" for i, r in routes)
    return f"cast(case {cases} end as smallint)"
