"""Weights of pairs that nothing ranks: computed where somebody reads them, never for all pairs.

Where there is no budget every pair stays, and a pair's weight follows from its two records. To
weigh all of them while they are made took eleven times the CPU of making them, at a million
records, and decided nothing. So the table has no weights then: its view, the label queue, `explain`
and the curve over true pairs compute those that they show, and the classes of weights and the
curve of what is expected come from a sample.
"""

from collections.abc import Mapping

from er_pipeline.blocking.pairs.ranked_facts import EVERY_PAIR, RankedFacts, account_for
from er_pipeline.blocking.pairs.ranked_pairs import weight_sql
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import Relations
from er_pipeline.blocking.weights.pair_evidence import PairWeights
from er_pipeline.blocking.weights.pair_weights import read_weights, sample_records, weights_of

# Pairs weighed for the classes and the curve; all of them where there are no more. They are those
# of left records drawn by lot: of a million people 5,800 records, with some 1,900 of the 330,000
# expected matches, so a sum of matches is off by 4.5% at most, 19 times in 20.
WEIGHED_PAIRS = 1_000_000


def weighed_when_read(spec: PipelineSpec) -> bool:
    """Return whether pairs are weighed, and yet unified_pairs holds no weights.

    A budget ranks by them; an encoder's cosines and, when linking, the rivals of a pair are known
    only once all pairs are there.
    """
    unranked = spec.budget is None and spec.encoder is None and spec.link_mode != "link"
    return spec.weights and unranked


def holds_weights(spec: PipelineSpec) -> bool:
    """Return whether unified_pairs holds the weights of its pairs."""
    return spec.weights and not weighed_when_read(spec)


def tables_of_weights(spec: PipelineSpec) -> list[str]:
    """List the tables that `with_weights` reads."""
    return ["key_codes", "pair_weights"] if weighed_when_read(spec) else []


def with_weights(engine: Engine, lake: Lake, spec: PipelineSpec, pairs: str) -> str:
    """Write the query of some rows of unified_pairs, with their weight (NULL without weights).

    pairs: engine table or query in parentheses. Opens key_codes where it weighs them.
    """
    if holds_weights(spec):
        return f"select p.* from {pairs} as p"
    if not spec.weights:
        return f"select p.*, cast(null as float) as weight from {pairs} as p"
    lake.open(engine, "key_codes")
    return _weighed_sql(read_weights(lake), pairs, "key_codes")


def weight_of_view(relations: Mapping[str, str]) -> tuple[str, str]:
    """Write the weight of a pair p as an expression, and the joins that it needs.

    NULL where nothing is known of the weights: where only columns are asked for, or what they are
    read from is not shown.
    """
    known = "key_codes" in relations and "pair_weights" in relations
    if not known or not isinstance(relations, Relations):
        return "cast(null as float) as weight", ""
    codes, weights = relations["key_codes"], weights_of(relations.facts("pair_weights"))
    return (
        f"{weight_sql(weights, weights.evidence_sql('cl', 'cr'))} as weight",
        f" join {codes} as cl on cl.record_no = p.left_no"
        f" join {codes} as cr on cr.record_no = p.right_no",
    )


def account_for_sample(
    engine: Engine, lake: Lake, spec: PipelineSpec, pairs: str, n_pairs: int
) -> RankedFacts:
    """Account for the weights of all pairs, from a sample of them.

    pairs: engine table of the n_pairs candidates. Reads the engine's key_codes. What is counted is
    scaled up to all pairs.
    """
    weights = read_weights(lake)
    drawn, sample = "weighed_records", "pairs_to_weigh"
    # Drawn so that either side has half of the pairs; here only the left side counts.
    sample_records(engine, n_pairs, f"{spec.seed}", drawn, 2 * WEIGHED_PAIRS)
    engine.make_table(
        sample,
        f"select left_no, right_no from {pairs} where left_no in (select record_no from {drawn})",
    )
    (n_weighed,) = engine.row(f"select count(*) from {sample}")
    probability = weights.probability_sql(f"weight * {weights.unit:.6f}")
    engine.make_table(
        "weighed_pairs",
        f"select weight, {probability} as probability"
        f" from ({_weighed_sql(weights, sample, 'key_codes')})",
    )
    scale = n_pairs / n_weighed if n_weighed else 1.0
    facts = account_for(engine, EVERY_PAIR, n_pairs, None, weights, scale)
    facts["pairs_weighed"] = n_weighed
    return facts


def _weighed_sql(weights: PairWeights, pairs: str, codes: str) -> str:
    return (
        f"select p.*, {weight_sql(weights, weights.evidence_sql())} as weight from {pairs} as p"
        f" join {codes} as l on l.record_no = p.left_no"
        f" join {codes} as r on r.record_no = p.right_no"
    )
