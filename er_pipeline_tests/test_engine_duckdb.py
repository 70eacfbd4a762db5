import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from er_pipeline.blocking.tables import engine_duckdb
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, parquet_file
from er_pipeline.blocking.tables.errors import InputError


@pytest.mark.parametrize("values_per_batch", [1, 2, 3, 500_000])
def test_a_python_function_sees_every_distinct_value_once_in_any_batch(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch, values_per_batch: int
) -> None:
    monkeypatch.setattr(engine_duckdb, "VALUES_PER_BATCH", values_per_batch)
    engine.make_table("names", "select unnest(['a', 'b', null, 'a', 'c', '', 'b']) as name")
    handed: list[str] = []

    def call(value: str) -> str | None:
        handed.append(value)
        return value.upper() or None

    engine.map_distinct("mapped names", "select name from names", call)
    assert sorted(engine.rows('select * from "mapped names"')) == [
        ("", None),
        ("a", "A"),
        ("b", "B"),
        ("c", "C"),
    ]
    assert sorted(handed) == ["", "a", "b", "c"]


def test_all_files_of_a_folder_are_one_table(engine: DuckDBEngine, tmp_path: Path) -> None:
    folder = tmp_path / "n=7" / "it's here"
    folder.mkdir(parents=True)
    engine.write("select 1 as n", folder / "a.parquet")
    engine.write("select 2 as n", folder / "b.parquet", bulk=True)
    engine.read_folder(folder, "numbers")
    assert engine.rows("select * from numbers order by n") == [(1,), (2,)]


def test_a_folder_is_taken_to_be_as_long_as_all_its_files(
    engine: DuckDBEngine, tmp_path: Path
) -> None:
    engine.write("select 1 as a", tmp_path / "a.parquet")
    engine.write("select range as a from range(1000)", tmp_path / "b.parquet")
    engine.read_folder(tmp_path, "parts")
    # Else a join with a short table would keep the long one in memory.
    ((_, plan),) = engine.rows("explain select a from parts")
    assert "1,001" in plan


def test_a_written_query_keeps_its_order(engine: DuckDBEngine, tmp_path: Path) -> None:
    engine.write("select i from range(300000) as t(i) order by -i", tmp_path / "a.parquet")
    engine.read_folder(tmp_path, "numbers")
    (in_order,) = engine.row(
        "select bool_and(i = 299999 - n) from"
        " (select i, row_number() over () - 1 as n from numbers)"
    )
    assert in_order


def test_the_settings_reach_duckdb(tmp_path: Path) -> None:
    with DuckDBEngine(threads=1, memory_limit="123MiB", spill_to=tmp_path / "spill") as engine:
        (own,) = (tmp_path / "spill").iterdir()
        assert engine.rows(
            "select current_setting('threads'), current_setting('memory_limit'),"
            " current_setting('temp_directory'), current_setting('autoinstall_known_extensions')"
        ) == [(1, "123.0 MiB", str(own), False)]


def test_each_engine_spills_into_a_folder_of_its_own_that_goes_with_it(tmp_path: Path) -> None:
    with DuckDBEngine(threads=1, spill_to=tmp_path), DuckDBEngine(threads=1, spill_to=tmp_path):
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []


def test_engines_side_by_side_do_not_see_each_others_tables() -> None:
    found: list[int] = []

    def work(n: int) -> None:
        with DuckDBEngine(threads=1) as engine:
            engine.make_table("mine", f"select {n} as n")
            found.append(engine.row("select n from mine")[0])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["a[1].parquet", "b*.parquet", "c?.parquet", "it's.parquet"])
def test_a_file_is_read_by_its_own_name_whatever_characters_that_has(
    engine: DuckDBEngine, tmp_path: Path, name: str
) -> None:
    engine.write("select 'this' as it", tmp_path / name)
    for other in ("a1.parquet", "bb.parquet", "cc.parquet"):
        engine.write("select 'another' as it", tmp_path / other)
    engine.read_file(tmp_path / name, "t")
    assert engine.rows("from t") == [("this",)]
    assert engine.rows(f"select it from {parquet_file(tmp_path / name)}") == [("this",)]


