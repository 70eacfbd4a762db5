from er_pipeline.blocking.records.column_readings import CleanColumn, clean_column, read_columns
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.values.cleaning import CleaningOptions
from er_pipeline_tests.small_spec import small_spec

SOURCES = [{"path": "a.csv"}, {"path": "b.csv"}]


def put_raw(engine: Engine, *rows: tuple[int, str, str]) -> None:
    engine.execute("create table raw (source_no smallint, name varchar, born varchar)")
    for row in rows:
        engine.execute("insert into raw values (?, ?, ?)", list(row))


def test_each_column_of_each_source_is_read_as_it_shows(engine: Engine) -> None:
    spec = small_spec(sources=SOURCES, fields={"name": "person_name", "born": "date"})
    put_raw(
        engine,
        *[(0, "Ann", "12/25/1980"), (0, "NULL", "03/04/1990"), (0, "Bob", "25.12.1980")],
        *[(1, "ANN", "25/12/1980"), (1, "NULL", "03/04/1990"), (1, "BOB", "12.25.1980")],
    )
    first, second = zip(*read_columns(engine, "raw", spec).options.values(), strict=True)
    assert [options.marks for options in (first[0], second[0])] == [{"NULL"}, set()]
    assert [options.day_first for options in (first[1], second[1])] == [False, True]
    assert [options.dots_day_first for options in (first[1], second[1])] == [True, False]


def test_a_declared_order_holds_against_what_a_column_shows(engine: Engine) -> None:
    spec = small_spec(fields={"name": "text", "born": "date"}, cleaning={"day_first": False})
    put_raw(engine, (0, "x", "25/12/1980"))
    assert read_columns(engine, "raw", spec).options["born"][0].day_first is False


def test_numbers_are_read_as_their_column_shows_unless_it_is_declared(engine: Engine) -> None:
    fields = {"name": "text", "born": "number"}
    put_raw(engine, (0, "x", "1.234"), (0, "x", "12,50"), (1, "x", "1.234"), (1, "x", "12.50"))
    spec = small_spec(sources=SOURCES, fields=fields)
    read = read_columns(engine, "raw", spec)
    assert [options.decimal_comma for options in read.options["born"]] == [True, False]
    assert [shown.source_no for shown in read.numbers] == [0, 1]
    declared = small_spec(sources=SOURCES, fields=fields, cleaning={"decimal_comma": False})
    options = read_columns(engine, "raw", declared).options["born"]
    assert [of_source.decimal_comma for of_source in options] == [False, False]


def test_one_value_is_read_in_several_ways_where_sources_differ(engine: Engine) -> None:
    put_raw(engine, (0, "x", "03/04/1990"), (1, "x", "03/04/1990"), (2, "x", "03/04/1990"))
    options = [CleaningOptions(), CleaningOptions(day_first=True), CleaningOptions()]
    column = clean_column(engine, "raw", "born", "date", options)
    assert engine.rows(
        f"select r.source_no, c.result from raw as r join {column.table} as c"
        f" on {column.same('r', 'c')} order by 1"
    ) == [(0, "1990-03-04"), (1, "1990-04-03"), (2, "1990-03-04")]


def test_sources_that_agree_are_read_once(engine: Engine) -> None:
    put_raw(engine, (0, "x", "03/04/1990"), (1, "x", "03/04/1990"))
    column = clean_column(engine, "raw", "born", "date", [CleaningOptions()] * 2)
    assert column == CleanColumn("born", "clean_born")
    assert engine.rows(f"select * from {column.table}") == [("03/04/1990", "1990-03-04")]
