import json
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from math import inf, isnan
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import SinkError
from er_pipeline.sinks.database_sink import DatabaseSink
from er_pipeline_tests.postgres_server import PASSWORD, Server, postgres_server
from er_pipeline_tests.published_content import HARD, content, numbers


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def people(server: Server) -> Iterator[DatabaseSink]:
    """A sink whose schema is not there yet."""
    yield DatabaseSink(server.url(), "people")
    ask(server, "drop schema if exists people cascade")


def ask(server: Server, sql: str) -> list[Any]:
    import psycopg

    with psycopg.connect(server.url().replace("+psycopg", "")) as con:
        found = con.execute(sql)
        return found.fetchall() if found.description else []


def check_hard_rows(rows: list[Any]) -> None:
    full, empty, none = rows
    assert full[0] == 'a"b\\c,\nd'
    assert full[1] == ['x"y', "p\\q", "a,b{c}", ""]
    assert full[2:6] == (1, 0.5, 1.5, True)
    assert full[6:8] == (date(2026, 11, 27), datetime(2026, 11, 27, 2, tzinfo=UTC))
    assert full[8:] == ({"n": 1, "s": 'ä"'}, 12345678901234567890, 3)
    assert empty[:3] == ("", [], -1)
    assert isnan(empty[3])
    assert empty[4:7] == (inf, False, date(1, 1, 1))
    assert empty[7] == datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert none == (None,) * 11


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_every_type_arrives_in_postgres_as_it_is(
    server: Server, people: DatabaseSink, engine: DuckDBEngine, driver: str
) -> None:
    pytest.importorskip(driver, reason=f"{driver} is not installed")
    sink = DatabaseSink(server.url(driver), "people")
    assert sink.write(engine, [content("hard", HARD)]) == {"hard": 3}
    check_hard_rows(ask(server, "select * from people.hard order by text desc nulls last"))


def test_what_did_not_change_is_known_until_the_place_is_emptied(
    server: Server, people: DatabaseSink, engine: DuckDBEngine
) -> None:
    both = [numbers("matches", 5), numbers("entities", 3)]
    assert not people.is_current(engine, both)
    people.write(engine, both)
    assert people.is_current(engine, both)
    assert not people.is_current(engine, [numbers("matches", 5, value=1)])
    ask(server, "drop table people.entities")
    assert not people.is_current(engine, both)
    people.write(engine, both)
    assert ask(server, "select count(*) from people.entities") == [(3,)]


def test_a_reader_sees_all_old_tables_or_all_new_ones(
    server: Server, people: DatabaseSink, engine: DuckDBEngine
) -> None:
    import psycopg

    people.write(engine, [numbers("a", 20_000), numbers("b", 20_000)])
    seen: set[tuple[Any, ...]] = set()
    is_done = threading.Event()

    def look() -> None:
        with psycopg.connect(server.url().replace("+psycopg", ""), autocommit=True) as con:
            while not is_done.is_set():
                # One statement sees one state of both tables.
                row = con.execute(
                    "select (select array[count(*), min(value), max(value)] from people.a),"
                    " (select array[count(*), min(value), max(value)] from people.b)"
                ).fetchone()
                assert row
                seen.add((*row[0], *row[1]))

    reader = threading.Thread(target=look)
    reader.start()
    for value in (1, 2, 3):
        people.write(engine, [numbers("a", 20_000, value), numbers("b", 20_000, value)])
    is_done.set()
    reader.join()
    assert seen <= {(20_000, v, v) * 2 for v in range(4)}
    assert len(seen) > 1, "the reader saw several nights"


def test_a_write_that_fails_leaves_all_tables_as_they_were(
    server: Server, people: DatabaseSink, engine: DuckDBEngine
) -> None:
    people.write(engine, [numbers("a", 3), numbers("b", 3)])
    broken = content("b", "select i as id, i::integer as value from range(3) as r(i)", "2")
    ask(server, "alter table people.b add constraint small check (value < 2)")
    with pytest.raises(SinkError, match=r"schema people: .*small.*; it is as it was") as caught:
        people.write(engine, [numbers("a", 3, value=1), broken])
    assert "Failing row" not in str(caught.value), "values of records stay out of messages"
    assert ask(server, "select distinct value from people.a") == [(0,)]
    assert ask(server, "select distinct value from people.b") == [(0,)]


def test_views_and_grants_stay_and_other_columns_make_a_new_table(
    server: Server, people: DatabaseSink, engine: DuckDBEngine
) -> None:
    people.write(engine, [numbers("a", 3)])
    ask(server, "create view people.seen as select sum(value) as total from people.a")
    people.write(engine, [numbers("a", 3, value=2)])
    assert ask(server, "select total from people.seen") == [(6,)]
    wider = content("a", "select 1 as id, 2 as value, 'x' as more")
    with pytest.raises(SinkError, match=r"cannot drop table people\.a because other"):
        people.write(engine, [wider])
    ask(server, "drop view people.seen")
    people.write(engine, [wider])
    assert ask(server, "select * from people.a") == [(1, 2, "x")]


def test_a_table_of_somebody_else_is_never_touched(
    server: Server, people: DatabaseSink, engine: DuckDBEngine
) -> None:
    ask(server, "create schema people; create table people.entities (mine int)")
    with pytest.raises(SinkError, match="entities stands there that was not written by this"):
        people.write(engine, [numbers("entities", 3)])
    people.write(engine, [numbers("matches", 3)])
    other = DatabaseSink(server.url(), "shops", "people")
    with pytest.raises(SinkError, match="the table matches there is of dataset 'people'"):
        other.write(engine, [numbers("matches", 3)])


def test_no_password_is_in_any_message(server: Server, engine: DuckDBEngine) -> None:
    wrong = server.url().replace(PASSWORD, "swordfish")
    for url in (wrong, wrong.replace(str(server.port), "1"), wrong.replace("psycopg", "none")):
        with pytest.raises(SinkError) as caught:
            DatabaseSink(url, "people").write(engine, [numbers("a", 1)])
        assert "swordfish" not in str(caught.value)


def test_any_other_database_gets_the_same_in_one_transaction(
    tmp_path: Path, engine: DuckDBEngine
) -> None:
    sink = DatabaseSink(f"sqlite:///{tmp_path}/out.sqlite", "people")
    both = [content("hard", HARD), numbers("b", 12_000)]
    assert sink.write(engine, both) == {"hard": 3, "b": 12_000}
    assert sink.is_current(engine, both)
    with sqlite3.connect(tmp_path / "out.sqlite") as con:
        texts, whole, lists, objects = zip(
            *con.execute("select text, whole, list, object from hard order by whole"), strict=True
        )
        con.execute("create unique index one on b (id)")
    con.close()
    assert texts == (None, "", 'a"b\\c,\nd')
    assert whole == (None, -1, 1)
    assert [json.loads(value) if value else None for value in lists] == [
        None,
        [],
        ['x"y', "p\\q", "a,b{c}", ""],
    ]
    assert json.loads(objects[2]) == {"n": 1, "s": 'ä"'}
    twice = content("b", "select 1::bigint as id, 1 as value from range(2)", "2")
    with pytest.raises(SinkError, match="UNIQUE constraint failed"):
        sink.write(engine, [content("hard", f"from ({HARD}) limit 0", "2"), twice])
    with sqlite3.connect(tmp_path / "out.sqlite") as con:
        assert con.execute("select count(*) from hard").fetchone() == (3,)
        assert con.execute("select count(*) from b").fetchone() == (12_000,)
    con.close()
