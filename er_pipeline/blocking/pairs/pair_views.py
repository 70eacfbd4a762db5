"""Weighed pairs -> the same weights, given to the pairs in the order that all views agree on.

The numbers keep their meaning, what singles out one record, and the matches that they let expect;
only which pair has which of them changes. view_ranking.py says how views are combined.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from er_pipeline.blocking.neighbours.cosines import cosines_of_all, texts_of_records
from er_pipeline.blocking.neighbours.vector_files import load_whole_vectors
from er_pipeline.blocking.pairs.candidate_lists import Floats, Pairs
from er_pipeline.blocking.pairs.view_ranking import EVIDENCE, ViewRanking, rank_by_views
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import Check
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.weights.pair_evidence import PairWeights, count_records

logger = logging.getLogger(__name__)

# Pairs that are looked at as a whole, 50 bytes each and view; more are ranked by evidence alone.
MOST_PAIRS = 30_000_000
# Share of the pairs first by evidence that stay first, below which the views contradict each other.
LEAST_AGREEMENT = 0.5
DISPUTED_PAIRS, FIELDS_NAMED = 5_000, 3
LEAST_GAP = 1e-4  # between weights, where all of them are one
BATCH = 1_000_000


VIEWS_AGREE = Check(
    "views_agree",
    "Where the fields and the whole record rank the pairs differently, one of them is wrong.",
    stops=False,
)


class ViewFacts(TypedDict):
    """What is noted of the views where pairs are ranked by several.

    views: see `View`. ranked_by: evidence, or views. agreement: share of the pairs that stand
    first by evidence and in the end. disputed_fields: whose evidence speaks most for those that do
    not, with the nats it adds on average.
    """

    views: list[dict[str, Any]]
    ranked_by: str
    agreement: float
    disputed_fields: list[tuple[str, float]]


def rank_again(
    engine: Engine, lake: Lake, spec: PipelineSpec, weights: PairWeights, folder: Path
) -> ViewFacts:
    """Let all views of the pairs decide which has which weight.

    Reads the engine's weighed_pairs (left_no, right_no, strategy_mask, similarity, weight, own,
    probability) and, where another order is better, makes it anew, from a file in folder. Reads
    record_embeddings, the vectors of whole records and key_codes.
    """
    (n_pairs,) = engine.row("select count(*) from weighed_pairs")
    if not n_pairs or n_pairs > MOST_PAIRS:
        logger.info("%s pairs are ranked by evidence alone", f"{n_pairs:,}")
        return ViewFacts(views=[], ranked_by=EVIDENCE, agreement=1.0, disputed_fields=[])
    written = folder / "weighed.parquet"
    engine.write(
        "select left_no, right_no, strategy_mask, similarity, own, weight, probability"
        " from weighed_pairs order by left_no, right_no",
        written,
    )
    columns = {
        name: pq.read_table(written, columns=[name])[name].fill_null(0).to_numpy()
        for name in ("left_no", "right_no", "similarity", "own", "weight", "probability")
    }
    pairs = Pairs(
        columns["left_no"],
        columns["right_no"],
        count_records(engine),
        spec.links_two,
        _sources(engine) if spec.link_mode == "link" else None,
    )
    views = {
        EVIDENCE: columns["weight"].astype(np.float64),
        "fields": columns["similarity"].astype(np.float64),
    }
    text = texts_of_records(engine, lake, count_records(engine))
    left, right = text[pairs.left], text[pairs.right]
    words, *others = load_whole_vectors(lake).items()
    views[words[0]] = cosines_of_all(words[1], left, right)

    def costly() -> dict[str, Floats]:
        return {name: cosines_of_all(vectors, left, right) for name, vectors in others}

    excess = weights.of_matches / weights.prior if weights.prior > 0 else 1.0
    likely = columns["own"] >= weights.prior / weights.unit
    ranking = rank_by_views(pairs, views, excess, likely, spec.seed, costly)
    for view in ranking.views:
        share = f"{view.mutual_best:.1%}"
        logger.info("%s: mutual bests %s, trust %.3f", view.name, share, view.trust)
    facts = ViewFacts(
        views=[asdict(view) for view in ranking.views],
        ranked_by=EVIDENCE if ranking.score is None else "views",
        agreement=round(ranking.agreement, 4),
        disputed_fields=[],
    )
    if ranking.score is None:
        written.unlink()
        return facts
    if ranking.agreement < LEAST_AGREEMENT:
        facts["disputed_fields"] = _disputed(engine, weights, pairs, ranking)
    placed = folder / "placed.parquet"
    _write_placed(written, placed, ranking.score, columns["weight"], columns["probability"])
    written.unlink()
    engine.read_file(placed, "placed_pairs")
    engine.make_view("weighed_pairs", "select * from placed_pairs")
    return facts


def _sources(engine: Engine) -> NDArray[np.int64]:
    """Read the number of every record's source."""
    found = engine.columns("select source_no from key_codes order by record_no")
    return np.asarray(found["source_no"], np.int64)


