"""Step 3, continued: candidate pairs -> the best of them, by weight, within the budget.

A pair's weight is its evidence (pair_weights.py), in units of what singles out one record, plus
what its cosine is worth where there is an encoder. When linking, a record has one match or few: a
pair loses weight where its records have better ones. Nothing is sorted to be cut: the pairs of each
weight are counted, and where a weight is cut in two, the lower numbers stay.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from er_pipeline.blocking.neighbours.record_embeddings import load_vectors, vector_folder
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import BudgetError
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_evidence import RIVALS_SHARE, PairWeights

logger = logging.getLogger(__name__)

# Pairs whose vectors are multiplied at once: about 200 MB of sparse rows.
PAIRS_PER_BATCH = 100_000
DECIMALS = 4  # of weights; what differs by less is a tie
# Ranks at which the curve is told, in pairs per record.
CURVE = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 100, 200)
# What the exchange rate speaks of.
A_MILLION = 1_000_000


class WeightClass(TypedDict):
    """Pairs whose weight lies within half a unit from `weight` on: made and kept, and matches."""

    weight: float
    pairs: int
    kept: int
    expected_matches: float
    expected_matches_kept: float


class Rank(TypedDict):
    """A point of the curve: the best pairs, down to a weight, and the matches they may hold."""

    pairs_per_record: float
    weight: float
    expected_completeness: float


class RankedFacts(TypedDict, total=False):
    """What ranking notes of pairs that are weighed; the last two are those of a budget.

    weight_classes: heaviest first. matches_per_million_more_pairs: among the best that were cut.
    """

    pairs_made: int
    pairs_cut: int
    expected_matches: float
    expected_matches_cut: float
    weight_classes: list[WeightClass]
    ranks: list[Rank]
    budget_pairs: int
    matches_per_million_more_pairs: float


def is_final(spec: PipelineSpec) -> bool:
    """Tell whether a pair's weight is known as soon as the pair is, and no pair is cut."""
    return spec.budget is None and spec.encoder is None and spec.link_mode != "link"


def weight_sql(weights: PairWeights, evidence: str, similarity: str | None = None) -> str:
    """Write the expression of a pair's own weight, rivals left aside.

    evidence: expression of its evidence in nats. similarity: of its cosine, where an encoder tells.
    """
    cosine = ""
    if similarity is not None:
        cosine = f" + {weights.cosine_weight} * coalesce({similarity}, 0)"
    return f"cast(round(({evidence}) / {weights.unit:.6f}{cosine}, {DECIMALS}) as float)"


def rank_pairs(
    engine: DuckDBEngine,
    lake: Lake,
    spec: PipelineSpec,
    weights: PairWeights,
    folder: Path,
    files: Sequence[Path],
) -> RankedFacts:
    """Give all pairs their weight and keep the best.

    files: parquet of (left_no, right_no, strategy_mask, with an encoder similarity, and evidence in
    nats, or weight where `is_final`), in folder; they are replaced by what is kept, with weight.
    Returns what was made, kept and cut, by class of weight, and what a million more would bring.

    Raises BudgetError if there are too many pairs and the budget says to fail.
    """
    if spec.encoder:
        _multiply_vectors(engine, lake, files)
    engine.read_folder(folder, "made_pairs")
    if is_final(spec):
        engine.execute(
            "create or replace view weighed_pairs as select *,"
            f" {weights.probability_sql(f'weight * {weights.unit:.6f}')} as probability"
            " from made_pairs"
        )
        n_made, target, cut = _counted(engine), None, None
    else:
        _weigh(engine, spec, weights)
        n_made = _counted(engine)
        (n_records,) = engine.row("select count(*) from cleaned_records")
        target = spec.budget.pairs(n_records) if spec.budget else None
        cut = _cut(engine, spec, n_made, target)
    facts = _told(engine, cut, n_made, target, weights)
    if not is_final(spec):
        similarity = ", similarity" if spec.encoder else ""
        kept = folder / "kept.tmp"
        engine.write(
            f"select left_no, right_no, strategy_mask{similarity}, weight from weighed_pairs"
            + f" where {cut}" * bool(cut),
            kept,
            bulk=True,
        )
        for file in files:
            file.unlink()
        kept.rename(folder / "ranked.parquet")
    return facts


def _counted(engine: DuckDBEngine) -> int:
    return int(engine.row("select count(*) from weighed_pairs")[0])


