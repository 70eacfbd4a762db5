import json
from pathlib import Path

import duckdb
import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import SinkError
from er_pipeline.sinks.parquet_sink import NOTE, ParquetSink
from er_pipeline_tests.published_content import HARD, content, numbers


def rows(place: Path) -> list[tuple[object, ...]]:
    pattern = f"{place}/*.parquet" if place.is_dir() else str(place)
    with duckdb.connect() as con:
        return con.execute(f"from read_parquet('{pattern}') order by all").fetchall()


def test_every_table_is_a_file_that_other_programs_open(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    sink = ParquetSink(tmp_path / "out", "people")
    hard = content("hard", HARD.replace("12345678901234567890::hugeint", "1"))
    assert sink.write(engine, [hard, numbers("b", 7)]) == {"hard": 3, "b": 7}
    assert rows(tmp_path / "out" / "b.parquet") == [(i, 0) for i in range(7)]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        NOTE,
        "b.parquet",
        "hard.parquet",
    ]
    import pandas as pd

    assert pd.read_parquet(tmp_path / "out" / "hard.parquet")["text"].tolist()[0] == 'a"b\\c,\nd'


def test_what_did_not_change_is_known_until_a_file_is_gone_or_another(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    sink = ParquetSink(tmp_path, "people")
    both = [numbers("a", 5), numbers("b", 3)]
    assert not sink.is_current(engine, both)
    sink.write(engine, both)
    assert sink.is_current(engine, both)
    assert not sink.is_current(engine, [numbers("a", 5, value=1)])
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    assert not sink.is_current(engine, both)
    sink.write(engine, both)
    (tmp_path / "b.parquet").unlink()
    assert not sink.is_current(engine, both)
    (tmp_path / NOTE).unlink()
    assert not sink.is_current(engine, both)


def test_several_files_stand_in_a_folder_that_moves_in_one_step(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    sink = ParquetSink(tmp_path, "people", "256MB")
    nights = [[numbers("a", 5, value)] for value in range(4)]
    sink.write(engine, nights[0])
    opened = (tmp_path / "a").resolve()
    assert sink.is_current(engine, nights[0])
    assert sink.write(engine, nights[1]) == {"a": 5}
    assert rows(tmp_path / "a") == [(i, 1) for i in range(5)]
    assert rows(opened) == [(i, 0) for i in range(5)], "who has it open goes on reading"
    sink.write(engine, nights[2])
    assert not opened.exists()
    assert len(list(tmp_path.glob(".a.*"))) == 2


def test_a_write_that_fails_leaves_the_files_as_they_were(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    sink = ParquetSink(tmp_path, "people")
    sink.write(engine, [numbers("a", 5), numbers("b", 5)])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    broken = content("b", "select error('out of ink') as id", "2")
    with pytest.raises(SinkError, match=r"parquet in .*: cannot be written: .*out of ink"):
        sink.write(engine, [numbers("a", 5, value=1), broken])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_drafts_of_killed_runs_go_and_others_files_stay(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    for name in (".a.123456.tmp", ".other.123456.tmp", "mine.parquet"):
        (tmp_path / name).write_text("half")
    ParquetSink(tmp_path, "people").write(engine, [numbers("a", 5)])
    assert not (tmp_path / ".a.123456.tmp").exists()
    assert (tmp_path / ".other.123456.tmp").exists()
    assert (tmp_path / "mine.parquet").exists()


def test_a_file_of_somebody_else_is_never_replaced(tmp_path: Path, engine: DuckDBEngine) -> None:
    (tmp_path / "a.parquet").write_text("mine")
    with pytest.raises(SinkError, match=r"a\.parquet: stands there and was not written by dataset"):
        ParquetSink(tmp_path, "people").write(engine, [numbers("a", 5)])
    ParquetSink(tmp_path, "people").write(engine, [numbers("b", 5)])
    with pytest.raises(SinkError, match="was not written by dataset shops"):
        ParquetSink(tmp_path, "shops").write(engine, [numbers("b", 5)])
    assert (tmp_path / "a.parquet").read_text() == "mine"


def test_two_datasets_keep_their_notes_in_one_folder(tmp_path: Path, engine: DuckDBEngine) -> None:
    people, shops = (ParquetSink(tmp_path, name) for name in ("people", "shops"))
    people.write(engine, [numbers("a", 5)])
    shops.write(engine, [numbers("b", 5)])
    assert people.is_current(engine, [numbers("a", 5)])
    assert shops.is_current(engine, [numbers("b", 5)])
    assert set(json.loads((tmp_path / NOTE).read_text())["datasets"]) == {"people", "shops"}


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, engine: DuckDBEngine) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"cannot be written: .*is a file, not a folder"):
        ParquetSink(tmp_path / "file" / "out", "people").write(engine, [numbers("a", 5)])
