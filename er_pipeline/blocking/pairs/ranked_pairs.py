"""Candidate pairs -> the best of them, by weight, within the budget.

A pair's weight is its evidence (pair_weights.py), in units of what singles out one record, plus
what its cosine is worth where there is an encoder. When linking, a record has one match or few in
each other source: a pair loses weight where its records have better ones there. budget_cut.py says
which pairs stay.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from er_pipeline.blocking.neighbours.cosines import fill_cosines, texts_of_records
from er_pipeline.blocking.neighbours.vector_files import load_vectors, vector_folder
from er_pipeline.blocking.pairs.budget_cut import cut_of
from er_pipeline.blocking.pairs.pair_views import rank_again
from er_pipeline.blocking.pairs.ranked_facts import A_MILLION, DECIMALS, RankedFacts, account_for
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict, share_of
from er_pipeline.blocking.weights.pair_evidence import RIVALS_SHARE, PairWeights, count_records

logger = logging.getLogger(__name__)


def weight_sql(
    weights: PairWeights, evidence: str, similarity: str | None = None, *, is_stored: bool = False
) -> str:
    """Write the expression of a pair's own weight, rivals left aside.

    evidence: expression of its evidence in nats. similarity: of its cosine, if there is an encoder.
    is_stored: the evidence is a FLOAT. Its quotient is said to be one, too: other engines than
    DuckDB would divide doubles, and of 100,000 pairs 80 would weigh 0.0001 more or less.
    """
    units = f"({evidence}) / {weights.unit:.6f}"
    if is_stored:
        units = f"cast(({evidence}) / cast({weights.unit:.6f} as FLOAT) as FLOAT)"
    cosine = ""
    if similarity is not None:
        cosine = f" + {weights.cosine_weight} * coalesce({similarity}, 0)"
    # FLOAT is how a stored view shows it again; a catalog is compared with what was written.
    return f"cast(round({units}{cosine}, {DECIMALS}) as FLOAT)"


def rank_pairs(
    engine: Engine,
    lake: Lake,
    spec: PipelineSpec,
    weights: PairWeights,
    made: Path,
    kept: Path,
    cut_off: Path | None = None,
) -> RankedFacts:
    """Give all pairs their weight and write the best.

    made: folder of parquet files (left_no, right_no, strategy_mask, with an encoder similarity,
    and evidence in nats); similarities are filled in there.
    kept: the file to write, with weight instead of evidence. Reads record_embeddings and the
    vectors where there is an encoder.
    cut_off: the file to write of the pairs that are not kept (left_no, right_no, weight), if any.
    Returns what was made, kept and cut, by class of weight, and what a million more would bring.

    Raises BudgetError if there are too many pairs and the budget says to fail.
    """
    if spec.encoder:
        text = texts_of_records(engine, lake, count_records(engine))
        fill_cosines(made, {"similarity": load_vectors(vector_folder(lake))}, text)
    engine.read_folder(made, "made_pairs")
    _weigh(engine, spec, weights)
    (n_made,) = engine.row("select count(*) from weighed_pairs")
    views = None
    if spec.reads_whole_records:
        scratch = made / "views"
        scratch.mkdir()
        views = rank_again(engine, lake, spec, weights, scratch)
    target = spec.budget.pairs(count_records(engine)) if spec.budget else None
    cut = cut_of(engine, spec, n_made, target)
    facts = account_for(engine, cut, n_made, target, weights)
    if views:
        facts["views"] = views
    as_written = "cast(p.weight as float) as weight"
    columns = ["left_no", "right_no", "strategy_mask"]
    if spec.encoder:
        columns.append("similarity")
    engine.write(
        f"select {', '.join(f'p.{column}' for column in columns)}, {as_written}"
        f" from weighed_pairs as p{cut.joins} where {cut.condition}",
        kept,
        bulk=True,
    )
    if cut_off is not None:
        engine.write(
            f"select p.left_no, p.right_no, {as_written} from weighed_pairs as p{cut.joins}"
            f" where not ({cut.condition})",
            cut_off,
            bulk=True,
        )
    return facts


def judge_ranking(facts: Mapping[str, Any], spec: PipelineSpec) -> Iterator[Verdict]:
    """Judge what the budget left, from the facts of `unify_pairs`.

    Where truth is known, missed_matches counts what the cut lost: then the estimate never warns.
    """
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
        lost <= most or spec.truth is not None,
        "warn",
        f"The pairs that were cut hold about {lost:.2%} of the matches that their weights expect"
        + (
            "; truth is known, so missed_matches counts what the cut lost."
            if spec.truth
            else f" (a warning above {most:.0%}){_what_more_would_buy(facts, cut)}. Pairs that were"
            " never made are not among them."
        ),
        {
            "expected_matches_cut_share": lost,
            "matches_per_million_more_pairs": facts["matches_per_million_more_pairs"],
        },
    )


def _what_more_would_buy(facts: Mapping[str, Any], cut: int) -> str:
    """Say what the next million pairs hold, or all that were cut where these are fewer."""
    if not cut:
        return ""
    more = "a million more pairs" if cut > A_MILLION else f"all {cut:,} of them"
    return f"; {more} would buy about {facts['matches_per_million_more_pairs']:,.0f} matches"


def _weigh(engine: Engine, spec: PipelineSpec, weights: PairWeights) -> None:
    """Make weighed_pairs: made_pairs with weight, own (without rivals) and probability."""
    similarity = "p.similarity" if spec.encoder else None
    own = weight_sql(weights, "p.evidence", similarity, is_stored=True)
    probability = weights.probability_sql("p.evidence")
    if spec.link_mode != "link":
        engine.make_view(
            "weighed_pairs",
            f"select p.*, {own} as own, {own} as weight, {probability} as probability"
            " from made_pairs as p",
        )
        return
    _make_own_pairs(engine, spec, own)
    for side, other in (("left", "right"), ("right", "left")):
        engine.make_table(
            f"best_{side}",
            f"select {side}_no as record_no, {other}_source as source_no, max(own) as own"
            f" from own_pairs group by {side}_no, {other}_source",
        )
    engine.make_table(
        "best_of_record",
        "select record_no, source_no, max(own) as own from (select * from best_left"
        " union all select * from best_right) group by record_no, source_no",
    )
    rivals = f"cast({RIVALS_SHARE} as float) * (l.own + r.own) / 2"
    engine.make_view(
        "weighed_pairs",
        f"""
        select p.*, cast(round(cast(p.own - {rivals} as float), {DECIMALS}) as float) as weight,
            {probability} as probability
        from own_pairs as p
        join best_of_record as l on l.record_no = p.left_no and l.source_no = p.right_source
        join best_of_record as r on r.record_no = p.right_no and r.source_no = p.left_source
        """,
    )


def _make_own_pairs(engine: Engine, spec: PipelineSpec, own: str) -> None:
    """Make own_pairs: made_pairs with own, an expression of it, and the sources of both records."""
    left, right, joins = "0", "1", ""
    if not spec.links_two:  # of two it is known, and nothing need be looked up
        left, right = "l.source_no", "r.source_no"
        joins = (
            " join key_codes as l on l.record_no = p.left_no"
            " join key_codes as r on r.record_no = p.right_no"
        )
    engine.make_view(
        "own_pairs",
        f"select p.*, {own} as own, {left} as left_source, {right} as right_source"
        f" from made_pairs as p{joins}",
    )
