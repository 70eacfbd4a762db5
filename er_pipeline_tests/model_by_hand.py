"""A model whose scores are found by hand, and recall as it is estimated with a model."""

import json
from collections.abc import Mapping
from typing import Any

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.evaluation.recall import estimate_recall
from er_pipeline.matching.splink_linker import MODEL_FILE
from er_pipeline.matching.term_frequencies import counted_fields, write_frequencies
from er_pipeline_tests.conftest import Dataset, Rows

Sampled = dict[tuple[int, int, int], tuple[float, bool]]


RECORDS: Rows = [
    {"id": "1", "name": "ann", "town": "bath"},
    {"id": "2", "name": "ann", "town": "bath"},
    {"id": "3", "name": "ann", "town": "york"},
    {"id": "4", "name": None, "town": "york"},
]


# Equal names say 6 bits, equal towns 4, others take 2; the prior is 1 to 16.
BY_HAND = {
    "link_type": "dedupe_only",
    "unique_id_column_name": "record_no",
    "probability_two_random_records_match": 1 / 17,
    "blocking_rules_to_generate_predictions": [],
    "comparisons": [
        {
            "output_column_name": name,
            "comparison_levels": [
                {
                    "sql_condition": f'"{name}_l" IS NULL OR "{name}_r" IS NULL',
                    "label_for_charts": "null",
                    "is_null_level": True,
                },
                {
                    "sql_condition": f'"{name}_l" = "{name}_r"',
                    "label_for_charts": "equal",
                    "m_probability": 0.8,
                    "u_probability": 0.8 / 2**bits,
                },
                {
                    "sql_condition": "ELSE",
                    "label_for_charts": "other",
                    "m_probability": 0.2,
                    "u_probability": 0.8,
                },
            ],
        }
        for name, bits in (("name", 6), ("town", 4))
    ],
}


def put_model(data: Dataset, matches: Mapping[tuple[int, int], float] | None = None) -> None:
    data.pair()
    plain = Lake(data.root, data.spec.dataset)
    with plain.writing("em_model") as draft:
        (draft.folder / MODEL_FILE).write_text(json.dumps(BY_HAND), "utf-8")
    with DuckDBEngine() as engine:
        write_frequencies(engine, plain, counted_fields(BY_HAND), "nothing")
    with DuckDBEngine() as engine, plain.writing("matches") as draft:
        engine.execute("create table m (l integer, r integer, p double)")
        for (left, right), probability in (matches or {}).items():
            engine.execute("insert into m values (?, ?, ?)", [left, right, probability])
        engine.write(
            "select l as left_no, r as right_no, p as match_probability from m", draft.file()
        )


def estimated(spec: PipelineSpec, lake: Lake, **settings: Any) -> tuple[dict[str, Any], Sampled]:
    wanted = {"max_records": 50, "max_comparisons": 10**9, "min_probability": 0.001, "seed": 1}
    with DuckDBEngine(threads=2) as engine:
        facts = estimate_recall(engine, lake, spec, **{**wanted, **settings})
    with DuckDBEngine(threads=2) as engine:
        lake.open(engine, "recall_sample")
        rows = engine.rows("select * from recall_sample")
    return facts, {(no, left, right): (p, found) for no, left, right, p, found in rows}
