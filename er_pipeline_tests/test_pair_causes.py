from collections.abc import Callable

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.table import LEFT_NO, RIGHT_NO, arrow_of
from er_pipeline.evaluation.missed_matches import tables_read
from er_pipeline.evaluation.pair_causes import explain_pairs
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.explained_matches import many


def test_any_pairs_can_be_explained_without_a_truth(dataset: Callable[..., Dataset]) -> None:
    people = dataset(many("ann", "ann", "bob", "bo"), strategies={"name": "name"})
    people.pair()
    with DuckDBEngine(threads=2) as engine:
        for table in tables_read(people.spec, None):
            if table != "true_pairs":
                people.lake.open(engine, table)
        pairs = [(0, 1), (0, 2), (2, 3)]
        engine.put("true_pairs", arrow_of((LEFT_NO, RIGHT_NO), pairs))
        explained = explain_pairs(engine, people.lake, people.spec, None, None)
        found = engine.rows(f"select left_no, right_no, cause from {explained.table} order by all")
    assert found == [(0, 2, "keys_differ"), (2, 3, "keys_differ")]
    assert explained.unlikely == 0
