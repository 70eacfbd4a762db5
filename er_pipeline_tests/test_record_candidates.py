from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.blocking.labels.labels import RecordName
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.proposed_true import tables_of_proposals
from er_pipeline.evaluation.record_candidates import find_candidates, pairs_of_record
from er_pipeline_tests.conftest import Dataset


def open_tables(engine: DuckDBEngine, people: Dataset) -> None:
    for table in ("cleaned_records", "unified_pairs", *tables_of_proposals(people.spec)):
        if table != "true_pairs":
            people.lake.open(engine, table)


@pytest.mark.parametrize(
    "settings",
    [
        {"strategies": {"name": "name", "town": "town"}},
        {"strategies": {"words": "tokens(name)", "town": "town"}, "blocks": {"max_size": 4}},
        {"strategies": {"name": "name"}, "second_pass": {"strategies": {"town": "town"}}},
        {"strategies": "auto", "learning": {"pin": ["town", "tokens(name)"]}},
        {"strategies": {"words": "tokens(name)"}, "weights": False, "mode": "link"},
        {"strategies": {"name": "name"}, "budget": {"max_pairs": 9}},
        {"strategies": {"name": "name"}, "embedding": {"k": 2}},
    ],
)
def test_the_pairs_of_each_record_are_those_of_unified_pairs(
    dataset: Callable[..., Dataset], settings: dict[str, Any]
) -> None:
    names = ("ann lee", "ann lea", "lee ann", "bob lee", "bob", "eve", "eve", "kim lea")
    rows = [{"id": str(i), "name": name, "town": f"t{i % 3}"} for i, name in enumerate(names * 2)]
    sources = [rows[::2], rows[1::2]] if "mode" in settings else [rows]
    people = dataset(*sources, **settings)
    people.make("unified_pairs")
    with DuckDBEngine(threads=2) as engine:
        open_tables(engine, people)
        stored = set(engine.rows("select left_no, right_no, strategy_mask from unified_pairs"))
        assert stored
        found = set()
        for record_no in range(len(rows)):
            query = pairs_of_record(engine, people.lake, people.spec, record_no)
            pairs = engine.rows(f"select left_no, right_no, strategy_mask from ({query})")
            assert len(set(pairs)) == len(pairs)
            assert all(record_no in pair[:2] for pair in pairs)
            found |= set(pairs)
        assert found == stored


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
        open_tables(engine, people)
        n, best = find_candidates(engine, people.lake, people.spec, 1, 2)
        assert n == 3
        assert [one.partner for one in best] == [RecordName("people", i) for i in ("0", "2")]
        assert [one.proposed_by for one in best] == [("name", "town"), ("town",)]
        weights = people.weights()
        assert [one.weight for one in best] == [weights[0, 1], weights[1, 2]]
        assert find_candidates(engine, people.lake, people.spec, 4, 2) == (0, ())
