"""Larger budgets as remedies: for pairs that were cut, and for those that would be, once made."""

from collections.abc import Mapping
from math import ceil, floor, log10
from typing import Any

from er_pipeline.blocking.learning import learned_rules
from er_pipeline.blocking.pairs.ranked_facts import RankedFacts
from er_pipeline.blocking.pairs.unified_pairs import keeps_cut_pairs, unified_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.stamps import digest
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, arrow_of
from er_pipeline.evaluation.missed_weights import weigh_anew
from er_pipeline.evaluation.remedy_offers import OPTIONS, PAIRS, REMEDIES, REMEDY, offer

LOW = Column("low", "DOUBLE", "Least weight that the budget would keep")
# Weights are learned with the blocks. Where a change makes others, they are learned anew, and a
# pair's weight may move; by less than a class of weights wherever it was tried.
MAY_MOVE = 0.5
# Pairs of the second pass come on top of the budget.
OF_SECOND = "remedy like '%second_pass:%'"


def raise_budget(engine: Engine, lake: Lake, spec: PipelineSpec, weighed: str) -> None:
    """Offer a larger budget to the pairs it cut, one that keeps their whole class of weight.

    weighed: engine table (left_no, right_no, weight) of the pairs that were cut.
    """
    (n_cut,) = engine.row(f"select count(*) from {weighed}")
    unified = unified_facts(lake)
    if not n_cut or "weight_classes" not in unified or spec.budget is None:
        return
    (n_records,) = engine.row("select count(*) from cleaned_records")
    kept, made, steps = unified["pairs"], 0, []
    for row in unified["weight_classes"]:  # heaviest first
        made += int(row["pairs"])
        settings, n_pairs = budget_of(spec, made, n_records)
        if _learns_others(spec, settings):
            continue
        extra = max(0, min(n_pairs, unified["pairs_made"]) - kept)
        steps.append((row["weight"], f"budget: {_text(settings)} (+{extra:,} pairs)", extra))
    engine.put("budgets", arrow_of((LOW, REMEDY, PAIRS), steps))
    # Weights computed anew may differ in the last digit: one off the ends goes to the end.
    engine.make_table(
        "cut_classes",
        f"""
        select left_no, right_no, least(greatest(floor(weight * 2) / 2,
            (select min(low) from budgets)), (select max(low) from budgets)) as low
        from {weighed}
        """,
    )
    offer(
        engine,
        """
        select c.left_no, c.right_no, b.remedy from cut_classes as c
        asof join budgets as b on b.low <= c.low
        """,
        """
        select remedy, max(pairs), max(finds) from (
            select b.remedy, b.pairs, sum(count(c.low)) over (order by b.low desc) as finds
            from budgets as b left join cut_classes as c on c.low = b.low
            group by b.remedy, b.pairs, b.low
        ) where finds > 0 group by remedy
        """,
    )


def keep_within_budget(
    engine: Engine, lake: Lake, spec: PipelineSpec, pairs: str, unmade: Mapping[str, int]
) -> None:
    """Take the budget into account in the offers so far, which make pairs that nothing made.

    pairs: engine table (left_no, right_no) of those. unmade: remedy -> how many of its pairs
    nothing has made yet, where that was counted. Where the budget would cut a pair once it is made,
    a larger one is put to its remedy: so large that all pairs of its weight, a class further and
    all that the remedy adds have room, whatever these weigh. An offer that would have the rules
    learned anew for the budget's sake is taken back.
    """
    unified = unified_facts(lake)
    if spec.budget is None or "weight_classes" not in unified:
        return
    (n_offers,) = engine.row(f"select count(*) from {REMEDIES}")
    if not n_offers:
        return
    _weigh(engine, lake, spec, pairs)
    engine.make_table("second_offers", f"select * from {OPTIONS} where {OF_SECOND}")
    engine.make_table(
        "offers_weighed",
        f"select o.left_no, o.right_no, o.remedy, r.pairs, w.low from {OPTIONS} as o"
        f" join (select * from {REMEDIES} where not {OF_SECOND}) as r on r.remedy = o.remedy"
        " left join would_weigh as w on w.left_no = o.left_no and w.right_no = o.right_no",
    )
    (n_records,) = engine.row("select count(*) from cleaned_records")
    changed = []
    for remedy, n_pairs, low in engine.rows(
        "select distinct remedy, pairs, low from offers_weighed order by all"
    ):
        new = unmade.get(remedy)
        text, cost = _within(spec, unified, n_records, str(remedy), int(n_pairs), new, low)
        changed.append((remedy, low, text, cost))
    columns = (REMEDY, LOW, Column("changed", "VARCHAR", "With its budget"), PAIRS)
    engine.put("offers_changed", arrow_of(columns, changed))
    engine.make_table(
        OPTIONS,
        "select o.left_no, o.right_no, c.changed as remedy, c.pairs, c.low from offers_weighed as o"
        " join offers_changed as c on c.remedy = o.remedy and c.low is not distinct from o.low"
        " where c.changed <> ''",
    )
    engine.make_table(
        REMEDIES,
        f"select o.remedy, any_value(o.pairs) as pairs, coalesce(any_value(r.finds), count(*))"
        f" as finds from {OPTIONS} as o left join {REMEDIES} as r on r.remedy = o.remedy"
        " group by o.remedy"
        f" union all select * from {REMEDIES} where {OF_SECOND}",
    )
    engine.make_table(
        OPTIONS,
        f"select left_no, right_no, remedy from {OPTIONS} union all select * from second_offers",
    )


