"""How people read a table: ids as their source wrote them, strategies by name.

Each function gives a `View`, the query of a table's view in the catalog.
"""

from collections.abc import Callable, Mapping, Sequence

from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.tables.table import View

# Gives a column over the pair p, and the joins that it needs.
Joined = Callable[[Mapping[str, str]], tuple[str, str]]


def all_columns(table: str) -> View:
    """Show a table as it lies in the lake."""
    return lambda relations: f"select * from {relations[table]}"


def some_columns(table: str, columns: Sequence[str]) -> View:
    """Show some of a table's columns, in the given order."""
    listed = ", ".join(quoted(column) for column in columns)
    return lambda relations: f"select {listed} from {relations[table]}"


def with_records(table: str, before: Sequence[str]) -> View:
    """Show a table of record_no by the records' ids.

    before: columns that stand before record_id and source.
    """
    return lambda relations: records_by_id(relations, table, before)


def records_by_id(
    relations: Mapping[str, str], table: str, before: Sequence[str], after: Sequence[str] = ()
) -> str:
    """Write the query of a table of record_no, by the records' ids.

    before, after: expressions over the row, t, that stand before and after record_id and source.
    """
    columns = [*(f"t.{column}" for column in before), "r.record_id", "r.source"]
    columns += [f"t.{column}" for column in after]
    return (
        f"select {', '.join(columns)} from {relations[table]} as t"
        f" join {relations['cleaned_records']} as r on r.record_no = t.record_no"
    )


def pairs_by_id(
    table: str,
    *,
    before: Sequence[str] = (),
    before_strategies: Sequence[str] = (),
    strategies: Sequence[str] | None = None,
    rules: str | None = None,
    masks: str | None = None,
    after: Sequence[str] = (),
    joined: Joined | None = None,
) -> View:
    """Show pairs by the ids of their records, with the sources last.

    before, before_strategies, after: expressions over the pair, p, that stand before the ids, after
    them, and after the strategies. strategies: names of the bits of its strategy_mask, which become
    the list `strategies`. rules: a table (rule_no, rule) whose rules have the bits that come after
    those. masks: the table of pairs that has the strategy_mask, where it is another one. joined:
    one more column that stands after them all.
    """

    def view(relations: Mapping[str, str]) -> str:
        named = []
        if strategies is not None:
            names = f"[{', '.join(literal(name) for name in strategies)}]::varchar[]"
            if rules:
                names += f" || (select list(rule order by rule_no) from {relations[rules]})"
            mask = "m.strategy_mask" if masks else "p.strategy_mask"
            bit = f"(({mask} >> (i - 1)) & 1) = 1"
            named = [f"list_filter({names}, lambda name, i: {bit}) as strategies"]
        ids = ["l.record_id as left_id", "r.record_id as right_id"]
        sources = ["l.source as left_source", "r.source as right_source"]
        records = relations["cleaned_records"]
        of_masks = ""
        if masks:
            of_masks = (
                f" join {relations[masks]} as m"
                " on m.left_no = p.left_no and m.right_no = p.right_no"
            )
        more, its_joins = joined(relations) if joined else (None, "")
        last = [*after, *([more] if more else []), *sources]
        columns = [*before, *ids, *before_strategies, *named, *last]
        return (
            f"select {', '.join(columns)} from {relations[table]} as p{of_masks}"
            f" join {records} as l on l.record_no = p.left_no"
            f" join {records} as r on r.record_no = p.right_no{its_joins}"
        )

    return view
