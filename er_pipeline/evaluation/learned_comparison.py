"""What another learned set would change: the figures of two sides, and which entities differ."""

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.matching.entity_ids import choose_keepers

# Figures that are shares, and those that are amounts of something else than rows.
SHARES = ("recall", "recall_low", "recall_high", "f1", "true_pairs_found")


class Moves(TypedDict):
    """How the entities of two sides differ.

    entities_changed: those in force that are not the same set of records any more.
    records_in_changed_entities: their records. ids_moved: records that would get another id, as
    ids follow from night to night (`entity_ids`).
    """

    entities_changed: int
    records_in_changed_entities: int
    ids_moved: int


def side_figures(engine: Engine, lake: Lake) -> dict[str, float]:
    """Return what a side comes to, as far as its tables are there.

    lake: of the side. Gives "rules", "pairs", "matches", "entities", "recall" with its interval
    of 95% as the model sees it, and with truth "true_pairs_found" among the pairs, and "f1".
    """
    figures: dict[str, float] = {}
    if lake.has("learned_rules"):
        figures["rules"] = len(lake.facts("learned_rules")["rules"])
    figures["pairs"] = lake.facts("unified_pairs")["pairs"]
    if lake.has("matches"):
        figures["matches"] = lake.facts("matches")["matches"]
    if lake.has("entities"):
        figures["entities"] = lake.facts("entities")["entities"]
    if lake.has("recall_sample"):
        sample = lake.facts("recall_sample")["sample"]
        figures |= {name: sample[name] for name in ("recall", "recall_low", "recall_high")}
    if lake.has("match_quality"):
        figures["f1"] = lake.facts("match_quality")["at_threshold"]["f1"]
    if lake.has("true_pairs"):
        for table in ("true_pairs", "unified_pairs"):
            engine.read_folder(lake.path(table), f"side_{table}")
        (figures["true_pairs_found"],) = engine.row(
            "select coalesce(avg((p.left_no is not null)::integer), 0) from side_true_pairs as t"
            " left join side_unified_pairs as p"
            " on p.left_no = t.left_no and p.right_no = t.right_no"
        )
    return figures


def entity_moves(engine: Engine, before: Lake, after: Lake) -> Moves:
    """Hold the entities of two sides, over the same records, against each other."""
    for name, lake in (("entities_before", before), ("entities_after", after)):
        engine.read_folder(lake.path("entities"), name)
    engine.make_table(
        "parts",
        """
        select b.entity_no as old_id, a.entity_no, count(*) as n, min(a.record_no) as least_no
        from entities_before as b join entities_after as a on a.record_no = b.record_no
        group by b.entity_no, a.entity_no
        """,
    )
    choose_keepers(engine)
    changed, records, moved = engine.row(
        """
        with sized as (
            select p.*, k.entity_id is not null as is_kept,
                sum(n) over (partition by p.old_id) as n_old,
                sum(n) over (partition by p.entity_no) as n_new
            from parts as p left join kept_ids as k
                on k.entity_no = p.entity_no and k.entity_id = p.old_id
        )
        select count(distinct old_id) filter (n < n_old or n < n_new),
            coalesce(sum(n) filter (n < n_old or n < n_new), 0),
            coalesce(sum(n) filter (not is_kept), 0)
        from sized
        """
    )
    return Moves(
        entities_changed=int(changed),
        records_in_changed_entities=int(records),
        ids_moved=int(moved),
    )


def comparison_lines(comparison: Mapping[str, Any]) -> Iterator[str]:
    """Write a comparison for people, line by line; see `candidates.Comparison`."""
    before, after = comparison["in_force"], comparison["candidate"]
    records = f"{comparison['records']:,} records"
    if comparison["share"] < 1:
        records += f", those of {comparison['share']:.0%} of the entities; blocks are smaller there"
    yield f"Held against what is in force, on the same {records}:"
    yield f"{'':<28} {'in force':>16} {'candidate':>16}"
    for name, title in (
        ("rules", "learned rules"),
        ("pairs", "candidate pairs"),
        ("cpu_seconds", "CPU seconds"),
        ("matches", "matches"),
        ("entities", "entities"),
        ("f1", "F1 of the matches"),
        ("true_pairs_found", "true pairs found"),
        ("recall", "recall, as each model sees it"),
    ):
        if name in before or name in after:
            yield f"{title:<28} {_shown(before, name):>16} {_shown(after, name):>16}"
    moves = comparison.get("moves")
    if moves:
        yield (
            f"{moves['entities_changed']:,} entities would change, with"
            f" {moves['records_in_changed_entities']:,} records; {moves['ids_moved']:,} records"
            " would get another id."
        )


def _shown(figures: Mapping[str, float], name: str) -> str:
    value = figures.get(name)
    if value is None:
        return ""
    if name == "recall" and "recall_low" in figures:
        low, high = figures["recall_low"], figures["recall_high"]
        return f"{value:.1%} ({low:.0%}-{high:.0%})"
    if name in SHARES:
        return f"{value:.2%}"
    return f"{value:,.1f}" if name == "cpu_seconds" else f"{value:,.0f}"
