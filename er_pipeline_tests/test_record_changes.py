from pathlib import Path

from er_pipeline.blocking.records.record_changes import SINCE, find_record_changes
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline_tests.nights import Nights

FIELDS = {"fields": {"name": "text", "town": "text"}, "strategies": {"name": "name"}}
ONE = {"sources": [{"path": "0.csv", "record_id": "id"}], **FIELDS}


def person(record_id: str, name: str, town: str | None = "york") -> dict[str, str | None]:
    return {"id": record_id, "name": name, "town": town}


FIRST = [person("b", "ann"), person("c", "bob"), person("d", "cy"), person("e", "di", None)]


def changes(nights: Nights) -> list[tuple[int | None, int | None, str]]:
    spec, lake = nights.spec, nights.lake
    seen = lake.for_step(["cleaned_records"], [])
    with DuckDBEngine(threads=2) as engine:
        assert find_record_changes(engine, seen), spec
        return engine.rows("from record_changes order by coalesce(old_no, 99), record_no")


def test_every_record_of_either_night_is_the_same_changed_new_or_gone(tmp_path: Path) -> None:
    nights = Nights(tmp_path, ONE)
    nights.night(FIRST)
    second = [person("a", "zoe"), person("c", "bobby"), person("d", "cy"), person("e", "di", None)]
    nights.night(second, publish=False)
    assert changes(nights) == [
        (0, None, "gone"),
        (1, 1, "changed"),
        (2, 2, "same"),
        (3, 3, "same"),
        (None, 0, "new"),
    ]


def test_a_first_night_has_nothing_to_compare_with(tmp_path: Path) -> None:
    nights = Nights(tmp_path, ONE)
    lake = nights.night(FIRST, publish=False)
    with DuckDBEngine(threads=2) as engine:
        assert not find_record_changes(engine, lake.for_step(["cleaned_records"], []))


def test_a_value_that_came_or_went_is_a_change(tmp_path: Path) -> None:
    nights = Nights(tmp_path, ONE)
    nights.night(FIRST)
    nights.night([person("c", "bob", None), person("e", "di")], publish=False)
    assert [row for row in changes(nights) if row[2] != "gone"] == [
        (1, 0, "changed"),
        (3, 1, "changed"),
    ]


def test_a_field_that_was_added_changes_who_has_a_value_there(tmp_path: Path) -> None:
    nights = Nights(tmp_path, {**ONE, "fields": {"name": "text"}})
    nights.night(FIRST)
    nights.settings = ONE
    nights.night(FIRST, publish=False)
    assert [change for _, _, change in changes(nights)] == ["changed"] * 3 + ["same"]


def test_a_renamed_source_holds_the_same_records(tmp_path: Path) -> None:
    sources = [{"path": f"{i}.csv", "record_id": "id", "name": name} for i, name in enumerate("pq")]
    nights = Nights(tmp_path, {"mode": "link", "sources": sources, **FIELDS})
    nights.night(FIRST, FIRST)
    sources[1]["name"] = "r"
    nights.night(FIRST, FIRST, publish=False)
    assert {change for _, _, change in changes(nights)} == {"same"}


def test_sources_that_change_places_are_those_of_their_names(tmp_path: Path) -> None:
    sources = [{"path": f"{i}.csv", "record_id": "id", "name": name} for i, name in enumerate("pq")]
    nights = Nights(tmp_path, {"mode": "link", "sources": sources, **FIELDS})
    nights.night(FIRST, FIRST[:2])
    nights.settings["sources"] = sources[::-1]
    nights.night(FIRST, FIRST[:2], publish=False)
    assert [(old, new) for old, new, _ in changes(nights)] == [(i, (i + 2) % 6) for i in range(6)]


def test_the_answer_is_kept_with_the_records_and_read_again(tmp_path: Path) -> None:
    nights = Nights(tmp_path, ONE)
    nights.night(FIRST)
    lake = nights.night(FIRST[1:], publish=False)
    found = changes(nights)
    (kept,) = lake.path("cleaned_records").glob(f"{SINCE}*")
    written = kept.stat().st_mtime_ns
    assert changes(nights) == found == [(0, None, "gone"), *((i, i - 1, "same") for i in (1, 2, 3))]
    assert kept.stat().st_mtime_ns == written
    # Whatever else asks, the table is its own file alone, and it stays as it was stamped.
    assert [file.name for file in lake.path("cleaned_records").glob("*.parquet")] == [
        "part-0.parquet"
    ]
    assert nights.rows("cleaned_records")[0][1] == "c"


def test_since_another_night_there_are_other_changes(tmp_path: Path) -> None:
    nights = Nights(tmp_path, ONE)
    nights.night(FIRST)
    nights.night(FIRST[1:])
    assert {change for *_, change in changes(nights)} == {"same"}
    nights.night(FIRST, publish=False)
    assert [row for row in changes(nights) if row[2] != "same"] == [(None, 0, "new")]
