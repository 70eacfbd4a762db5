from collections.abc import Callable
from typing import Any

import pytest

from er_pipeline.blocking.neighbours.encoder_statistics import (
    ENCODER_STATISTICS,
    load_statistics,
    needs_statistics,
)
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.conftest import Dataset, Rows, write_csv

ROWS: Rows = [
    {"id": "1", "name": "ann lee", "town": "york"},
    {"id": "2", "name": "ann lee", "town": "york"},
    {"id": "3", "name": "bob ray", "town": None},
]
DECLARED: dict[str, Any] = {"strategies": {}, "embedding": True}


def test_each_field_and_the_whole_record_have_their_counts(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(ROWS, **DECLARED)
    facts = people.make(ENCODER_STATISTICS)
    assert (facts["ngrams"], facts["texts"], facts["texts_of_sources"]) == ("2-4", 2, [2])
    rows = people.rows(ENCODER_STATISTICS, "view, field, records", "part_no")
    assert rows == [
        *[("fields", "name", 3), ("fields", "town", 0)],  # the only town says nothing
        *[("words", None, 3), ("trigrams", None, 3)],
    ]
    with DuckDBEngine() as engine:
        learned = load_statistics(engine, people.lake)
    assert learned.lexical is not None
    # ann and lee stand in two records of one text, york too; bob and ray in one.
    words = learned.whole["words"]
    assert sorted(words.records.tolist()) == [1, 1, 2, 2, 2]
    assert words.texts.tolist() == [1] * 5


def test_it_stays_in_force_while_the_records_change(dataset: Callable[..., Dataset]) -> None:
    people = dataset(ROWS, **DECLARED)
    people.make(ENCODER_STATISTICS)
    version = people.lake.version(ENCODER_STATISTICS)
    write_csv(people.folder / "people.csv", [*ROWS, {"id": "4", "name": "eve", "town": "hull"}])
    people.embed()
    assert people.lake.version(ENCODER_STATISTICS) == version
    other = dataset(ROWS, strategies={}, embedding={"ngrams": "4"})
    other.make(ENCODER_STATISTICS)
    assert other.lake.version(ENCODER_STATISTICS) != version


@pytest.mark.parametrize(
    ("embedding", "needed"),
    [
        ({"encoder": "lexical", "whole_record": False}, True),
        ({"encoder": "static"}, True),
        ({"encoder": "static", "whole_record": False}, False),
        ({"encoder": "column", "column": "v"}, False),
        (False, False),
    ],
)
def test_only_vectors_by_tf_idf_need_it(
    dataset: Callable[..., Dataset], embedding: Any, needed: bool
) -> None:
    rows: Rows = [{"id": "1", "name": "ann", "v": "[1]"}]
    people = dataset(
        rows, fields={"name": "text"}, strategies={"name": "name"}, embedding=embedding
    )
    assert needs_statistics(people.spec) == needed
