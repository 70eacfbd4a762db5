"""Small datasets up to missed_matches, and the cause of every true pair that is not found."""

from collections.abc import Mapping
from typing import Any

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, Column, arrow_of
from er_pipeline.evaluation.missed_matches import explain_missed, judge_missed, missed_facts
from er_pipeline_tests.conftest import Dataset, Rows

Missed = dict[tuple[int, int], tuple[str, str, str]]


TRUTH: dict[str, Any] = {"truth": {"cluster_column": "person_id"}}


# 1 and 2 differ in one letter; 3 has no name; 4 has nothing.
FEW: Rows = [
    {"id": "1", "first": "ann", "last": "lee", "mail": "a@b.io", "person_id": "p"},
    {"id": "2", "first": "ann", "last": "lea", "mail": "a@b.io", "person_id": "p"},
    {"id": "3", "first": None, "last": None, "mail": "a@b.io", "person_id": "p"},
    {"id": "4", "first": None, "last": None, "mail": None, "person_id": "p"},
]


def explained(
    people: Dataset,
    threshold: float | None = None,
    scores: Mapping[tuple[int, int], float] | None = None,
) -> tuple[dict[str, Any], Missed]:
    """Run everything up to missed_matches; scores stand for what a model would say."""
    people.pair()
    people.make("true_pairs")
    for table in ("dropped_blocks", "record_codes"):
        people.lake.check(table)
    plain = Lake(people.root, people.spec.dataset)
    if scores is not None:
        columns = (LEFT_NO, RIGHT_NO, Column("match_probability", "DOUBLE", ""))
        rows = [(left, right, probability) for (left, right), probability in scores.items()]
        with DuckDBEngine(threads=2) as engine, plain.writing("matches") as draft:
            engine.put("m", arrow_of(columns, rows))
            engine.write("select * from m", draft.file())
    with DuckDBEngine(threads=2) as engine:
        facts = explain_missed(engine, plain, people.spec, threshold=threshold)
    (verdict,) = judge_missed(missed_facts(plain))
    assert verdict.passed, verdict.text
    with DuckDBEngine(threads=2) as engine:
        plain.open(engine, "missed_matches")
        found = engine.rows("select left_no, right_no, cause, detail, remedy from missed_matches")
    return facts, {(left, right): (cause, *shown) for left, right, cause, *shown in found}


def causes(missed: Missed) -> dict[tuple[int, int], str]:
    return {pair: cause for pair, (cause, _, _) in missed.items()}


def many(*names: str) -> Rows:
    """Records of these names; every second one is the same person as the one before it."""
    return [
        {"id": f"{i:03}", "name": name, "no": f"n{i}", "person_id": f"p{i // 2}"}
        for i, name in enumerate(names)
    ]
