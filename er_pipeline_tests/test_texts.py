from collections.abc import Callable

from er_pipeline.blocking.neighbours.texts import number_texts, texts_of
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.conftest import Dataset, Rows


def test_every_distinct_text_is_numbered_in_the_order_of_its_first_record(
    dataset: Callable[..., Dataset],
) -> None:
    rows: Rows = [
        {"id": "1", "name": "bob", "town": "york"},
        {"id": "2", "name": None, "town": None},
        {"id": "3", "name": "ann", "town": None},
        {"id": "4", "name": "bob", "town": "york"},
    ]
    people = dataset(rows, strategies={}, embedding=True)
    people.clean()
    encoder = people.spec.encoder
    assert encoder is not None
    with DuckDBEngine(threads=2) as engine:
        people.lake.open(engine, "cleaned_records")
        number_texts(engine, people.spec.embedding_fields, encoder)
        numbered = engine.rows("select record_no, text_no from record_texts order by 1")
        assert numbered == [(0, 0), (2, 1), (3, 0)]
        texts = texts_of(engine, people.spec, people.spec.embedding_fields, 2)
        fields = {field.name: field for field in texts.fields()}
        assert list(texts.batches()) == [["bob, york", "ann"]]
    assert fields["name"].values == ["ann", "bob"]
    assert fields["name"].codes.tolist() == [1, 0]
    assert fields["town"].codes.tolist() == [0, -1]
    assert fields["town"].counts.tolist() == [2, 1]
