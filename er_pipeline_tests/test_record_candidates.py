from collections.abc import Callable

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.record_candidates import find_candidates
from er_pipeline_tests.conftest import Dataset


def test_without_scores_the_weight_decides_which_are_the_best(
    dataset: Callable[..., Dataset],
) -> None:
    rows = [
        {"id": str(i), "name": name, "town": town}
        for i, (name, town) in enumerate(
            [("ann", "york"), ("ann", "york"), ("bob", "york"), ("eve", "york"), ("kim", "bath")]
        )
    ]
    people = dataset(rows, strategies={"name": "name", "town": "town"})
    people.make("unified_pairs")
    with DuckDBEngine(threads=2) as engine:
        for table in ("cleaned_records", "unified_pairs"):
            people.lake.open(engine, table)
        n, best = find_candidates(engine, people.lake, people.spec, 1, 2)
        assert n == 3
        assert [one.partner for one in best] == [RecordName("people", i) for i in ("0", "2")]
        assert [one.proposed_by for one in best] == [("name", "town"), ("town",)]
        weights = people.weights()
        assert [one.weight for one in best] == [weights[0, 1], weights[1, 2]]
        assert find_candidates(engine, people.lake, people.spec, 4, 2) == (0, ())
