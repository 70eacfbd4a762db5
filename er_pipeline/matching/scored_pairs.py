"""Scores of some pairs, whoever proposed them: of a sample, of missed ones, of what teaches."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, quoted
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.weights.pair_weights import Scorer
from er_pipeline.matching.splink_linker import linker_of, read_model

# Pairs scored at once: some 250 MB.
PAIRS_PER_SLICE = 2_000_000


def number_compared(engine: DuckDBEngine, spec: PipelineSpec, records: str) -> None:
    """Make the engine table `records` (record_no and the fields) of its cleaned_records."""
    columns = ", ".join(["record_no", *(quoted(name) for name in spec.field_kinds)])
    engine.make_table(records, f"select {columns} from cleaned_records order by record_no")


def score_table(
    engine: DuckDBEngine,
    model: Mapping[str, Any],
    records: str,
    pairs: str,
    scored: str,
    *,
    min_probability: float,
) -> int:
    """Make the table `scored` (left_no, right_no, match_probability) of the pairs of another.

    model: Splink's settings, trained. records: of `number_compared`, all of them, since a value's
    frequency counts. pairs: engine table (left_no, right_no); a pair that stands in it twice is
    scored once. min_probability: pairs below it are left out. Returns how many pairs were scored.
    """
    engine.make_table(
        "pairs_to_score",
        "select row_number() over (order by left_no, right_no) - 1 as n, left_no, right_no"
        f" from (select distinct left_no, right_no from {pairs})",
    )
    engine.execute(
        f"create or replace table {scored}"
        " (left_no integer, right_no integer, match_probability double)"
    )
    (n_pairs,) = engine.row("select count(*) from pairs_to_score")
    if not n_pairs:
        return 0
    # One table, whatever the mode: which pairs are compared is decided already.
    settings = {**model, "link_type": "dedupe_only"}
    with linker_of(engine, [records], settings) as (linker, api):
        for start in range(0, n_pairs, PAIRS_PER_SLICE):
            engine.make_table(
                "slice_to_score",
                "select left_no as join_key_l, right_no as join_key_r, '0' as match_key"
                f" from pairs_to_score where n >= {start} and n < {start + PAIRS_PER_SLICE}",
            )
            linker.table_management.register_blocked_pairs_for_predict(
                api.register("slice_to_score")
            )
            predicted = linker.inference.predict(
                threshold_match_probability=min_probability, warning_mode="never"
            )
            engine.execute(
                f"insert into {scored} select least(record_no_l, record_no_r),"
                " greatest(record_no_l, record_no_r), match_probability"
                f" from {predicted.physical_name}"
            )
            predicted.drop_table_from_database_and_remove_from_cache()
    return int(n_pairs)


def model_scorer(lake: Lake, spec: PipelineSpec) -> Scorer | None:
    """Return the scorer of the trained model in the lake; None where it does not teach.

    A model is trained on training rules alone, before any pair is proposed, so within one run it
    can show the search for conjunctions which sampled pairs are probably matches. It grades how
    near two values are, which keys do not see.
    """
    if not spec.is_taught_by_model:
        return None

    def score(engine: DuckDBEngine, pairs: str) -> NDArray[np.float64]:
        read_numbered(engine, lake, "em_model", read_records(engine, lake))
        model = read_model(lake)
        records, scored = "records_to_score", "scored_by_model"
        number_compared(engine, spec, records)
        score_table(engine, model, records, pairs, scored, min_probability=0.0)
        found = engine.con.execute(
            f"select match_probability from {scored} order by left_no, right_no"
        ).fetchnumpy()
        # Sums of floats differ in their last digits with the number of threads.
        return np.asarray(np.round(found["match_probability"], 6), np.float64)

    return score
