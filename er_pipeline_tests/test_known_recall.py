"""Known matches settle recall where they are enough, and only there."""

from collections.abc import Callable

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.known_recall import count_known, known_sentence, truth_settles
from er_pipeline.evaluation.recall_views import view_facts
from er_pipeline_tests.conftest import Dataset


@pytest.mark.parametrize(
    ("true_pairs", "found", "settles"),
    [(300, 297, True), (300, 100, True), (5, 5, False), (10, 9, False), (100, 90, False)],
)
def test_few_known_matches_settle_nothing(true_pairs: int, found: int, settles: bool) -> None:
    known = {"true_pairs": true_pairs, "found": found}
    assert truth_settles(known, 0.9) == settles  # type: ignore[arg-type]
    said = known_sentence(known, 0.9)  # type: ignore[arg-type]
    assert ("Truth is known" in said) == settles
    assert (f"Of the {true_pairs} known matches {found} are candidates" in said) != settles


def test_without_truth_nothing_is_settled() -> None:
    assert not truth_settles(None, 0.9)
    assert known_sentence(None, 0.9) == ""


def test_known_matches_are_counted_among_the_candidates(dataset: Callable[..., Dataset]) -> None:
    records = [
        {"id": "1", "name": "ann", "person_id": "a"},
        {"id": "2", "name": "ann", "person_id": "a"},
        {"id": "3", "name": "bob", "person_id": "b"},
        {"id": "4", "name": "rob", "person_id": "b"},
    ]
    made = dataset(records, strategies={"name": "name"}, truth={"cluster_column": "person_id"})
    made.make("recall_views")
    with DuckDBEngine() as engine:
        made.lake.open(engine, "unified_pairs")
        assert count_known(engine, made.lake) == {"true_pairs": 2, "found": 1}
    assert view_facts(made.lake)["known"] == {"true_pairs": 2, "found": 1}
