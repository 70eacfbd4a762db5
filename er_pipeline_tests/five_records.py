"""Five records whose figures are counted by hand, and their blocking report."""

from typing import Any

from er_pipeline.blocking.blocks.em_training_blocks import build_em_training_blocks
from er_pipeline.blocking.records.true_pairs import write_true_pairs
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.blocking_report import evaluate
from er_pipeline_tests.conftest import Dataset, Rows

# By last name: {1, 2, 3}, {4}; by city: {1, 2}, {3, 4}; 5 has neither.
FIVE: Rows = [
    {"id": "1", "last": "lee", "city": "york", "person_id": "p"},
    {"id": "2", "last": "lee", "city": "york", "person_id": "p"},
    {"id": "3", "last": "lee", "city": "bath", "person_id": "q"},
    {"id": "4", "last": "may", "city": "bath", "person_id": "q"},
    {"id": "5", "last": None, "city": None, "person_id": "q"},
]


STRATEGIES = {"last": "last", "city": "city"}


def figures_of(people: Dataset) -> dict[str, Any]:
    people.pair()
    with DuckDBEngine(threads=2) as engine:
        if people.spec.truth:
            write_true_pairs(engine, people.lake, people.spec)
            build_em_training_blocks(engine, people.lake, people.spec)
        return evaluate(engine, people.lake, people.spec)