def _weigh(engine: DuckDBEngine, spec: PipelineSpec, weights: PairWeights) -> None:
    """Make weighed_pairs: made_pairs with weight, own (without rivals) and probability."""
    own = weight_sql(weights, "evidence", "similarity" if spec.encoder else None)
    probability = weights.probability_sql("evidence")
    if spec.link_mode != "link":
        engine.execute(
            f"create or replace view weighed_pairs as select *, {own} as own, {own} as weight,"
            f" {probability} as probability from made_pairs"
        )
        return
    engine.execute(f"create or replace view own_pairs as select *, {own} as own from made_pairs")
    for side in ("left", "right"):
        engine.make_table(
            f"best_{side}",
            f"select {side}_no as record_no, max(own) as own from own_pairs group by {side}_no",
        )
    engine.make_table(
        "best_of_record",
        "select record_no, max(own) as own from"
        " (from best_left union all from best_right) group by record_no",
    )
    rivals = f"{RIVALS_SHARE} * (l.own + r.own) / 2"
    engine.execute(
        f"""
        create or replace view weighed_pairs as
        select p.*, cast(round(p.own - {rivals}, {DECIMALS}) as float) as weight,
            {probability} as probability
        from own_pairs as p join best_of_record as l on l.record_no = p.left_no
        join best_of_record as r on r.record_no = p.right_no
        """
    )


def _cut(engine: DuckDBEngine, spec: PipelineSpec, n_made: int, target: int | None) -> str | None:
    """Decide which pairs stay; give the condition, None where all do.

    Raises BudgetError if there are too many and the budget says to fail.
    """
    budget = spec.budget
    if budget is None or target is None or n_made <= target:
        return None
    if budget.on_over_budget == "fail":
        raise BudgetError(
            f"there are {n_made:,} pairs, {n_made - target:,} more than the budget of {target:,};"
            " write on_over_budget: trim to keep the best, or raise the budget"
        )
    if not target:
        return "false"
    floor = budget.floor_per_record
    if floor is None:
        floor = int(spec.link_mode == "link")  # a record of a clean source has one match or none
    first = "false"
    left = target
    if floor:
        _mark_floor(engine, floor)
        (n_floor,) = engine.row("select count(*) from floor_pairs")
        if n_floor >= target:
            # Even that is too much: those that are among the best of both records come first.
            engine.make_table(
                "floor_pairs",
                "select * from floor_pairs order by sides desc, weight desc, left_no, right_no"
                f" limit {target}",
            )
            return "(left_no, right_no) in (select (left_no, right_no) from floor_pairs)"
        left -= int(n_floor)
        first = "(left_no, right_no) in (select (left_no, right_no) from floor_pairs)"
    # Nothing is sorted: the pairs of each weight are counted.
    rest = f"weighed_pairs where not ({first})" if floor else "weighed_pairs"
    engine.make_table(
        "pairs_of_weight",
        "select weight, n, sum(n) over (order by weight desc) as n_until from"
        f" (select weight, count(*) as n from {rest} group by weight)",
    )
    threshold, n_above = engine.row(
        f"select min(weight) filter (where n_until - n < {left}),"
        f" coalesce(max(n_until) filter (where n_until <= {left}), 0)::bigint from pairs_of_weight"
    )
    engine.make_table(
        "pairs_at_threshold",
        f"select left_no, right_no from {rest} {'and' if floor else 'where'}"
        f" weight = {threshold!r}::float order by left_no, right_no limit {left - n_above}",
    )
    tied = "(left_no, right_no) in (select (left_no, right_no) from pairs_at_threshold)"
    exact = f"weight > {threshold!r}::float or (weight = {threshold!r}::float and {tied})"
    if n_above == left:  # the threshold's own pairs all fit
        exact = f"weight >= {threshold!r}::float" if left else "false"
    return f"({first} or {exact})" if floor else f"({exact})"


