"""Coverage and cost of the blocks, judged before any pair is made."""

from collections.abc import Iterator

from er_pipeline.blocking.blocks.blocks import most_expensive, over_the_cap
from er_pipeline.blocking.blocks.filtered_facts import FilteredFacts
from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict, share_of, unless

CHECKS = (
    Check(
        "key_coverage_is_enough",
        "Records without a key are never compared. Only a warning where the limit is not written"
        " down and rules are learned, neighbours found, or the records too few to show it.",
        limits=("checks.min_key_coverage",),
    ),
    Check(
        "filtering_keeps_coverage",
        "Records whose every block was dropped are lost.",
        limits=("checks.max_coverage_lost",),
    ),
    Check(
        "pairs_within_budget",
        "Every pair costs money; decided before one is made.",
        limits=("checks.max_pairs",),
    ),
    Check(
        "every_strategy_within_budget",
        "One strategy must not eat the whole budget; one with too many keys per record is stopped"
        " before they are made.",
        limits=("checks.max_pairs_per_strategy", "checks.max_memberships"),
    ),
    Check(
        "no_block_holds_too_much",
        "A giant block is a placeholder in disguise.",
        stops=False,
        limits=("checks.max_largest_block_share", "checks.min_block_pairs_for_share"),
    ),
)


def no_strategy_text(spec: PipelineSpec) -> str:
    """Say what is left where there is no strategy: no rule was found; neighbours alone propose."""
    found = "No rule was found" if spec.learns else "There is no strategy"
    if spec.encoder:
        return f"{found}; neighbours alone propose pairs"
    if spec.second_pass:
        return f"{found}; the second pass alone proposes pairs"
    return f"{found}, so nothing proposes pairs: write a strategy of your own, or embedding: true"


def judge_strategies(facts: FilteredFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge coverage and budgets from the facts of `sum_strategies`, before any pair is made."""
    checks, n_empty = spec.checks, facts["records_empty"]
    n_records = facts["records"] - n_empty
    coverage = share_of(facts["records_with_key"], n_records)
    if not facts["strategies"] or not n_records:  # there are no keys, or nothing to cover
        coverage = 1.0
    empty = f" {n_empty:,} more are empty in every field." if n_empty else ""
    # A limit that nobody wrote down only warns where the data choose the rules or neighbours need
    # no key, since the pairs there are may be all that can be had; and where so few records
    # cannot show that the coverage of their kind lies below it.
    is_chosen = spec.learns is not None or spec.embedding is not None
    most = interval(facts["records_with_key"], n_records)[1]
    only_warns = "min_key_coverage" not in checks.model_fields_set and (
        is_chosen or most >= checks.min_key_coverage
    )
    is_enough = coverage >= checks.min_key_coverage
    text = (
        f"{coverage:.2%} of {n_records:,} records have a blocking key"
        f" (at least {checks.min_key_coverage:.0%} wanted).{empty}"
    )
    text += unless(
        is_enough,
        " Add a strategy over fields that are filled, or lower checks: min_key_coverage.",
    )
    if not facts["strategies"]:
        is_enough = bool(spec.encoder or spec.second_pass)
        text = f"{no_strategy_text(spec)}.{empty}"
        only_warns, coverage = True, 1.0 if is_enough else 0.0
    yield Verdict(
        "key_coverage_is_enough",
        is_enough,
        "warn" if only_warns else "error",
        text,
        {
            "key_coverage": coverage,
            "min_key_coverage": checks.min_key_coverage,
            "records_without_key": n_records - facts["records_with_key"],
            "records_empty": n_empty,
        },
    )
    lost_records = facts["records_sharing_a_key"] - facts["records_in_a_block"]
    lost = share_of(lost_records, n_records)
    avoided, n_blocks, culprit = max(
        ((*over_the_cap(counts)[::-1], name) for name, counts in facts["strategies"].items()),
        default=(0, 0, "none"),
    )
    yield Verdict(
        "filtering_keeps_coverage",
        lost <= checks.max_coverage_lost,
        "error",
        f"{lost:.2%} of the records share a key but stand in no block that is compared"
        f" (at most {checks.max_coverage_lost:.0%} wanted)."
        + unless(
            lost <= checks.max_coverage_lost,
            f" {culprit} dropped {avoided:,} pairs, the most, in blocks over the cap"
            f" ({n_blocks:,})."
            " See dropped_blocks; add a narrower strategy, raise blocks: max_size, or divide the"
            " blocks by blocks: {oversized: refine}.",
        ),
        {
            "coverage_lost": lost,
            "max_coverage_lost": checks.max_coverage_lost,
            "records_lost": lost_records,
        },
    )
    pairs = facts["pairs"]
    yield Verdict(
        "pairs_within_budget",
        pairs <= checks.max_pairs,
        "error",
        f"The strategies propose {pairs:,} pairs, counting those of several strategies each time"
        f" (at most {checks.max_pairs:,} wanted)."
        + unless(
            pairs <= checks.max_pairs,
            f" The most expensive is {most_expensive(facts['strategies'])}; lower blocks: max_size,"
            " join another key to it, or raise checks: max_pairs.",
        ),
        {"pairs": pairs, "max_pairs": checks.max_pairs},
    )
    budgets = {name: spec.max_pairs_of(name) for name in facts["strategies"]}
    over = {
        name: facts["strategies"][name]["pairs"]
        for name, budget in budgets.items()
        if budget is not None and facts["strategies"][name]["pairs"] > budget
    }
    listed = ", ".join(f"{name} {n:,} (at most {budgets[name]:,})" for name, n in over.items())
    yield Verdict(
        "every_strategy_within_budget",
        not over,
        "error",
        f"Over budget: {listed}. Join another key to the strategy, lower blocks: max_size, or raise"
        " checks: max_pairs_per_strategy."
        if over
        else f"No strategy of {len(budgets)} is over a budget of its own.",
        {f"pairs_{name}": facts["strategies"][name]["pairs"] for name in budgets},
    )
    largest, held = max(
        ((counts["largest_block_pairs"], name) for name, counts in facts["strategies"].items()),
        default=(0, "none"),
    )
    share = share_of(largest, pairs)
    small = largest < checks.min_block_pairs_for_share
    yield Verdict(
        "no_block_holds_too_much",
        small or share <= checks.max_largest_block_share,
        "warn",
        f"The largest block ({held}) holds {largest:,} pairs, {share:.1%} of all"
        f" (a warning above {checks.max_largest_block_share:.0%}, from"
        f" {checks.min_block_pairs_for_share:,} pairs).",
        {"largest_block_pairs": largest, "largest_block_share": share},
    )
