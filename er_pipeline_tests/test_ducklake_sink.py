from pathlib import Path

import duckdb
import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import SinkError
from er_pipeline.blocking.tables.extensions import extension_file
from er_pipeline.sinks.ducklake_sink import DuckLakeSink
from er_pipeline_tests.published_content import HARD, content, numbers
from er_pipeline_tests.test_sources import Reader

needs_ducklake = pytest.mark.skipif(
    extension_file("ducklake") is None,
    reason=f"no wheel duckdb-extension-ducklake for DuckDB {duckdb.__version__} is installed",
)


@pytest.fixture
def sink(tmp_path: Path) -> DuckLakeSink:
    return DuckLakeSink("meta.ducklake", "people", None, "files", tmp_path)


def ask(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        con.execute(f"load '{extension_file('ducklake')}'")
        con.execute(f"attach 'ducklake:{folder}/meta.ducklake' as dl")
        return con.execute(sql).fetchall()


@needs_ducklake
def test_tables_arrive_in_one_snapshot(
    tmp_path: Path, sink: DuckLakeSink, engine: DuckDBEngine
) -> None:
    both = [content("hard", HARD), numbers("b", 500)]
    assert not sink.is_current(engine, both)
    assert sink.write(engine, both) == {"hard": 3, "b": 500}
    assert sink.is_current(engine, both)
    assert list((tmp_path / "files").rglob("*.parquet"))
    (row,) = ask(tmp_path, "select text, list from dl.people.hard where whole = 1")
    assert row == ('a"b\\c,\nd', ['x"y', "p\\q", "a,b{c}", ""])
    (before,) = ask(tmp_path, "select max(snapshot_id) from ducklake_snapshots('dl')")
    sink.write(engine, [both[0], numbers("b", 600, value=1)])
    assert ask(tmp_path, "select count(*), max(value) from dl.people.b") == [(600, 1)]
    (after,) = ask(tmp_path, "select max(snapshot_id) from ducklake_snapshots('dl')")
    assert int(str(after[0])) == int(str(before[0])) + 1
    at = f"at (version => {before[0]})"
    assert ask(tmp_path, f"select count(*), max(value) from dl.people.b {at}") == [(500, 0)]


@needs_ducklake
def test_a_write_that_fails_leaves_all_as_it_was_and_foreign_tables_stay(
    tmp_path: Path, sink: DuckLakeSink, engine: DuckDBEngine
) -> None:
    sink.write(engine, [numbers("a", 5)])
    broken = content("b", "select error('out of ink') as id from range(3)", "2")
    with pytest.raises(SinkError, match=r"DuckLake .*schema people: .*out of ink"):
        sink.write(engine, [numbers("a", 5, value=1), broken])
    assert ask(tmp_path, "select max(value) from dl.people.a") == [(0,)]
    other = DuckLakeSink("meta.ducklake", "shops", "people", "files", tmp_path)
    with pytest.raises(SinkError, match="the table a there is of dataset 'people'"):
        other.write(engine, [numbers("a", 5)])


@pytest.mark.skipif(extension_file("ducklake") is not None, reason="the wheel is installed")
def test_an_error_names_the_wheel(tmp_path: Path, sink: DuckLakeSink, engine: DuckDBEngine) -> None:
    wheel = f"pip install duckdb-extension-ducklake=={duckdb.__version__}"
    with pytest.raises(SinkError, match=wheel):
        sink.write(engine, [numbers("a", 5)])
    assert not list(tmp_path.iterdir())


def test_how_to_log_in_to_the_metadata_is_never_shown(tmp_path: Path, engine: DuckDBEngine) -> None:
    metadata = "postgres:host=127.0.0.1 port=1 dbname=x password=hunter2"
    sink = DuckLakeSink(metadata, "people", None, None, tmp_path)
    assert sink.where == "DuckLake postgres:…, schema people"
    with pytest.raises(SinkError) as caught:
        sink.write(engine, [numbers("a", 5)])
    assert "hunter2" not in str(caught.value)


@needs_ducklake
def test_what_was_written_is_read_as_a_source(
    tmp_path: Path, sink: DuckLakeSink, engine: DuckDBEngine
) -> None:
    sink.write(engine, [numbers("a", 500)])
    reader = Reader(tmp_path, engine)
    rows = reader.rows(["id"], database="ducklake:meta.ducklake", table="people.a")
    assert len(rows) == 500
    assert reader.read(["id"], database="ducklake:meta.ducklake", table="people.a").origin == (
        f"{tmp_path}/meta.ducklake, table people.a"
    )
