from collections.abc import Callable

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.evaluation.missed_keys import list_proposers
from er_pipeline.evaluation.record_keys import (
    KeyBlock,
    ask_records,
    blocks_of_keys,
    keys_of_records,
)
from er_pipeline_tests.conftest import Dataset


def test_keys_of_several_records_and_the_blocks_of_keys(dataset: Callable[..., Dataset]) -> None:
    rows = [{"id": str(i), "name": name} for i, name in enumerate(("ann lee", "ann", "bob"))]
    people = dataset(rows, strategies={"words": "tokens(name)", "name": "name"})
    people.make("filtered_blocks")
    with DuckDBEngine(threads=2) as engine:
        for table in ("cleaned_records", "dropped_blocks"):
            people.lake.open(engine, table)
        words, whole = list_proposers(people.spec, people.lake)
        ask_records(engine, [0, 2], "asked")
        keys = keys_of_records(engine, [words, whole], "asked", [0, 2])
        assert keys == {
            "words": {0: ("ann", "lee"), 2: ("bob",)},
            "name": {0: ("ann lee",), 2: ("bob",)},
        }
        assert blocks_of_keys(engine, people.lake, words, ["ann", "lee"]) == (
            KeyBlock("ann", 2, ""),
            KeyBlock("lee", 1, "below_min_size"),
        )
        assert blocks_of_keys(engine, people.lake, words, []) == ()
