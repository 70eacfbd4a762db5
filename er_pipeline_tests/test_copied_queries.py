from collections.abc import Iterator
from pathlib import Path

import pytest

from er_pipeline.blocking.records import database_queries
from er_pipeline.blocking.records.copied_queries import copy_query
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.postgres_server import PASSWORD, Server, postgres_server
from er_pipeline_tests.test_sources import Reader

EVERY_TYPE = r"""
    select * from (values
        (1::bigint, 'a"b' || chr(10) || 'c,\', 1.50::numeric, 90210.0::float8, 0.1::float4, true,
         date '2026-11-27', timestamptz '2026-11-27 02:00:00+02', timestamp '2026-11-27 02:00:00.5',
         'c0ffee00-0000-4000-8000-000000000000'::uuid, convert_to('José', 'UTF8'),
         array['x', null, 'y'], 'ab'::varchar(3), interval '1 day', '10.0.0.1'::inet),
        (2, '', 90210.0, 'NaN', 'Infinity', false,
         date '0001-01-01', null, null, null, '\x4a00', array[]::text[], null, null, null),
        (3, null, 12345678901234567890.00, 1e20, 1e-5, null,
         null, null, null, null, null, null, null, null, null)
    ) as t(id, text, exact, number, small, flag, day, instant, moment, uuid, bytes, list, short,
           span, address)
"""
COLUMNS = ["id", "text", "exact", "number", "small", "flag", "day", "instant", "moment"]
COLUMNS += ["uuid", "bytes", "list", "short", "span", "address"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def reader(tmp_path: Path, engine: Engine) -> Reader:
    return Reader(tmp_path, engine)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_every_type_is_the_text_that_people_write(
    server: Server, reader: Reader, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(driver, reason=f"{driver} is not installed")
    monkeypatch.setattr(database_queries, "_read_rows", None)  # all comes by COPY
    rows = reader.rows(COLUMNS, url=server.url(driver), query=EVERY_TYPE)
    assert rows[0] == (
        *("1", 'a"b\nc,\\', "1.50", "90210", "0.1", "true"),
        *("2026-11-27", "2026-11-27T00:00:00", "2026-11-27T02:00:00.5"),
        *("c0ffee00-0000-4000-8000-000000000000", "José", "x; y", "ab", "1 day", "10.0.0.1"),
    )
    assert rows[1][:7] == ("2", "", "90210", None, None, "false", "0001-01-01")
    assert rows[1][10:12] == ("J", None)
    assert rows[2][:5] == ("3", None, "12345678901234567890", "1e+20", "1e-05")


def test_copied_and_read_row_by_row_are_the_same(
    server: Server, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [name for name in COLUMNS if name not in ("span", "moment", "address")]
    query = EVERY_TYPE
    copied = reader.rows(wanted, url=server.url(), query=query)
    monkeypatch.setattr(database_queries, "copy_query", lambda *arguments: False)
    assert reader.rows(wanted, url=server.url(), query=query) == copied


def test_a_query_may_end_in_a_comment_and_hold_any_sign(server: Server, reader: Reader) -> None:
    query = "with w as (select 7 as id, '100%:x' as name) select * from w -- that is all"
    assert reader.rows(["id", "name"], url=server.url(), query=query) == [("7", "100%:x")]


def test_what_cannot_be_copied_is_read_row_by_row(server: Server, reader: Reader) -> None:
    query = """select 1 as id, '["a", "b"]'::jsonb as tags"""
    assert reader.rows(["id", "tags"], url=server.url(), query=query) == [("1", "a; b")]
    query = "select 1 as id, 'a' as name, 'b' as name"  # no part of a query may have two names
    assert reader.rows(["id"], url=server.url(), query=query) == [("1",)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select * from nobody", 'relation "nobody" does not exist'),
        ("select 1 as name", "has no column 'id'; it has 'name'"),
        ("select 1 as id where false", "has no records"),
        ("""select '{"a": 1}'::json as id""", "column 'id' of row 1 holds an object"),
        (r"select '\xff'::bytea as id", r"column 'id' of row 1 holds bytes that are no UTF-8"),
        ("select 1 / (2 - i) as id from generate_series(1, 3) as i", "division by zero"),
    ],
)
def test_what_is_wrong_is_said_as_of_any_database(
    server: Server, reader: Reader, query: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        reader.read(["id"], url=server.url(), query=query)
    assert "query on postgresql+psycopg://postgres:***@" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_other_databases_are_not_copied_from(tmp_path: Path) -> None:
    import sqlalchemy as sa

    with sa.create_engine("sqlite://").connect() as con:
        assert not copy_query(con, "select 1 as id", ["id"], "query", tmp_path / "a.parquet")
