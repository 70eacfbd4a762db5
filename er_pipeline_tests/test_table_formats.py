from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from er_pipeline.blocking.records.source_look import look_at
from er_pipeline.blocking.records.sources import source_outside
from er_pipeline.blocking.records.table_formats import format_of_table
from er_pipeline.blocking.records.watched_files import look_at_sources
from er_pipeline.blocking.spec.sources_section import Source
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.object_store import object_store
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.test_sources import Reader

RECORDS: dict[str, list[Any]] = {
    "id": [1, 2, 3],
    "Name": ["Ann", "Bob", None],
    "score": [1.0, 0.5, None],
    "tags": [["a", "b"], [], None],
    "more": ["x", "y", "z"],
}
WANTED = ["id", "name", "score", "tags"]
READ = [("1", "Ann", "1", "a; b"), ("2", "Bob", "0.5", None), ("3", None, None, None)]


@pytest.fixture
def reader(tmp_path: Path, engine: Engine) -> Reader:
    return Reader(tmp_path, engine)


@pytest.fixture
def delta(tmp_path: Path) -> Any:
    """A Delta table, people, from which a row was deleted again."""
    deltalake = pytest.importorskip("deltalake", reason="deltalake is not installed")
    rows = pa.table({**RECORDS, "id": pa.array([1, 2, 3], pa.int64())})
    gone = pa.table({**{name: values[:1] for name, values in RECORDS.items()}, "id": [9]})
    deltalake.write_deltalake(tmp_path / "people", pa.concat_tables([rows, gone]))
    table = deltalake.DeltaTable(tmp_path / "people")
    table.delete("id = 9")
    return table


@pytest.fixture
def iceberg(tmp_path: Path) -> Any:
    """An Iceberg table, people, from which a row was deleted again."""
    sql = pytest.importorskip("pyiceberg.catalog.sql", reason="pyiceberg is not installed")
    catalog = sql.SqlCatalog("c", uri="sqlite://", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("shop")
    rows = pa.table({**RECORDS, "id": pa.array([1, 2, 3], pa.int64())})
    table = catalog.create_table("shop.people", rows.schema)
    table.append(rows)
    table.append(pa.table({**{name: values[:1] for name, values in RECORDS.items()}, "id": [9]}))
    table.delete("id == 9")
    return table


def test_a_delta_table_is_read_without_its_deleted_rows(delta: Any, reader: Reader) -> None:
    assert sorted(reader.rows(WANTED, path="people")) == READ
    assert sorted(reader.rows(WANTED, path="people", format="delta")) == READ
    with pytest.raises(InputError, match=r"people: has no column 'nmae'; it has 'id', 'Name'"):
        reader.read(["nmae"], path="people")


def test_an_iceberg_table_is_read_without_its_deleted_rows(iceberg: Any, reader: Reader) -> None:
    place = iceberg.location().removeprefix("file://")
    assert sorted(reader.rows(WANTED, path=place)) == READ
    metadata = iceberg.metadata_location.removeprefix("file://")
    assert sorted(reader.rows(WANTED, path=metadata, format="iceberg")) == READ
    with pytest.raises(InputError, match="has no column 'nmae'"):
        reader.read(["nmae"], path=place)


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_a_change_shows_by_the_version(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    table = request.getfixturevalue(kind)
    path = "people" if kind == "delta" else table.location().removeprefix("file://")
    source = Source(path=path)
    assert format_of_table(source, tmp_path) == kind
    spec = small_spec(sources=[{"path": path}], schedule={"watch": {"quiet_seconds": 0}})
    spec = spec.located_in(tmp_path)
    before, first = source_outside(source, tmp_path), look_at_sources(spec, None)
    assert look_at(source, tmp_path).place in before
    table.delete("id = 1" if kind == "delta" else "id == 1")
    assert source_outside(source, tmp_path) != before
    moving = look_at_sources(spec, first.seen)
    assert look_at_sources(spec, moving.seen).changed


def test_a_plain_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    assert format_of_table(Source(path="."), tmp_path) is None
    assert format_of_table(Source(path="s3://shop/people"), tmp_path) is None
    assert format_of_table(Source(path="s3://shop/people", format="delta"), tmp_path) == "delta"


def test_what_is_broken_is_one_sentence(reader: Reader) -> None:
    pytest.importorskip("deltalake", reason="deltalake is not installed")
    (reader.folder / "people" / "_delta_log").mkdir(parents=True)
    with pytest.raises(InputError, match=r"people: cannot be read: .*; correct `path` or `format`"):
        reader.read(["id"], path="people")


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_a_missing_library_is_said(
    kind: str, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("deltalake", "pyiceberg.table"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(InputError, match=rf"pip install 'er_pipeline\[{kind}\]'"):
        reader.read(["id"], path="people", format=kind)


def test_a_delta_table_in_a_bucket_is_read(
    delta: Any, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    with object_store() as store:
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        for file in (reader.folder / "people").rglob("*.*"):
            store.put(file.relative_to(reader.folder).as_posix(), file.read_bytes())
        rows = reader.rows(WANTED, path="s3://shop/people", format="delta")
        assert sorted(rows) == READ
