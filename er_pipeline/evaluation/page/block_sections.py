"""Blocks on the page: their sizes, the largest with sample values, those that grow too large."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta

from er_pipeline.blocking.blocks.blocks import BlockCounts
from er_pipeline.blocking.blocks.filtered_facts import filtered_facts
from er_pipeline.blocking.spec.learned import learned_conjunctions, learned_rules_facts
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.moments import made_at
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline.blocking.values.keys import Conjunction
from er_pipeline.evaluation.page.page_parts import Chart, Listing, Part, RunOnPage, Section
from er_pipeline.evaluation.page.vega_charts import bars

# The engine's view of the blocks of all strategies and learned rules.
BLOCKS = "blocks_on_page"
BLOCKS_SHOWN = 12
OVER = "over the cap"  # a class of size
# Strategies with a colour of their own: as many as a legend has room for.
STRATEGIES_DRAWN = 6
# Records of a block whose values stand beside it.
SAMPLED = 3
DROPPED = {"oversized": "no: over the cap", "refined": "divided: over the cap"}
# Blocks that fill so much of the cap are watched, and named if they reach it in so many nights.
WATCHED_FROM, NIGHTS_AHEAD = 0.5, 90


def blocks_section(run: RunOnPage) -> Section:
    """Show block sizes, the largest blocks, and those that grow towards the cap."""
    title = "How large are the blocks?"
    if not run.has("filtered_blocks", "dropped_blocks", "cleaned_records"):
        return Section("Blocks", title, "Not known: the table filtered_blocks is not good.")
    facts = filtered_facts(run.lake)
    if not facts["strategies"]:
        return Section("Blocks", title, "There are none: neighbours alone bring the pairs.")
    tables = _block_tables(run)
    run.open(*tables, "dropped_blocks", "cleaned_records")
    listed = (
        f"select {name} as strategy, block_key, block_size, record_no from {table}"
        for table, name in tables.items()
    )
    run.engine.make_view(BLOCKS, " union all ".join(listed))
    kept = sum(counts["kept_blocks"] for counts in facts["strategies"].values())
    largest = max(counts["largest_block"] for counts in facts["strategies"].values())
    cap = run.spec.blocks.max_size
    limit = "there is no cap" if cap is None else f"the cap is {cap:,}"
    answer = (
        f"{count_of(kept, 'block')} are compared, the largest of {count_of(largest, 'record')};"
        f" {limit}."
    )
    rows = _by_size(facts["strategies"])
    parts: list[Part] = []
    if rows:
        chart = bars(rows, "size", "pairs", "pairs of blocks of this size", colour="strategy")
        totals: Counter[str] = Counter()
        for found in facts["strategies"].values():
            totals.update({size: n["pairs"] for size, n in found["size_classes"].items()})
        most = max(totals.values())
        order = list(next(iter(facts["strategies"].values()))["size_classes"])
        encoding = chart["layer"][0]["encoding"]
        encoding["x"]["scale"] = {"domain": [0, most * 1.05], "nice": False}
        encoding["y"] |= {"sort": order, "title": "records in the block"}
        about = "Blocks of one record make no pair."
        if any(row["size"] == OVER for row in rows):
            fate = "divided" if run.spec.blocks.oversized == "refine" else "not compared"
            about += f" Those over the cap are {fate}: their pairs are what that avoids."
        parts.append(Chart("Pairs by size of block", chart, about))
    grid = Grid(
        ("strategy", "key", "records", "pairs", "compared", "of its records, for example"),
        list(_largest(run)),
    )
    parts.append(Listing("The largest blocks", grid))
    parts += _growing(run, cap)
    return Section("Blocks", title, answer, parts)


def _by_size(strategies: Mapping[str, BlockCounts]) -> list[dict[str, str | int]]:
    """Count pairs and blocks by size, for the strategies of most pairs and the others together."""
    ranked = sorted(strategies, key=lambda name: (-strategies[name]["pairs"], name))
    named = set(ranked[:STRATEGIES_DRAWN])
    counted: dict[tuple[str, str], Counter[str]] = {}
    for name in [*(n for n in strategies if n in named), *(n for n in ranked if n not in named)]:
        for size, counts in strategies[name]["size_classes"].items():
            shown = name if name in named else "all others"
            counted.setdefault((size, shown), Counter()).update(counts)
    return [
        {"size": size, "strategy": name, "pairs": counts["pairs"], "blocks": counts["blocks"]}
        for (size, name), counts in counted.items()
        if counts["pairs"]
    ]


def _largest(run: RunOnPage) -> Iterator[tuple[str, ...]]:
    """Give the largest blocks of all strategies, compared or not, with values of some records."""
    run.engine.make_table(
        "block_sizes",
        f"""
        select strategy, block_size, count(*) // block_size as blocks from {BLOCKS}
        group by strategy, block_size
        """,
    )
    # Only the rows of the largest blocks are looked at by key.
    (least,) = run.engine.row(
        f"""
        select coalesce(min(block_size), 0) from (
            select block_size, sum(blocks) over (order by block_size desc) - blocks as larger
            from block_sizes
        ) where larger < {BLOCKS_SHOWN}
        """
    )
    found = run.engine.rows(
        f"""
        with by_source as (
            select b.strategy, b.block_key, c.source_no, count(*) as records
            from {BLOCKS} as b join cleaned_records as c on c.record_no = b.record_no
            where b.block_size >= {least} group by all
        )
        select * from (
            select strategy, block_key, sum(records) as size,
                {_pairs_sql(run.spec.link_mode)} as pairs, '' as reason
            from by_source group by strategy, block_key
            union all
            select strategy, block_key, block_size, pairs, reason from dropped_blocks
            where reason in ('oversized', 'refined')
        ) order by size desc, strategy, block_key limit {BLOCKS_SHOWN}
        """
    )
    fields = _fields_of(run)
    for strategy, key, size, pairs, reason in found:
        compared = DROPPED.get(reason, "yes")
        # The ledger of dropped blocks does not say which records they held.
        example = "" if reason else _sample(run, strategy, key, fields.get(strategy, ()))
        yield strategy, run.value(key), f"{size:,}", f"{pairs:,}", compared, example


def _pairs_sql(link_mode: str) -> str:
    """Write the expression of the pairs of a block, from its records by source."""
    of_one_source = "sum(records * records)" if link_mode == "link" else "sum(records)"
    return f"cast((sum(records) * sum(records) - {of_one_source}) // 2 as bigint)"


def _sample(run: RunOnPage, strategy: str, key: str, fields: tuple[str, ...]) -> str:
    """Quote some different values of a block's records, of the fields that its key reads."""
    if not fields or not run.spec.report.record_values:
        return ""
    columns = ", ".join(f"c.{quoted(field)}" for field in fields)
    rows = run.engine.rows(
        f"""
        select {columns} from cleaned_records as c join (
            select record_no from {BLOCKS} where strategy = ? and block_key = ?
        ) as b on b.record_no = c.record_no group by {columns}
        order by min(c.record_no) limit {SAMPLED}
        """,
        [strategy, key],
    )
    return "; ".join(" ".join(run.value(value) for value in row if value) for row in rows)


