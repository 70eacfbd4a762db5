"""The model teaches blocking: it scores the pairs that rules and weights are learned from.

A model is trained on training rules alone, before any pair is proposed, so within one run it can
tell the search for conjunctions which sampled pairs are probably matches. It grades how near two
values are, which keys do not see.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.lake import Lake
from er_pipeline.blocking.pair_weights import Scorer
from er_pipeline.blocking.spec import PipelineSpec
from er_pipeline.matching.splink_linker import MODEL_FILE, linker_of


def model_scorer(lake: Lake, spec: PipelineSpec) -> Scorer | None:
    """Give the scorer of the trained model in the lake; None where it does not teach."""
    if spec.matching is None or not spec.matching.teaches_blocking:
        return None

    def score(engine: DuckDBEngine, pairs: str) -> NDArray[np.float64]:
        read_numbered(engine, lake, "em_model", read_records(engine, lake))
        model = json.loads((lake.path("em_model") / MODEL_FILE).read_text("utf-8"))
        return score_table(engine, spec, model, pairs)

    return score


def score_table(
    engine: DuckDBEngine, spec: PipelineSpec, model: Mapping[str, Any], pairs: str
) -> NDArray[np.float64]:
    """Give the match probability of every pair of an engine table (left_no, right_no).

    In the order of (left_no, right_no). model: Splink's settings, trained. Reads the engine's
    cleaned_records.
    """
    (n_pairs,) = engine.row(f"select count(*) from {pairs}")
    if not n_pairs:
        return np.zeros(0)
    engine.make_table(
        "pairs_to_score",
        "select left_no as join_key_l, right_no as join_key_r, '0' as match_key"
        f" from {pairs} order by left_no, right_no",
    )
    columns = ", ".join(["record_no", *(quoted(name) for name in spec.field_kinds)])
    engine.make_table(
        "records_to_score",
        f"select {columns} from cleaned_records where record_no in"
        f" (select left_no from {pairs} union select right_no from {pairs}) order by record_no",
    )
    settings = {**model, "link_type": "dedupe_only"}
    with linker_of(engine, ["records_to_score"], settings) as (linker, api):
        linker.table_management.register_blocked_pairs_for_predict(api.register("pairs_to_score"))
        scored = linker.inference.predict(warning_mode="never")
        found = engine.con.execute(
            f"select match_probability from {scored.physical_name}"
            " order by least(record_no_l, record_no_r), greatest(record_no_l, record_no_r)"
        ).fetchnumpy()
    probability: NDArray[np.float64] = np.round(found["match_probability"], 6).astype(np.float64)
    assert len(probability) == n_pairs, "every pair is scored once"
    return probability