def judge_views(facts: ViewFacts) -> Verdict:
    """Judge whether the views tend to put the same pairs first."""
    agreement = facts["agreement"]
    agrees = agreement >= LEAST_AGREEMENT
    sentence = (
        f"Of the pairs that stand first by the evidence of the fields, {agreement:.0%} do by all"
        f" views together (a warning below {LEAST_AGREEMENT:.0%})."
    )
    if not agrees:
        fields = ", ".join(f"{name} ({nats:+.1f} nats)" for name, nats in facts["disputed_fields"])
        sentence += (
            " The views decide, not the evidence. What speaks most for the others is"
            f" {fields or 'no single field'}: look whether it follows from where a record came from"
            " or from another field, and leave it out of fields if it does."
        )
    return Verdict("views_agree", agrees, "warn", sentence, {"agreement": agreement})


def placed(score: Floats, values: NDArray[Any]) -> Floats:
    """Hand values out anew: the largest go to the pairs with the largest score.

    score, values: (n_pairs,). Pairs of one score get one value; where equal values go to pairs of
    different scores, they are spread between those before and behind them, so that the order stays.
    """
    _, of_pair, counts = np.unique(-score, return_inverse=True, return_counts=True)
    places = np.cumsum(counts) - counts / 2
    distinct, sizes = np.unique(-values.astype(np.float64), return_counts=True)
    middles, given = np.cumsum(sizes) - sizes / 2, -distinct
    # Beyond the middle of the first and the last value it goes on as between them and the next.
    gaps = given[:-1] - given[1:] if len(given) > 1 else np.full(1, LEAST_GAP)
    knots = np.concatenate([[0.0], middles, [float(len(values))]])
    of_knots = np.concatenate([[given[0] + gaps[0] / 2], given, [given[-1] - gaps[-1] / 2]])
    spread: Floats = np.interp(places, knots, of_knots)[of_pair]
    return spread


def shared_out(score: Floats, values: NDArray[Any]) -> Floats:
    """Hand values out as `placed` does, but as means, so that their sum stays."""
    _, of_pair, counts = np.unique(-score, return_inverse=True, return_counts=True)
    sums = np.cumsum(np.sort(values)[::-1], dtype=np.float64)[np.cumsum(counts) - 1]
    mean: Floats = (np.diff(np.concatenate([[0.0], sums])) / counts)[of_pair]
    return mean


def _write_placed(
    written: Path,
    target: Path,
    score: Floats,
    weight: NDArray[np.float32],
    probability: NDArray[np.float64],
) -> None:
    """Write the pairs with their new weights and probabilities."""
    new = {
        "weight": placed(score, weight),
        "probability": shared_out(score, probability),
    }
    new["own"] = new["weight"]
    with pq.ParquetFile(written) as source:
        schema = source.schema_arrow
        for name, values in new.items():  # wide enough to keep the order where a million pairs tie
            place = schema.get_field_index(name)
            schema = schema.set(place, pa.field(name, pa.from_numpy_dtype(values.dtype)))
        start = 0
        with pq.ParquetWriter(target, schema, compression="snappy") as writer:
            # pyarrow before 20 cannot read on from nothing
            for batch in source.iter_batches(BATCH) if source.metadata.num_rows else ():
                end = start + len(batch)
                columns: Sequence[pa.Array] = [
                    pa.array(new[field.name][start:end], field.type) if field.name in new else old
                    for field, old in zip(schema, batch.columns, strict=True)
                ]
                writer.write_batch(pa.record_batch(list(columns), schema=schema))
                start = end


def _disputed(
    engine: Engine, weights: PairWeights, pairs: Pairs, ranking: ViewRanking
) -> list[tuple[str, float]]:
    """Name the fields that speak most for pairs which only evidence puts first."""
    disputed = ranking.disputed[:DISPUTED_PAIRS]
    engine.put(
        "disputed_pairs", {"left_no": pairs.left[disputed], "right_no": pairs.right[disputed]}
    )
    alone = weights.evidence_of_fields_sql()
    said = engine.row(
        f"select {', '.join(f'avg({evidence})' for evidence in alone.values())}"
        " from disputed_pairs as p join key_codes as l on l.record_no = p.left_no"
        " join key_codes as r on r.record_no = p.right_no"
    )
    nats = [(name, round(float(of or 0), 1)) for name, of in zip(alone, said, strict=True)]
    loudest = sorted(nats, key=lambda of: (-of[1], of[0]))
    return [of for of in loudest[:FIELDS_NAMED] if of[1] > 0]