def _fields_of(run: RunOnPage) -> dict[str, tuple[str, ...]]:
    """Name the fields that the key of every strategy and learned rule reads."""
    conjunctions: list[Conjunction] = list(run.spec.strategy_conjunctions)
    if run.spec.learns and run.has("learned_rules"):
        conjunctions += learned_conjunctions(run.spec, learned_rules_facts(run.lake))
    return {conjunction.name: conjunction.source_columns for conjunction in conjunctions}


def _growing(run: RunOnPage, cap: int | None) -> list[Part]:
    """List the blocks that will pass the cap soon if they grow on as they did."""
    if cap is None:
        return []
    found = [_grown(run, table, name, cap) for table, name in _block_tables(run).items()]
    known = [rows for rows in found if rows is not None]
    if not known:
        return ["How fast blocks grow is known once two publications with other blocks are kept."]
    soon = sorted(row for rows in known for row in rows if row[0] <= NIGHTS_AHEAD)
    if not soon:
        return [f"No block will pass the cap within {NIGHTS_AHEAD} nights, if they grow on."]
    header = ("strategy", "key", "records", "records before", "nights since", "nights until")
    grid = Grid(
        header,
        [
            (strategy, run.value(key), f"{now:,}", f"{before:,}", f"{nights:.0f}", f"{left:,}")
            for left, strategy, key, now, before, nights in soon[:BLOCKS_SHOWN]
        ],
    )
    fate = "divided by further keys" if run.spec.blocks.oversized == "refine" else "not compared"
    about = f"If they grow on as they did since; over the cap of {cap:,} a block is {fate}."
    return [Listing("Blocks that will pass the cap", grid, about)]


def _grown(
    run: RunOnPage, table: str, name: str, cap: int
) -> list[tuple[int, str, str, int, int, float]] | None:
    """Find the blocks of a table that grow: (nights until the cap, strategy, key, sizes, nights).

    name: the column of the strategy. None if no other version of the table is kept.
    """
    earlier = _earlier_version(run.lake, table)
    if earlier is None:
        return None
    days = (made_at(run.lake.version(table)) - made_at(earlier)) / timedelta(days=1)
    nights = max(days, 1.0)
    run.engine.read_folder(run.lake.path(table, earlier), "blocks_earlier")
    rows = run.engine.rows(
        f"""
        select n.strategy, n.block_key, n.size, b.size from (
            select {name} as strategy, block_key, max(block_size) as size from {table}
            where block_size >= {WATCHED_FROM * cap} group by 1, 2
        ) as n join (
            select {name} as strategy, block_key, max(block_size) as size from blocks_earlier
            where block_size >= {WATCHED_FROM * cap / 2} group by 1, 2
        ) as b on b.strategy = n.strategy and b.block_key = n.block_key
        where n.size > b.size and n.size <= {cap}
        """
    )
    return [
        (int((cap - now) * nights / (now - before)) + 1, strategy, key, now, before, nights)
        for strategy, key, now, before in rows
    ]


def _block_tables(run: RunOnPage) -> dict[str, str]:
    """Name the good tables of blocks, and the column of each that names the strategy."""
    tables = {"filtered_blocks": "strategy"}
    return tables | ({"learned_blocks": "rule"} if run.has("learned_blocks") else {})


def _earlier_version(lake: Lake, table: str) -> str | None:
    """Name the oldest version of a table that is kept and is not the one of now."""
    now = lake.version(table)
    kept = [shown["tables"].get(table) for shown in lake.published()["before"]]
    earlier = (v for v in kept if v and v != now and lake.path(table, v).is_dir())
    return next(earlier, None)