def _mark_floor(engine: DuckDBEngine, floor: int) -> None:
    """Make floor_pairs: those among the best of either record; sides: of how many of the two."""
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
            from sided
        )
        select left_no, right_no, any_value(weight) as weight, count(*) as sides
        from ranked where rank <= {floor} group by left_no, right_no
        """,
    )


def _told(
    engine: DuckDBEngine, cut: str | None, n_made: int, target: int | None, weights: PairWeights
) -> RankedFacts:
    """Account for what was kept and what was cut."""
    kept = cut or "true"
    engine.make_table(
        "weight_counts",
        f"select weight, {kept} as is_kept, count(*) as n, sum(probability) as matches"
        " from weighed_pairs group by all",
    )
    counted = engine.rows(
        """
        select floor(weight * 2) / 2 as low, sum(n)::bigint,
            coalesce(sum(n) filter (where is_kept), 0)::bigint, sum(matches),
            coalesce(sum(matches) filter (where is_kept), 0)
        from weight_counts group by 1 order by 1 desc
        """
    )
    classes: list[WeightClass] = [
        {
            "weight": float(low),
            "pairs": n,
            "kept": n_kept,
            "expected_matches": round(matches, 2),
            "expected_matches_kept": round(matches_kept, 2),
        }
        for low, n, n_kept, matches, matches_kept in counted
    ]
    (n_records,) = engine.row("select count(*) from cleaned_records")
    n_kept = sum(row["kept"] for row in classes)
    matches = sum(found for *_, found, _ in counted)
    matches_kept = sum(found for *_, found in counted)
    facts: RankedFacts = {
        "pairs_made": n_made,
        "pairs_cut": n_made - n_kept,
        "expected_matches": round(matches, 1),
        "expected_matches_cut": round(max(0.0, matches - matches_kept), 1),
        "weight_classes": classes,
        "ranks": _ranks(engine, n_records, matches),
    }
    if target is not None:
        facts["budget_pairs"] = target
        facts["matches_per_million_more_pairs"] = _exchange_rate(engine)
    return facts


def _exchange_rate(engine: DuckDBEngine) -> float:
    """Estimate the matches among the next million pairs, the best of those that were cut.

    Where fewer were cut, those are all that can be bought.
    """
    (matches,) = engine.row(
        f"""
        with cut as (
            select n, matches, sum(n) over (order by weight desc) - n as n_before
            from weight_counts where not is_kept
        )
        select coalesce(sum(matches * least(n, {A_MILLION} - n_before) / n), 0)
        from cut where n_before < {A_MILLION}
        """
    )
    return round(float(matches), 1)


def _ranks(engine: DuckDBEngine, n_records: int, matches: float) -> list[Rank]:
    """Tell at which weight how many pairs are reached, and what share of the expected matches."""
    counted = engine.con.execute(
        "select weight, sum(n)::bigint as n, sum(matches) as matches from weight_counts"
        " group by weight order by weight desc"
    ).fetchnumpy()
    weight = np.asarray(counted["weight"], np.float64)
    pairs = np.cumsum(np.asarray(counted["n"], np.int64))
    found = np.cumsum(np.asarray(counted["matches"], np.float64))
    ranks: list[Rank] = []
    for per_record in CURVE:
        place = int(np.searchsorted(pairs, per_record * n_records, side="right")) - 1
        if place < 0:
            continue
        ranks.append(
            {
                "pairs_per_record": round(float(pairs[place]) / n_records, 4),
                "weight": round(float(weight[place]), DECIMALS),
                "expected_completeness": round(min(1.0, float(found[place]) / matches), 6),
            }
        )
        if place == len(pairs) - 1:
            break
    return ranks


def _multiply_vectors(engine: DuckDBEngine, lake: Lake, files: Sequence[Path]) -> None:
    """Give every pair the cosine of its records' vectors, where both have one."""
    vectors = load_vectors(vector_folder(lake))
    engine.read(lake, "record_embeddings")
    (n_records,) = engine.row("select count(*) from cleaned_records")
    found = engine.con.execute("select record_no, text_no from record_embeddings").fetchnumpy()
    text = np.full(n_records, -1, np.int64)
    text[np.asarray(found["record_no"])] = np.asarray(found["text_no"])
    for file in files:
        scratch = file.with_suffix(".tmp")
        engine.execute("set preserve_insertion_order = true")
        with pq.ParquetFile(file) as source:
            schema = source.schema_arrow
            place = schema.get_field_index("similarity")
            with pq.ParquetWriter(scratch, schema, compression="snappy") as target:
                for batch in source.iter_batches(PAIRS_PER_BATCH):
                    left = text[batch.column("left_no").to_numpy()]
                    right = text[batch.column("right_no").to_numpy()]
                    columns = list(batch.columns)
                    columns[place] = _cosines(vectors, left, right)
                    target.write_batch(pa.record_batch(columns, schema=schema))
        scratch.replace(file)


def _cosines(vectors: Any, left: NDArray[np.int64], right: NDArray[np.int64]) -> pa.Array:
    both = (left >= 0) & (right >= 0)
    one, other = vectors[left[both]], vectors[right[both]]
    if isinstance(vectors, np.ndarray):
        products = np.einsum("ij,ij->i", one, other)
    else:
        products = np.asarray(one.multiply(other).sum(axis=1)).ravel()
    # One text is like itself, also where it is all that there is and so tells nothing.
    products = np.where(left[both] == right[both], 1.0, products)
    cosine = np.zeros(len(left), np.float32)
    cosine[both] = np.round(products, DECIMALS)
    return pa.array(cosine, pa.float32(), mask=~both)
