from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.moments import made_at
from er_pipeline.terminal.exit_codes import UsageError
from er_pipeline.terminal.published_tables import Asked, PublishedTables, age_text
from er_pipeline.terminal.versions import publication_at
from er_pipeline_tests.nights import Nights

PEOPLE = [{"id": str(i), "last_name": name} for i, name in enumerate(["Ito", "Ito", "Ito", "Oh"])]
SETTINGS = {
    "sources": [{"path": "0.csv", "record_id": "id"}],
    "fields": {"last_name": "text"},
    "strategies": {"name": "last_name"},
    "training_rules": {"name": "last_name"},
}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Two nights: on the second one Ito is gone, and the strategy has another name."""
    nights = Nights(tmp_path_factory.mktemp("shown"), SETTINGS)
    nights.night(PEOPLE)
    nights.settings["strategies"] = {"whole_name": "last_name"}
    nights.night(PEOPLE[1:])
    return nights


def tables_at(nights: Nights, engine: Engine, text: str = "now") -> PublishedTables:
    lake = nights.lake
    return PublishedTables(engine, lake, nights.spec, publication_at(lake, text))


def first_night(nights: Nights) -> str:
    return nights.lake.published()["before"][0]["at"]


def test_tables_are_listed_with_the_rows_that_people_see(nights: Nights, engine: Engine) -> None:
    tables = tables_at(nights, engine)
    listed = {one["table"]: one for one in tables.listed()}
    assert listed["cleaned_records"]["rows"] == 3
    assert listed["cleaned_records"]["about"].startswith("Every record once")
    assert listed["unified_pairs"]["rows"] == 1
    assert next(iter(listed)) == "cleaned_records"
    with duckdb.connect(str(nights.lake.root / "catalog.duckdb"), read_only=True) as catalog:
        for name, one in listed.items():
            counted = catalog.execute(f"select count(*) from people.{name}").fetchone()
            assert counted == (one["rows"],), name


def test_rows_are_those_of_the_view(nights: Nights, engine: Engine) -> None:
    found = tables_at(nights, engine).find("unified_pairs", Asked())
    assert [column.name for column in found.columns][:3] == ["left_id", "right_id", "strategies"]
    assert all(column.description for column in found.columns)
    assert [row[:3] for row in found.rows] == [("1", "2", ["whole_name"])]
    assert not found.more


def test_an_older_publication_is_read_through_the_views_of_its_day(
    nights: Nights, engine: Engine
) -> None:
    found = tables_at(nights, engine, first_night(nights)).find("unified_pairs", Asked())
    assert sorted(tuple(row[:3]) for row in found.rows) == [
        ("0", "1", ["name"]),
        ("0", "2", ["name"]),
        ("1", "2", ["name"]),
    ]


def test_rows_are_chosen_sorted_and_limited(nights: Nights, engine: Engine) -> None:
    asked = Asked("last_name like 'i%' -- all\n", ["Record_Id"], "record_id desc", 1)
    found = tables_at(nights, engine, first_night(nights)).find("cleaned_records", asked)
    assert (list(found.rows), found.more) == ([("2",)], True)


@pytest.mark.parametrize(
    ("table", "asked", "said"),
    [
        ("unifed_pairs", Asked(), "did you mean 'unified_pairs'"),
        ("unified_pairs", Asked(columns=["left"]), "has no column 'left'; .*left_id, right_id"),
        ("unified_pairs", Asked(where="lft = 1"), "--where 'lft = 1' does not fit .*left_id"),
        ("unified_pairs", Asked(order_by="lft"), "--order-by 'lft' does not fit .*left_id"),
        ("cleaned_records", Asked(where="last_name::int > 1"), "does not fit .*Conversion"),
        ("unified_pairs", Asked(where="true) select"), "--where .* does not fit"),
    ],
)
def test_what_does_not_fit_is_named_with_what_does(
    nights: Nights, engine: Engine, table: str, asked: Asked, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        tables_at(nights, engine).find(table, asked)


def test_a_file_holds_every_row(nights: Nights, engine: Engine, tmp_path: Path) -> None:
    tables_at(nights, engine).write_csv("cleaned_records", Asked(limit=None), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[
        0
    ] == "record_id,source,last_name,record_no"
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 4


def test_a_moment_names_what_was_shown_at_its_end(nights: Nights) -> None:
    lake, first = nights.lake, first_night(nights)
    assert publication_at(lake, f"{made_at(first):%Y-%m-%dT%H:%M:%S.%fZ}"[:10])["until"] == ""
    with pytest.raises(LakeError, match="the oldest publication that is kept began at 20"):
        publication_at(lake, f"{made_at(first) - timedelta(days=1):%Y-%m-%d %H:%M}")
    with pytest.raises(UsageError, match="is no moment"):
        publication_at(lake, "yesterday")


def test_what_an_older_release_noted_without_its_views_cannot_be_shown(
    nights: Nights, engine: Engine
) -> None:
    shown = publication_at(nights.lake, first_night(nights))
    with pytest.raises(LakeError, match="published by an older release"):
        PublishedTables(engine, nights.lake, nights.spec, {**shown, "views": {}})


@pytest.mark.parametrize(
    ("now", "age"),
    [("T02:00:59", "0 min"), ("T02:59:00", "59 min"), ("T23:00:00", "21 h")],
)
def test_an_age_is_written_in_its_largest_unit(now: str, age: str) -> None:
    at = datetime.fromisoformat(f"2026-11-27{now}+00:00")
    assert age_text("20261127T020000.000000-abc", at) == age
    assert age_text("20261125T020000.000000-abc", at) == "2 d"
