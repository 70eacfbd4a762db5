"""Recall as a sample of records shows it, with its interval.

A pair counts by its match probability, so the figure is right as far as the probabilities are.
"""

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.records.intervals import interval
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.sql import exact_sum, literal


class SampleRecall(TypedDict):
    """Recall as a sample of records shows it, with the ends of its 95% interval.

    likely_matches: of the sampled records, the sum of probabilities; likely_matches_found: those
    that are candidates. pairs, candidates: of at least the least probability. of: what the recall
    is a share of, for people.
    """

    recall: float
    recall_low: float
    recall_high: float
    likely_matches: float
    likely_matches_found: float
    pairs: int
    candidates: int
    records_with_likely_matches: int
    of: str


def draw_records(engine: Engine, seed: int, most: int) -> NDArray[np.int64]:
    """Draw records of the engine's cleaned_records in the order of a hash of their id and the seed.

    A record that is drawn today is drawn tomorrow, too, whatever comes in beside it; so two nights
    differ by what was found, not by whom was asked.
    """
    found = engine.columns(
        "select record_no from cleaned_records order by"
        f" md5(concat({literal(str(seed))}, ' ', source_no, ' ', record_id)), record_no"
        f" limit {most}"
    )
    return np.asarray(found["record_no"], np.int64)


def sample_recall(engine: Engine, n_sampled: int, min_probability: float) -> SampleRecall:
    """Estimate recall as a ratio, the sampled records being clusters of pairs."""
    found = engine.columns(
        f"select {exact_sum('match_probability')} as likely,"
        f" {exact_sum('case when is_candidate then match_probability else 0.0 end')} as found"
        " from written_sample group by record_no order by record_no"
    )
    likely = np.asarray(found["likely"], np.float64)
    hit = np.asarray(found["found"], np.float64)
    (n_pairs, n_candidates) = engine.row(
        "select count(*), count(*) filter (where is_candidate) from written_sample"
    )
    total = float(likely.sum())
    recall = float(hit.sum()) / total if total else 0.0
    low, high = cluster_interval(likely, hit, n_sampled)
    return {
        "recall": recall,
        "recall_low": low,
        "recall_high": high,
        "likely_matches": round(total, 2),
        "likely_matches_found": round(float(hit.sum()), 2),
        "pairs": n_pairs,
        "candidates": n_candidates,
        "records_with_likely_matches": len(likely),
        "of": f"the likely matches of {n_sampled:,} sampled records with all records"
        f" ({total:,.1f}: the sum of the probabilities of {n_pairs:,} pairs of at least"
        f" {min_probability:g})",
    }


def cluster_interval(
    likely: NDArray[np.float64], found: NDArray[np.float64], n_sampled: int
) -> tuple[float, float]:
    """Give the 95% interval of sum(found) / sum(likely): Wilson's, for as many independent trials.

    The pairs of one record are found or missed together; so their number is replaced by that of
    independent ones with the same variance, the ratio estimate's. Records without pairs add none.
    Source: Cochran, "Sampling Techniques", 1977, chapter 6.
    """
    total = float(likely.sum())
    if n_sampled < 2 or total <= 0:
        return 0.0, 1.0
    share = float(found.sum()) / total
    residual = found - share * likely
    variance = float((residual**2).sum()) * n_sampled / (n_sampled - 1) / total**2
    # Never more trials than likely matches; where all were found, a cluster is one.
    trials = min(total, float(len(likely)))
    if variance > 0:
        trials = min(total, share * (1 - share) / variance)
    return interval(share * trials, trials)