def budget_of(
    spec: PipelineSpec, n_pairs: int, n_records: int
) -> tuple[dict[str, float | int], int]:
    """Give the least settings of a budget, in two digits, that keep so many pairs.

    Those limits of the declared budget that are lower; with how many pairs they would keep.
    """
    budget = spec.budget
    assert budget is not None, "there is a budget"
    raised: dict[str, float | int] = {}
    if budget.pairs_per_record is not None:
        per_record = n_pairs / max(1, n_records)
        step = 10.0 ** (floor(log10(max(per_record, 1e-9))) - 1)
        rounded = float(f"{ceil(round(per_record / step, 6)) * step:.6g}")
        if rounded > budget.pairs_per_record:
            raised["pairs_per_record"] = rounded
    if budget.max_pairs is not None and n_pairs > budget.max_pairs:
        raised["max_pairs"] = n_pairs
    return raised, budget.model_copy(update=raised).pairs(n_records)


def _within(
    spec: PipelineSpec,
    unified: RankedFacts,
    n_records: int,
    remedy: str,
    n_pairs: int,
    n_new: int | None,
    low: float | None,
) -> tuple[str, int]:
    """Write a remedy with the budget that it needs for pairs of a class of weight, and its cost.

    n_pairs: that it adds; n_new: those of them that nothing has made, None if that is not known.
    low: None if the weight is not known. Empty if it cannot be.
    """
    assert spec.budget is not None, "there is a budget"
    made, target = unified["pairs_made"], unified["budget_pairs"]
    heavier = sum(
        int(row["pairs"])
        for row in unified["weight_classes"]
        if low is None or row["weight"] >= low - MAY_MOVE
    )
    per_record = spec.budget.floor_per_record
    if per_record is None:
        per_record = int(spec.links_two)
    after = made + (n_pairs if n_new is None else n_new)
    needed = min(heavier + after - made + per_record * n_records, after)
    if needed <= target:
        return remedy, n_pairs
    settings, most = budget_of(spec, needed, n_records)
    if _learns_others(spec, settings):
        return "", 0
    kept = min(target, made)
    bound = "at most " if n_new is None and most > made else ""
    extra = min(most, after) - kept
    return f"{remedy}; budget: {_text(settings)} ({bound}+{extra:,} pairs)", n_pairs + extra


def _weigh(engine: Engine, lake: Lake, spec: PipelineSpec, pairs: str) -> None:
    """Make would_weigh (left_no, right_no, low): the class of weight that pairs would have.

    Where several views rank the pairs, a weight is known only once the pair is made: no rows.
    """
    engine.put("would_weigh", arrow_of((LEFT_NO, RIGHT_NO, LOW)))
    if not keeps_cut_pairs(spec):
        weigh_anew(engine, lake, spec, pairs, "weighed_unmade")
        engine.make_table(
            "would_weigh",
            "select left_no, right_no, floor(weight * 2) / 2 as low from weighed_unmade",
        )


def _text(settings: dict[str, float | int]) -> str:
    return ", ".join(
        f"{name} {value:g}" if name == "pairs_per_record" else f"{name} {value}"
        for name, value in settings.items()
    )


def _learns_others(spec: PipelineSpec, budget: dict[str, float | int]) -> bool:
    """Say whether a budget would have other rules learned, so that nothing here would hold."""
    if not spec.learns or spec.budget is None:
        return False
    changed = spec.model_copy(update={"budget": spec.budget.model_copy(update=budget)})
    return _shaped(spec) != _shaped(changed)


def _shaped(spec: PipelineSpec) -> list[Any]:
    return [digest(step.settings) for step in learned_rules.steps(spec)]
