from collections.abc import Callable
from dataclasses import replace

import duckdb
import numpy as np
import pytest

from er_pipeline.blocking.encoders import Column
from er_pipeline.blocking.tables.errors import BlockingError
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.encoder_texts import texts_of


def test_the_users_vectors_are_scaled_to_length_1() -> None:
    brought = np.array([[3, 4], [0, 0], [0, -2]], np.float32)
    texts = texts_of({"name": "text"}, ("a",), ("b",), ("c",))
    encoder = Column.model_validate({"encoder": "column", "column": "vector"})
    vectors = encoder.encode(replace(texts, vectors=lambda: brought))
    assert np.allclose(vectors, np.array([[0.6, 0.8], [0, 0], [0, -1]]))


def test_the_column_must_be_named() -> None:
    for settings in ({}, {"column": ""}):
        with pytest.raises(ValueError, match="column"):
            Column.model_validate({"encoder": "column", **settings})


BROUGHT = {
    "fields": {"name": "text"},
    "strategies": {},
    "embedding": {"encoder": "column", "column": "vector", "k": 1},
}


def test_vectors_the_user_brings_in_csv_are_searched(dataset: Callable[..., Dataset]) -> None:
    rows = [
        {"id": "1", "name": "a", "vector": "[3, 4]"},
        {"id": "2", "name": "b", "vector": "[0.3, 0.41]"},
        {"id": "3", "name": "c", "vector": "[-1, 0]"},
        {"id": "4", "name": "d", "vector": None},
        {"id": "5", "name": "e", "vector": "[0, 0]"},
        {"id": "6", "name": "f", "vector": "[0, 0]"},
    ]
    people = dataset(rows, **BROUGHT)
    facts = people.neighbours()
    ((left, right, similarity, rank),) = people.rows("embedding_blocks")
    assert (left, right, rank) == (0, 1, 1)
    assert similarity == pytest.approx(0.9999, abs=2e-4)
    assert facts["index"] == "flat"
    # A vector of zeros points nowhere: such records are like nobody, not even each other.
    assert people.lake.facts("record_embeddings")["records_without_text"] == 3


@pytest.mark.parametrize("kind", ["float[]", "double[2]", "varchar"])
def test_vectors_the_user_brings_in_parquet_are_searched(
    dataset: Callable[..., Dataset], kind: str
) -> None:
    rows = [{"id": "1", "name": "a", "vector": "[1, 0]"}]
    people = dataset(rows, **BROUGHT)
    with duckdb.connect() as con:
        con.execute(
            "copy (select id, 'x' as name, v::" + kind + " as vector from (values (1, [3.0, 4.0]),"
            f" (2, [0.3, 0.4]), (3, [-1.0, 0.0])) as t(id, v)) to '{people.folder}/people.parquet'"
        )
    source = people.spec.sources[0].model_copy(update={"path": "people.parquet"})
    people.spec = people.spec.model_copy(update={"sources": [source]})
    people.neighbours()
    assert people.rows("embedding_blocks") == [(0, 1, 1.0, 1)]


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ("[1, 2, 3]", "vectors have 2 numbers, but that of people 3 has 3"),
        ("hello", "record '3' holds no vector"),
        ("[1, x]", "record '3' holds no vector"),
        ("[1, null]", "record '3' holds no vector"),
        ("[1, nan]", "record '3' holds no vector"),
        ("7", "record '3' holds no vector"),
    ],
)
def test_vectors_that_are_none_are_named(
    dataset: Callable[..., Dataset], vector: str, words: str
) -> None:
    rows = [
        {"id": "1", "name": "a", "vector": "[1, 2]"},
        {"id": "2", "name": "b", "vector": "[2, 1]"},
        {"id": "3", "name": "c", "vector": vector},
    ]
    with pytest.raises(BlockingError, match=words):
        dataset(rows, **BROUGHT).neighbours()


def test_a_column_of_vectors_that_is_not_there_is_an_error(
    dataset: Callable[..., Dataset],
) -> None:
    with pytest.raises(BlockingError, match="vector"):
        dataset([{"id": "1", "name": "a"}], **BROUGHT).neighbours()
    assert Column.model_validate({"encoder": "column", "column": "v"}).n_listed == 10
