"""What must hold of unified_pairs, with the numbers behind it."""

from collections.abc import Iterator

from er_pipeline.blocking.pairs.unified_pairs import UnifiedFacts
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict, share_of

# Up to so many pairs are checked for repeats one by one; above it, those of evenly spread records.
PAIRS_CHECKED_FOR_REPEATS = 5_000_000


def judge_pairs(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge unified_pairs by reading it: every pair once, canonical, of records that exist."""
    fingerprint = read_records(engine, lake)
    read_numbered(engine, lake, "unified_pairs", fingerprint)
    (n_records,) = engine.row("select count(*) from cleaned_records")
    n_pairs, backward, unknown, unfiled = engine.row(
        f"""
        select count(*), count(*) filter (where left_no >= right_no),
            count(*) filter (where left_no < 0 or right_no < 0
                or left_no >= {n_records} or right_no >= {n_records}),
            count(*) filter (where strategy_mask <= 0)
        from unified_pairs
        """
    )
    step = max(1, -(-n_pairs // PAIRS_CHECKED_FOR_REPEATS))
    checked, distinct = engine.row(
        "select count(*), count(distinct left_no * 4294967296 + right_no) from (select"
        " cast(left_no as bigint) as left_no, cast(right_no as bigint) as right_no"
        f" from unified_pairs where left_no % {step} = 0)"
    )
    yield Verdict(
        "every_pair_once",
        checked == distinct,
        "error",
        f"{checked - distinct:,} of {checked:,} pairs looked at are stored twice"
        f" ({_pairs_looked_at(step)}).",
        {"repeated_pairs": checked - distinct, "pairs_looked_at": checked},
    )
    within = 0
    if spec.link_mode == "link":
        (within,) = engine.row(
            "select count(*) from unified_pairs as p join cleaned_records as l"
            " on l.record_no = p.left_no join cleaned_records as r on r.record_no = p.right_no"
            " where l.source_no >= r.source_no"
        )
    wrong = backward + within
    yield Verdict(
        "every_pair_canonical",
        wrong == 0,
        "error",
        f"{wrong:,} of {n_pairs:,} pairs are the wrong way round or within one source.",
        {"wrong_pairs": wrong, "pairs": n_pairs},
    )
    yield Verdict(
        "every_id_exists",
        unknown + unfiled == 0,
        "error",
        f"{unknown:,} pairs name a record that does not exist, {unfiled:,} name no strategy.",
        {"pairs_with_unknown_records": unknown, "pairs_without_strategy": unfiled},
    )


def judge_ranking(facts: UnifiedFacts, spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge what the budget left, from the facts of `unify_pairs`."""
    if spec.budget is None:
        return
    pairs, budget = facts["pairs"] - facts.get("second_pass_pairs", 0), facts["budget_pairs"]
    made, cut = facts["pairs_made"], facts["pairs_cut"]
    yield Verdict(
        "budget_is_kept",
        pairs <= budget and pairs == made - cut,
        "error",
        f"{pairs:,} of {made:,} pairs were kept, {cut:,} cut (at most {budget:,} wanted).",
        {"pairs": pairs, "budget_pairs": budget, "pairs_cut": cut},
    )
    lost = share_of(facts["expected_matches_cut"], facts["expected_matches"])
    most = spec.checks.max_matches_cut
    yield Verdict(
        "budget_loses_little",
        lost <= most,
        "warn",
        f"The pairs that were cut hold about {lost:.2%} of the expected matches (a warning above"
        f" {most:.0%}); a million more pairs would buy about"
        f" {facts['matches_per_million_more_pairs']:,.0f} of them.",
        {
            "expected_matches_cut_share": lost,
            "matches_per_million_more_pairs": facts["matches_per_million_more_pairs"],
        },
    )


def _pairs_looked_at(step: int) -> str:
    return "every pair" if step == 1 else f"the pairs of every {_ordinal(step)} left record"


def _ordinal(n: int) -> str:
    """Write the place of a number in a row: 2nd, 3rd, 11th, 21st."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}th" if n % 100 in (11, 12, 13) else f"{n}{ending}"
