import json
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake, link_files
from er_pipeline.blocking.tables.stamps import Plan, read_stamp
from er_pipeline.blocking.tables.thinning import (
    Version,
    drop_versions,
    mark_thinned,
    mask_file,
    row_traces,
    shared_values,
    thin_file,
    values_of,
    versions_in,
    with_their_records,
)
from er_pipeline.blocking.tables.traces import Traces

PLANS = {
    "cleaned_records": Plan("cleaned_records", "c", "s", (), is_from_outside=True),
    "pairs": Plan("pairs", "c", "s", ("cleaned_records",), is_from_outside=False),
    "model": Plan("model", "c", "s", ("pairs",), is_from_outside=False, stays_in_force=True),
}
TRACES = Traces("crm", ["17"])


def write(lake: Lake, table: str, sql: str, content: str | None = None) -> Version:
    with DuckDBEngine(threads=1) as engine, lake.writing(table) as draft:
        engine.write(sql, draft.file())
        draft.content = content
    return Version(table, lake.version(table), lake.path(table))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path, "people", PLANS)
    write(
        lake,
        "cleaned_records",
        "from (values (0, '16', 'crm', 'york'), (1, '17', 'crm', 'ullapool'))"
        " as v(record_no, record_id, source, town)",
        "content",
    )
    write(lake, "pairs", "select 0 as left_no, 1 as right_no")
    write(lake, "model", "select 0.5 as m")
    return lake


def versions(lake: Lake) -> list[Version]:
    return with_their_records(versions_in(lake.folder), lake.published())


def test_stamps_say_which_records_a_version_numbers(lake: Lake) -> None:
    records = lake.version("cleaned_records")
    write(lake, "cleaned_records", "select 0 as record_no", "other")
    assert {v.table: v.records for v in versions(lake) if v.table != "cleaned_records"} == {
        "pairs": records,
        "model": records,
    }


def test_marked_tables_follow_from_each_other_and_equal_none_that_a_step_makes(lake: Lake) -> None:
    before = {table: lake.stamp(table) for table in PLANS}
    mark_thinned(versions(lake), {"model"})
    records, pairs = (read_stamp(lake.path(t)) for t in ("cleaned_records", "pairs"))
    assert records
    assert pairs
    assert records.value != before["cleaned_records"] == records.thinned
    assert pairs.made_from == {"cleaned_records": records.value}
    assert lake.stamp("model") == before["model"]
    after = {table: lake.stamp(table) for table in PLANS}
    mark_thinned(versions(lake), {"model"})
    assert {table: lake.stamp(table) for table in PLANS} == after


def test_a_half_marked_lake_is_marked_to_the_end(lake: Lake) -> None:
    mark_thinned([v for v in versions(lake) if v.table == "cleaned_records"], {"model"})
    mark_thinned(versions(lake), {"model"})
    pairs = read_stamp(lake.path("pairs"))
    assert pairs
    assert pairs.made_from == {"cleaned_records": lake.stamp("cleaned_records")}


def test_a_linked_file_of_another_version_keeps_its_rows(lake: Lake, tmp_path: Path) -> None:
    link_files(lake.path("pairs"), tmp_path)
    (file,) = lake.path("pairs").glob("*.parquet")
    with DuckDBEngine(threads=1) as engine:
        thin_file(engine, file, row_traces(engine, file, TRACES, [1], {}))
        engine.read_file(file, "thin")
        engine.read_file(tmp_path / file.name, "whole")
        assert engine.row("select count(*) from thin") == (0,)
        assert engine.row("select count(*) from whole") == (1,)
    assert not list(file.parent.glob(".*"))


def test_values_are_distinctive_where_no_other_record_has_them(lake: Lake) -> None:
    (records,) = (v for v in versions(lake) if v.table == "cleaned_records")
    with DuckDBEngine(threads=1) as engine:
        assert values_of(engine, records, [1]) == {"ullapool"}
        assert shared_values(engine, records, {"ullapool", "york"}, [1]) == {"york"}


def test_latest_goes_back_to_what_stays_and_a_table_of_which_nothing_does_goes(lake: Lake) -> None:
    kept = [v for v in versions(lake) if v.table != "model"]
    write(lake, "pairs", "select 1 as left_no, 2 as right_no")
    assert drop_versions(lake.folder, kept) == 2
    assert lake.tables() == ["cleaned_records", "pairs"]
    assert lake.version("pairs") in {v.name for v in kept}


def test_what_is_no_note_and_names_a_record_goes_as_a_whole(tmp_path: Path) -> None:
    note, torn, other = (tmp_path / name for name in ("a.json", "b.json", "c.json"))
    note.write_text(json.dumps({"left": "crm-17"}))
    torn.write_text('{"left": "crm-17')
    other.write_text("{")
    assert [mask_file(path, TRACES) for path in (note, torn, other)] == [True, True, False]
    assert "17" not in note.read_text()
    assert not torn.exists()
    assert other.exists()
