import threading
from pathlib import Path

import pytest

from er_pipeline.blocking.tables import engine_duckdb
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.sql import literal, quoted

ODD_NAMES = ["select", 'a"b', "it's", "naïve 🙂", "a;b--c"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_and_any_text_can_be_quoted(engine: DuckDBEngine, name: str) -> None:
    engine.make_table(name, f"select {literal(name)} as {quoted(name)}")
    assert engine.rows(f"select {quoted(name)} from {quoted(name)}") == [(name,)]


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


def test_mapping_nothing_makes_an_empty_table(engine: DuckDBEngine) -> None:
    engine.map_distinct("upper_names", "select null::varchar", str.upper)
    assert engine.rows("select value, result from upper_names") == []


def test_mapping_again_replaces_the_table(engine: DuckDBEngine) -> None:
    engine.map_distinct("upper_names", "select 'old'", str.upper)
    engine.map_distinct("upper_names", "select 'new'", str.upper)
    assert engine.rows("select * from upper_names") == [("new", "NEW")]


def test_an_error_of_the_function_is_not_swallowed(engine: DuckDBEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        engine.map_distinct("upper_names", "select 'a'", lambda value: str(1 // 0))


def test_the_fingerprint_does_not_depend_on_the_order_of_rows(engine: DuckDBEngine) -> None:
    engine.make_table("up", "select i, i::varchar as id from range(1000) as t(i)")
    engine.make_table("down", "from up order by i desc")
    assert engine.fingerprint("up", ("i", "id")) == engine.fingerprint("down", ("i", "id"))


@pytest.mark.parametrize(
    "changed",
    [
        "(0, 'a'), (1, 'b'), (2, 'x')",  # another value
        "(0, 'b'), (1, 'a'), (2, 'c')",  # two ids change places
        "(0, 'a'), (1, 'b')",
        "(0, 'a'), (1, 'b'), (2, 'c'), (3, 'd')",
        "(0, 'a'), (1, 'b'), (2, 'c'), (3, 'd'), (3, 'd')",  # a pair that xor alone cancels out
        "(0, 'a'), (1, 'b'), (2, null)",
    ],
)
def test_the_fingerprint_changes_with_the_rows(engine: DuckDBEngine, changed: str) -> None:
    engine.make_table("old", "select * from (values (0, 'a'), (1, 'b'), (2, 'c')) as t(no, id)")
    engine.make_table("new", f"select * from (values {changed}) as t(no, id)")
    assert engine.fingerprint("old", ("no", "id")) != engine.fingerprint("new", ("no", "id"))


def test_all_files_of_a_folder_are_one_table(engine: DuckDBEngine, tmp_path: Path) -> None:
    folder = tmp_path / "n=7" / "it's here"
    folder.mkdir(parents=True)
    engine.write("select 1 as n", folder / "a.parquet")
    engine.write("select 2 as n", folder / "b.parquet", bulk=True)
    engine.read_folder(folder, "numbers")
    assert engine.rows("select * from numbers order by n") == [(1,), (2,)]


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
        assert engine.rows(
            "select current_setting('threads'), current_setting('memory_limit'),"
            " current_setting('temp_directory'), current_setting('autoinstall_known_extensions')"
        ) == [(1, "123.0 MiB", str(tmp_path / "spill"), False)]


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
