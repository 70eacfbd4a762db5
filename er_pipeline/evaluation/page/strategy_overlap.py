"""Which strategies propose the same pairs, counted exactly when the pairs were written."""

from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.evaluation.page.model_charts import upset
from er_pipeline.evaluation.page.page_parts import (
    Chart,
    Listing,
    Part,
    RunOnPage,
    Section,
    percent,
)

COLUMNS_SHOWN = 20


def overlap_section(run: RunOnPage) -> Section:
    """Show what each strategy brings, alone and with others."""
    title = "What does each strategy bring?"
    if not run.has("unified_pairs"):
        return Section("Strategies", title, "Not known: the table unified_pairs is not good.")
    facts = unified_facts(run.lake)
    bits, total = facts["strategy_bits"], facts["pairs"]
    if not total or not bits:
        return Section("Strategies", title, "Nothing: there is no candidate pair.")
    alone = facts["pairs_of_one_strategy_only"]
    most = max(alone, key=lambda name: alone[name])
    answer = (
        f"{percent(sum(alone.values()) / total)} of the pairs are proposed by one strategy alone,"
        f" most of them by {most} ({alone[most]:,})."
    )
    parts: list[Part] = []
    counted = facts.get("combinations", [])
    combinations = [
        ([name for name, bit in bits.items() if mask >> bit & 1], n)
        for mask, n in counted[:COLUMNS_SHOWN]
    ]
    proposed = facts["proposed_pairs"]
    if combinations:
        members = {name for inside, _ in combinations for name in inside}
        names = sorted(members, key=lambda name: (-proposed[name], name))
        rest = total - sum(n for _, n in combinations)
        about = "A column counts the pairs that exactly the marked strategies propose."
        if rest:
            about += f" Smaller combinations, not drawn, hold {rest:,} pairs."
        parts.append(Chart("Pairs by combination of strategies", upset(combinations, names), about))
    figures = run.figures.get("strategies", {})
    has_truth = any("true_pairs" in counts for counts in figures.values())
    header = ["strategy", "pairs", "of it alone", "blocks", "largest block"]
    header += ["true pairs", "of it alone", "completeness"] if has_truth else []
    rows = []
    for name in bits:
        found = figures.get(name, {})
        row = [name, f"{proposed[name]:,}", f"{alone[name]:,}"]
        row += [f"{found[key]:,}" if key in found else "" for key in ("blocks", "largest_block")]
        if has_truth:
            row += [f"{found[key]:,}" for key in ("true_pairs", "true_pairs_of_it_alone")]
            row.append(percent(found["pairs_completeness"], 2))
        rows.append(row)
    parts.append(Listing("Strategies", Grid(header, rows)))
    return Section("Strategies", title, answer, parts)
