import io
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import SinkError
from er_pipeline.sinks.remote_parquet_sink import RemoteParquetSink
from er_pipeline_tests.object_store import Store, object_store
from er_pipeline_tests.published_content import content, numbers


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with object_store() as store:
        yield store


def test_every_table_is_an_object_that_is_known_until_it_is_another(
    store: Store, engine: DuckDBEngine
) -> None:
    sink = RemoteParquetSink("s3://shop/out", "people")
    both = [numbers("a", 5), numbers("b", 3)]
    assert not sink.is_current(engine, both)
    assert sink.write(engine, both) == {"a": 5, "b": 3}
    assert pq.read_table(io.BytesIO(store.get("out/a.parquet"))).num_rows == 5
    assert sink.is_current(engine, both)
    assert not sink.is_current(engine, [numbers("a", 5, value=1)])
    store.put("out/b.parquet", b"PAR1")
    assert not sink.is_current(engine, both)
    sink.write(engine, [numbers("b", 4)])
    assert sink.is_current(engine, [numbers("a", 5), numbers("b", 4)])


def test_objects_of_others_are_never_replaced(store: Store, engine: DuckDBEngine) -> None:
    store.put("mine/a.parquet", b"mine")
    with pytest.raises(SinkError, match=r"s3://shop/mine/a\.parquet: stands there and was not"):
        RemoteParquetSink("s3://shop/mine", "people").write(engine, [numbers("a", 5)])
    RemoteParquetSink("s3://shop/mine/", "people").write(engine, [numbers("b", 5)])
    with pytest.raises(SinkError, match="was not written by dataset shops"):
        RemoteParquetSink("s3://shop/mine", "shops").write(engine, [numbers("b", 5)])
    assert store.get("mine/a.parquet") == b"mine"


def test_a_write_that_fails_leaves_the_objects_as_they_were(
    store: Store, engine: DuckDBEngine
) -> None:
    sink = RemoteParquetSink("s3://shop/kept", "people")
    sink.write(engine, [numbers("a", 5)])
    before = store.get("kept/a.parquet")
    broken = content("b", "select error('out of ink') as id", "2")
    with pytest.raises(SinkError, match="out of ink"):
        sink.write(engine, [numbers("a", 5, value=1), broken])
    assert store.get("kept/a.parquet") == before


def test_a_bucket_that_is_not_there_is_one_sentence(store: Store, engine: DuckDBEngine) -> None:
    sink = RemoteParquetSink("s3://nobody/out", "people")
    with pytest.raises(SinkError, match=r"parquet in s3://nobody/out: cannot be written: "):
        sink.write(engine, [numbers("a", 5)])
