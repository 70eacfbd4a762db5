import sqlite3
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import InputError
from er_pipeline_tests.test_sources import Reader


@pytest.fixture
def reader(tmp_path: Path, engine: Engine) -> Reader:
    return Reader(tmp_path, engine)


def sqlite_url(folder: Path) -> str:
    with sqlite3.connect(folder / "people.sqlite") as con:
        con.execute('create table people (id text, name text, "select" text, photo blob)')
        con.execute("insert into people values ('007', 'Ann', 'x', x'4a6f73c3a9')")
        con.execute("insert into people values ('1.0', 3.5, null, null)")
    con.close()
    return f"sqlite:///{folder}/people.sqlite"


def test_a_query_on_a_database_is_read(reader: Reader) -> None:
    url = sqlite_url(reader.folder)
    wanted = ["id", "name", "select", "photo"]
    assert reader.rows(wanted, url=url, query="select * from people order by id") == [
        ("007", "Ann", "x", "José"),
        ("1.0", "3.5", None, None),
    ]
    # As a path does, a relative one starts where the declaration lies.
    rows = reader.rows(["id"], url="sqlite:///people.sqlite", query="select id from people")
    assert rows == [("007",), ("1.0",)]
    query = "select id, '12:30' as name from people where id like '0%' and name <> ':x'"
    assert reader.rows(["id", "name"], url=url, query=query) == [("007", "12:30")]


def test_a_bad_query_is_an_error_that_names_the_database(reader: Reader) -> None:
    url = sqlite_url(reader.folder)
    for query, message in (
        ("select * from person", r"query on sqlite:.*: .*no such table: person"),
        ("select name from people", r"query on sqlite:.*: has no column 'id'; it has 'name'"),
        ("select * from people where 1 = 0", r"query on sqlite:.*: has no records"),
        ("delete from people where 1 = 0", r"query on sqlite:.*: .*does not return rows"),
    ):
        with pytest.raises(InputError, match=message):
            reader.read(["id"], url=url, query=query)


@pytest.mark.parametrize(
    "url",
    [
        "no url: hunter2",
        "nodialect://ann:hunter2@host/name",
        "oracle+cx_oracle://ann:hunter2@host/name",
        "postgresql://ann:x@host:hunter2/name",
        "sqlite:////no/such/folder/x.sqlite?password=hunter2",
        "sqlite://ann:hunter2@host/name",
    ],
)
@pytest.mark.filterwarnings("ignore:Query string argument")
def test_a_wrong_url_is_an_error_that_never_shows_the_password(reader: Reader, url: str) -> None:
    with pytest.raises(
        InputError, match=r"`url` is no usable SQLAlchemy URL|query on sqlite:"
    ) as e:
        reader.read(["id"], url=url, query="select 1 as id")
    assert "hunter2" not in str(e.value)


def test_the_origin_of_a_query_hides_the_password(reader: Reader) -> None:
    url = sqlite_url(reader.folder) + "?mode=hunter2"
    with pytest.warns(match="Query string argument"):
        raw = reader.read(["id"], url=url, query="select id from people")
    assert raw.origin == f"query on sqlite:///{reader.folder}/people.sqlite"
