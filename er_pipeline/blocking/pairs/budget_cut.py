"""A budget's cut: which pairs stay, the heaviest first, of equal weight those of lower numbers.

Nothing is sorted, so no engine has to bring all pairs into one task: the pairs of each weight are
counted, and where a weight is cut in two, its pairs by their left record.
"""

from er_pipeline.blocking.pairs.ranked_facts import EVERY_PAIR, Kept
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import BudgetError

# When linking, a source of more than so many times the records of the other is far larger.
FAR_LARGER = 2
# Left records counted together, so that what is put in order is short: 100,000 rows of a billion.
RECORDS_PER_PART = 10_000

FLOOR_JOIN = " left join floor_pairs as f on f.left_no = p.left_no and f.right_no = p.right_no"
IS_ON_FLOOR = "f.left_no is not null"


def cut_of(engine: Engine, spec: PipelineSpec, n_made: int, target: int | None) -> Kept:
    """Decide which of weighed_pairs stay; target: how many may.

    Raises BudgetError if there are too many and the budget says to fail.
    """
    budget = spec.budget
    if budget is None or target is None or n_made <= target:
        return EVERY_PAIR
    if budget.on_over_budget == "fail":
        raise BudgetError(
            f"there are {n_made:,} pairs, {n_made - target:,} more than the budget of {target:,};"
            " write on_over_budget: trim to keep the best, or raise the budget"
        )
    if not target:
        return Kept("false")
    floor, whose = budget.floor_per_record, ""
    if floor is None and spec.links_two:
        floor, whose = 1, _with_one_match(engine)
    if not floor:
        return Kept(is_best(engine, "weighed_pairs", target))
    _mark_floor(engine, floor, whose)
    n_floor, n_of_both = engine.row(
        "select count(*), count(*) filter (where sides = 2) from floor_pairs"
    )
    if n_floor >= target:
        return Kept(_best_of_floor(engine, target, int(n_of_both)), FLOOR_JOIN)
    engine.make_view(
        "pairs_beyond_floor",
        "select p.* from weighed_pairs as p anti join floor_pairs as f"
        " on f.left_no = p.left_no and f.right_no = p.right_no",
    )
    best = is_best(engine, "pairs_beyond_floor", target - int(n_floor))
    return Kept(f"{IS_ON_FLOOR} or {best}", FLOOR_JOIN)


def is_best(engine: Engine, pairs: str, n_kept: int) -> str:
    """Write the condition on p that so many of some pairs meet: the heaviest.

    pairs: engine table (left_no, right_no, weight), each pair once. Of equal ones the lower numbers
    stay. n_kept: from 1 to the number of pairs.
    """
    engine.make_table(
        "pairs_of_weight",
        "select weight, n, sum(n) over (order by weight desc) as n_until from"
        f" (select weight, count(*) as n from {pairs} group by weight)",
    )
    threshold, n_above = engine.row(
        f"select min(weight) filter (where n_until - n < {n_kept}),"
        f" coalesce(max(n_until) filter (where n_until <= {n_kept}), 0)::bigint"
        " from pairs_of_weight"
    )
    # A text, since DuckDB before 2.0 reads so many digits as a DECIMAL and misses the last bit.
    least = f"'{threshold!r}'::double"
    if n_above == n_kept:  # the threshold's own pairs all fit
        return f"p.weight >= {least}"
    left, right = _last_tie(engine, f"{pairs} where weight = {least}", n_kept - n_above)
    return (
        f"(p.weight > {least} or p.weight = {least} and (p.left_no < {left}"
        f" or p.left_no = {left} and p.right_no <= {right}))"
    )


def _last_tie(engine: Engine, ties: str, n_kept: int) -> tuple[int, int]:
    """Find the last of so many pairs in the order of their numbers.

    ties: engine table and condition. They are counted by ranges of left records, then by left
    record; only the pairs of one record are put in order.
    """
    engine.make_table("tied_lefts", f"select left_no, count(*) as n from {ties} group by left_no")
    parts = f"select left_no // {RECORDS_PER_PART} as place, sum(n) as n from tied_lefts group by 1"
    part, n_before = _reached(engine, parts, n_kept)
    # A range: Sail leaves the order out where left_no // 10000 is said to be one number.
    first = part * RECORDS_PER_PART
    within = (
        "select left_no as place, n from tied_lefts"
        f" where left_no >= {first} and left_no < {first + RECORDS_PER_PART}"
    )
    left, n_before_left = _reached(engine, within, n_kept - n_before)
    of_left = f"select right_no as place, 1 as n from {ties} and left_no = {left}"
    right, _ = _reached(engine, of_left, n_kept - n_before - n_before_left)
    return left, right


def _reached(engine: Engine, counted: str, n: int) -> tuple[int, int]:
    """Find the place where the n-th is, and how many come before that place.

    counted: query of few rows (place, n).
    """
    place, n_before = engine.row(
        f"""
        select min(place), cast(min(n_until - n) as bigint)
        from (select place, n, sum(n) over (order by place) as n_until from ({counted}))
        where n_until >= {n}
        """
    )
    return int(place), int(n_before)


def _best_of_floor(engine: Engine, target: int, n_of_both: int) -> str:
    """Write the condition on p and f where even the floor is too much.

    Those that are among the best of both their records come first.
    """
    sides = "coalesce(f.sides, 0)"  # a pair off the floor has none, and is not kept
    if target == n_of_both:
        return f"{sides} = 2"
    decided = 2 if target < n_of_both else 1
    engine.make_view("part_of_floor", f"select * from floor_pairs where sides = {decided}")
    if decided == 2:
        return f"{sides} = 2 and {is_best(engine, 'part_of_floor', target)}"
    best = is_best(engine, "part_of_floor", target - n_of_both)
    return f"({sides} = 2 or {sides} = 1 and {best})"


def _with_one_match(engine: Engine) -> str:
    """Write the condition on the records that should have a match when linking, all if omitted.

    A record of a clean source has one match or none. Where one of two sources is far larger, most
    of its records have none, and their best pairs would take the place of likelier ones.
    """
    sizes = engine.rows(
        "select source_no, count(*) from key_codes group by source_no order by 2, 1"
    )
    if len(sizes) == 2 and sizes[1][1] > FAR_LARGER * sizes[0][1]:
        of_smaller = f"select record_no from key_codes where source_no = {sizes[0][0]}"
        return f" where record_no in ({of_smaller})"
    return ""


def _mark_floor(engine: Engine, floor: int, whose: str) -> None:
    """Make floor_pairs: those among the best of either record; sides: of how many of the two.

    whose: condition on the records that have a floor, see `_with_one_match`.
    """
    engine.make_table(
        "floor_pairs",
        f"""
        with sided as (
            select left_no as record_no, left_no, right_no, own, weight from weighed_pairs
            union all select right_no, left_no, right_no, own, weight from weighed_pairs
        ),
        ranked as (
            select left_no, right_no, weight, row_number() over (
                partition by record_no order by own desc, left_no, right_no) as rank
            from sided{whose}
        )
        select left_no, right_no, max(weight) as weight, count(*) as sides
        from ranked where rank <= {floor} group by left_no, right_no
        """,
    )
