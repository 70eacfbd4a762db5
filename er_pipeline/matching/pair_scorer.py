"""The model teaches blocking: it scores the pairs that rules and weights are learned from.

A model is trained on training rules alone, before any pair is proposed, so within one run it can
tell the search for conjunctions which sampled pairs are probably matches. It grades how near two
values are, which keys do not see.
"""

import json

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_weights import Scorer
from er_pipeline.matching.scored_pairs import number_compared, score_table
from er_pipeline.matching.splink_linker import MODEL_FILE


def model_scorer(lake: Lake, spec: PipelineSpec) -> Scorer | None:
    """Give the scorer of the trained model in the lake; None where it does not teach."""
    if not spec.is_taught_by_model:
        return None

    def score(engine: DuckDBEngine, pairs: str) -> NDArray[np.float64]:
        read_numbered(engine, lake, "em_model", read_records(engine, lake))
        model = json.loads((lake.path("em_model") / MODEL_FILE).read_text("utf-8"))
        records, scored = "records_to_score", "scored_by_model"
        number_compared(engine, spec, records)
        score_table(engine, model, records, pairs, scored, min_probability=0.0)
        found = engine.con.execute(
            f"select match_probability from {scored} order by left_no, right_no"
        ).fetchnumpy()
        # Sums of floats differ in their last digits with the number of threads.
        return np.asarray(np.round(found["match_probability"], 6), np.float64)

    return score
