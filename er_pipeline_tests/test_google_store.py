"""gs:// as a source and as a place, in a store that answers as Google's does."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as pf
import pytest

from er_pipeline.blocking.records.remote_files import fetch_remote, list_remote
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline.sinks.remote_parquet_sink import RemoteParquetSink
from er_pipeline_tests.object_store import google_store
from er_pipeline_tests.published_content import numbers


@pytest.fixture(scope="module")
def ending() -> Iterator[str]:
    with google_store() as ending:
        yield ending


def test_files_of_a_bucket_are_listed_and_fetched(ending: str, tmp_path: Path) -> None:
    system, root = pf.FileSystem.from_uri(f"gs://anonymous@shop/in{ending}")
    for day in ("2026-11-01", "2026-11-02"):
        with system.open_output_stream(f"{root}/people_{day}.csv") as out:
            out.write(b"id,name\n1,Ann\n")
    path = f"gs://anonymous@shop/in/people_*.csv{ending}"
    found = [file.place for file in list_remote(path, "path")]
    assert found == ["gs://shop/in/people_2026-11-01.csv", "gs://shop/in/people_2026-11-02.csv"]
    assert len(fetch_remote(path, ["id"], tmp_path, "path").files) == 2
    one = f"gcs://anonymous@shop/in/people_2026-11-01.csv{ending}"
    (file,) = fetch_remote(one, ["id"], tmp_path, "path").files
    assert file.read_bytes() == b"id,name\n1,Ann\n"
    with pytest.raises(InputError, match="no such file; correct path"):
        list_remote(f"gs://anonymous@shop/nothing{ending}", "path")


def test_tables_are_written_and_known(ending: str, engine: DuckDBEngine) -> None:
    sink = RemoteParquetSink(f"gs://anonymous@shop/out{ending}", "people")
    both = [numbers("a", 5), numbers("b", 3)]
    assert sink.write(engine, both) == {"a": 5, "b": 3}
    assert sink.is_current(engine, both)
    assert not sink.is_current(engine, [numbers("a", 5, value=1)])
