"""What the child of every_set does: make a set's candidates, and keep the best in each way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.neighbours.cosines import cosines_of_all, texts_of_records
from er_pipeline.blocking.neighbours.vector_files import load_vectors, vector_folder
from er_pipeline.blocking.pairs.unified_pairs import unified_facts
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import quoted
from er_pipeline_tests.benchmarks.best_pairs_trials import Figures, Trial, count_true
from er_pipeline_tests.benchmarks.every_set_sets import budgets_of
from er_pipeline_tests.benchmarks.plain_rankings import (
    TOKENS,
    Numbers,
    Scores,
    nearest_by_bm25,
    score_pairs,
)

OUR_COSINE = "our cosine"


@dataclass(frozen=True)
class Records:
    """The cleaned records by record_no: each as one text, and the number of its source."""

    texts: Sequence[str]
    source_no: NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """The pairs that a budget chooses from, each once; scores: (n_pairs,) by the way to rank."""

    left: Numbers
    right: Numbers
    is_true: NDArray[np.bool_]
    scores: dict[str, Scores]

    def n_true(self, way: str, n_pairs: int) -> int:
        """Count the true pairs among the best; the order of the records decides a tie."""
        best_first = np.lexsort((self.right, self.left, -self.scores[way]))
        return int(self.is_true[best_first[:n_pairs]].sum())


def measure(trial: Trial) -> Figures:
    """Keep the best pairs of a set within each of its budgets, and the best in each plain way.

    Returns the records, the true pairs, and for each budget the shares of them that are found.
    """
    lake = trial.make(trial.spec(), "true_pairs")
    records, true = _read_records(lake, list(trial.spec().field_kinds)), _read_true(lake)
    points = []
    of_sources = [int(n) for n in np.bincount(records.source_no)]
    for n_pairs, target in budgets_of(trial.settings["dataset"], of_sources).items():
        lake = trial.make(trial.spec(budget={"max_pairs": n_pairs}), "unified_pairs")
        ours = count_true(lake)
        candidates = _candidates(lake, records)
        n_made = unified_facts(lake)["pairs_made"]
        if n_made != len(candidates.left):
            raise AssertionError(f"chose from {n_made} pairs, compared {len(candidates.left)}")
        shares = {way: candidates.n_true(way, n_pairs) / len(true) for way in candidates.scores}
        points.append(
            {
                "budget": n_pairs,
                "target": target,
                "pairs": ours["pairs"],
                "ours": ours["completeness"],
                "plain": shares,
                "blockers": _block_by_bm25(records, true, n_pairs, trial.spec().link_mode),
                "candidates": len(candidates.left),
                "union": float(candidates.is_true.sum()) / len(true),
            }
        )
    return {"records": len(records.texts), "matches": len(true), "points": points}


def _candidates(lake: Lake, records: Records) -> Candidates:
    """Read all pairs that a budget chose from: those it kept and those it cut."""
    with DuckDBEngine() as engine:
        for table in ("unified_pairs", "cut_pairs", "true_pairs"):
            lake.open(engine, table)
        pairs = engine.columns(
            "select left_no, right_no,"
            " (left_no, right_no) in (select (left_no, right_no) from true_pairs) as is_true"
            " from (select left_no, right_no from unified_pairs"
            " union all select left_no, right_no from cut_pairs)"
        )
        text = texts_of_records(engine, lake, len(records.texts))
    left, right = (np.asarray(pairs[side], dtype=np.int64) for side in ("left_no", "right_no"))
    cosine = cosines_of_all(load_vectors(vector_folder(lake)), text[left], text[right])
    scores = {OUR_COSINE: cosine, **score_pairs(records.texts, left, right)}
    return Candidates(left, right, np.asarray(pairs["is_true"], dtype=np.bool_), scores)


def _block_by_bm25(
    records: Records, true: set[tuple[int, int]], n_pairs: int, link_mode: str
) -> dict[str, float]:
    """Let each record ask for its best ones; between two sources those of the second one ask."""
    everyone = np.arange(len(records.texts))
    asking = answering = everyone
    source = records.source_no if link_mode == "link" else everyone
    if link_mode == "link" and records.source_no.max() == 1:
        asking, answering = (everyone[source == number] for number in (1, 0))
    found = {}
    for name, cut in TOKENS.items():
        tokens = [cut(text) for text in records.texts]
        pairs = nearest_by_bm25(tokens, n_pairs, asking, answering, source)
        n_true = sum((left, right) in true for left, right in pairs.tolist())
        found[f"BM25 top-k, {name}"] = n_true / len(true)
    return found


def _read_records(lake: Lake, fields: Sequence[str]) -> Records:
    with DuckDBEngine() as engine:
        lake.open(engine, "cleaned_records")
        values = ", ".join(f"{quoted(field)}::varchar" for field in fields)
        records = engine.columns(
            f"select source_no, concat_ws(' ', {values}) as text from cleaned_records"
            " order by record_no"
        )
    return Records(records["text"].tolist(), np.asarray(records["source_no"], dtype=np.int64))


def _read_true(lake: Lake) -> set[tuple[int, int]]:
    with DuckDBEngine() as engine:
        lake.open(engine, "true_pairs")
        return {
            (left, right) for left, right in engine.rows("select left_no, right_no from true_pairs")
        }
