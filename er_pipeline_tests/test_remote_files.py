import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from er_pipeline.blocking.records.remote_files import (
    fetch_remote,
    is_remote,
    list_remote,
    origin_of,
    remote_outside,
)
from er_pipeline.blocking.records.snapshots import at_snapshot, chosen_snapshot, snapshots
from er_pipeline.blocking.records.source_look import look_at
from er_pipeline.blocking.records.sources import source_outside
from er_pipeline.blocking.records.watched_files import look_at_sources
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.object_store import Store, object_store, web_server
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.test_sources import Reader


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with object_store() as store:
        yield store


@pytest.fixture
def reader(tmp_path: Path, engine: Engine) -> Reader:
    return Reader(tmp_path, engine)


def parquet(**columns: list[object]) -> bytes:
    packed = io.BytesIO()
    pq.write_table(pa.table(columns), packed)
    return packed.getvalue()


def test_a_path_of_another_machine_is_known_by_its_scheme() -> None:
    assert is_remote("s3://shop/people.csv")
    assert is_remote("https://example.org/people.csv")
    assert not is_remote("people.csv")
    assert not is_remote("/data/s3://people.csv")
    assert origin_of("s3://er:hunter2@shop/a.csv?scheme=http") == "s3://er:***@shop/a.csv"
    assert "hunter2" not in str(Source(path="s3://er:hunter2@shop/a.csv").identity)
    assert Source(path="s3://shop/people.csv?endpoint_override=127.0.0.1:9").label == "people"


def test_csv_and_parquet_of_a_bucket_are_read(store: Store, reader: Reader) -> None:
    path = store.put("in/people.csv", b"id,name\n007,Ann\n8,Bob\n")
    assert reader.rows(["id", "name"], path=path) == [("007", "Ann"), ("8", "Bob")]
    path = store.put("in/people.parquet", parquet(ID=[1, 2], name=["Ann", None], more=[[1], [2]]))
    assert reader.rows(["id", "name"], path=path) == [("1", "Ann"), ("2", None)]
    raw = reader.read(["id"], path=path)
    assert raw.origin == "s3://shop/in/people.parquet"


def test_only_the_wanted_columns_of_parquet_are_fetched(store: Store, tmp_path: Path) -> None:
    path = store.put("wide.parquet", parquet(id=[1], name=["Ann"], blob=["x" * 1000]))
    (file,) = fetch_remote(path, ["name", "id"], tmp_path, "path").files
    assert pq.read_schema(file).names == ["id", "name"]
    (file,) = fetch_remote(path, ["nmae", "id"], tmp_path, "path").files
    assert pq.read_schema(file).names == ["id", "name", "blob"], "an error lists them all"


def test_a_folder_and_a_glob_are_read_with_what_their_names_say(
    store: Store, reader: Reader
) -> None:
    store.put("tree/country=DE/part-0.parquet", parquet(id=[1], name=["Ann"]))
    store.put("tree/country=FR/part-0.parquet", parquet(id=[2], name=["Bob"]))
    store.put("tree/_SUCCESS", b"")
    wanted = ["id", "country"]
    assert reader.rows(wanted, path="s3://shop/tree") == [("1", "DE"), ("2", "FR")]
    assert reader.rows(wanted, path="s3://shop/tree/*/*.parquet") == [("1", "DE"), ("2", "FR")]


def test_a_change_shows_without_reading(store: Store, tmp_path: Path) -> None:
    path = store.put("changing.csv", b"id\n1\n")
    source = Source(path=path)
    first = source_outside(source, tmp_path)
    assert source_outside(source, tmp_path) == first
    assert list(first) == ["s3://shop/changing.csv"]
    store.put("changing.csv", b"id\n1\n2\n")
    assert remote_outside(path, "path") != first
    look = look_at(source, tmp_path)
    assert (look.place, look.files, look.size) == (path, 1, 7)
    assert look.changed is not None


def test_a_bucket_is_watched(store: Store) -> None:
    path = store.put("watched.csv", b"id\n1\n")
    spec = small_spec(sources=[{"path": path}], schedule={"watch": {"quiet_seconds": 0}})
    first = look_at_sources(spec, None)
    assert look_at_sources(spec, first.seen).why == "no file has changed"
    store.put("watched.csv", b"id\n1\n2\n")
    moving = look_at_sources(spec, first.seen)
    assert look_at_sources(spec, moving.seen).changed == ("s3://shop/watched.csv",)


@pytest.mark.parametrize("path", ["s3://shop/nothing.csv", "s3://shop/nothing/*.csv"])
def test_what_is_not_there_is_said(store: Store, reader: Reader, path: str) -> None:
    with pytest.raises(InputError, match=r"s3://shop/nothing.*: no such file; correct `path`"):
        reader.read(["id"], path=path)


def test_a_store_that_does_not_answer_is_one_sentence(reader: Reader) -> None:
    path = "s3://er:hunter2@shop/a.csv?endpoint_override=127.0.0.1:1&scheme=http&region=x"
    with pytest.raises(InputError, match=r"s3://er:\*\*\*@shop/a.csv: cannot be read: ") as caught:
        reader.read(["id"], path=path)
    assert "hunter2" not in str(caught.value)


def test_a_file_of_a_web_server_is_read(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a b.csv").write_text("id,name\n1,Ann\n")
    with web_server(tmp_path / "www") as address:
        path = f"{address}/a%20b.csv?token=hunter2"
        assert reader.rows(["id", "name"], path=path) == [("1", "Ann")]
        (seen,) = list_remote(path, "path")
        assert (seen.place, seen.size) == (f"{address}/a%20b.csv", 14)
        before = source_outside(Source(path=path), tmp_path)
        (tmp_path / "www" / "a b.csv").write_text("id,name\n1,Ann\n2,Bob\n")
        assert source_outside(Source(path=path), tmp_path) != before
        with pytest.raises(InputError, match=r"none\.csv: cannot be read: HTTP Error 404") as said:
            reader.read(["id"], path=f"{address}/none.csv?token=hunter2")
        assert "hunter2" not in str(said.value)


def test_snapshots_of_a_store_are_listed_and_a_missing_one_is_named(store: Store) -> None:
    for day in ("2026-11-01", "2026-11-02"):
        store.put(f"dated/{day}/part-0.csv", b"id,name\n1,Ann\n")
    spec = small_spec(sources=[{"path": "s3://shop/dated/{date}/*.csv"}])
    assert snapshots(spec) == ["2026-11-01", "2026-11-02"]
    (source,) = at_snapshot(spec, None).sources
    assert list(source_outside(source, Path())) == ["s3://shop/dated/2026-11-02/part-0.csv"]
    with pytest.raises(InputError, match=r"s3://shop/dated/2026-11-03/\*\.csv: there is no such"):
        chosen_snapshot(spec, "2026-11-03")