def test_row_numbers_are_the_places_in_the_file(engine: DuckDBEngine, tmp_path: Path) -> None:
    engine.write("select i + 7 as n from range(5) as t(i) order by i desc", tmp_path / "a.parquet")
    for read, path in ((engine.read_file, tmp_path / "a.parquet"), (engine.read_folder, tmp_path)):
        read(path, "t", row_numbers=True)
        assert engine.rows("select n, file_row_number from t order by 2") == [
            (11 - place, place) for place in range(5)
        ]


def test_bulk_writing_changes_no_row(engine: DuckDBEngine, tmp_path: Path) -> None:
    engine.make_table("pairs", "select i::int as l, (i * 7)::int as r from range(200000) as t(i)")
    for bulk in (False, True):
        engine.write("select * from pairs where r % 3 = 0", tmp_path / f"{bulk}.parquet", bulk=bulk)
        engine.read_file(tmp_path / f"{bulk}.parquet", f"written_{bulk}")
    plain, bulky = (engine.fingerprint(f"written_{bulk}", ("l", "r")) for bulk in (False, True))
    assert plain == bulky
    (codec,) = engine.row(
        f"select distinct compression from parquet_metadata('{tmp_path / 'True.parquet'}')"
    )
    assert codec == engine_duckdb.BULK_COMPRESSION.upper()


def test_the_one_row_of_an_aggregate_is_one(engine: DuckDBEngine) -> None:
    with pytest.raises(AssertionError, match="an aggregate gives one row: select 1 where false"):
        engine.row("select 1 where false")


def test_a_closed_engine_runs_nothing_more() -> None:
    with DuckDBEngine(threads=1) as engine:
        engine.make_table("t", "select 1 as n")
    with pytest.raises(duckdb.ConnectionException):
        engine.rows("from t")


LIMIT = "select current_setting('memory_limit')"


def test_a_frugal_call_is_bounded_and_afterwards_all_is_as_before(tmp_path: Path) -> None:
    with DuckDBEngine(threads=1, spill_to=tmp_path) as engine:
        before = engine.row(LIMIT)
        assert engine.frugally(lambda: engine.row(LIMIT)) == ("1.8 GiB",)
        assert engine.row(LIMIT) == before


def test_the_limit_of_the_user_stands_and_without_a_place_to_spill_to_there_is_none(
    tmp_path: Path,
) -> None:
    with DuckDBEngine(threads=1, memory_limit="3GB", spill_to=tmp_path) as engine:
        assert engine.frugally(lambda: engine.row(LIMIT)) == engine.row(LIMIT) == ("2.7 GiB",)
    with DuckDBEngine(threads=1) as engine:
        assert engine.frugally(lambda: engine.row(LIMIT)) == engine.row(LIMIT)


def test_what_cannot_be_spilled_is_called_again_unbounded(tmp_path: Path) -> None:
    # A list of 300 million numbers would do; a limit that the call lowers shows the same sooner.
    limits = []

    def hungry() -> int:
        limits.append(engine.row(LIMIT))
        if len(limits) == 1:
            engine.execute("set memory_limit = '1MB'")
        try:
            return len(engine.row("select list(range) from range(1_000_000)")[0])
        except duckdb.Error as error:
            raise InputError("people.csv: cannot be read") from error

    with DuckDBEngine(threads=1, spill_to=tmp_path) as engine:
        assert engine.frugally(hungry) == 1_000_000
        assert len(limits) == 2
        assert limits[1] == engine.row(LIMIT)


def test_other_errors_are_raised_at_once(tmp_path: Path) -> None:
    calls = []

    def wrong() -> None:
        calls.append(1)
        raise InputError("people.csv: no such file")

    with DuckDBEngine(threads=1, spill_to=tmp_path) as engine:
        before = engine.row(LIMIT)
        with pytest.raises(InputError):
            engine.frugally(wrong)
        assert (len(calls), engine.row(LIMIT)) == (1, before)


def test_no_progress_bar_stands_amid_the_answer() -> None:
    code = (
        "from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine\n"
        "with DuckDBEngine(1) as engine:\n"
        "    print(engine.row(\"select current_setting('enable_progress_bar')\"))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "(False,)\n"
