from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.table import LEFT_NO, RECORD_ID, RECORD_NO, RIGHT_NO, SOURCE, Table
from er_pipeline.blocking.tables.view_columns import OF_VIEWS, view_columns
from er_pipeline.blocking.tables.views import pairs_by_id
from er_pipeline.terminal.tables_page import columns_of_views, described_tables

RECORDS = Table("cleaned_records", "", [RECORD_NO, RECORD_ID, SOURCE], None)
PAIRS = Table("unified_pairs", "", [LEFT_NO, RIGHT_NO], pairs_by_id("unified_pairs"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path, "people")


def test_a_table_is_shown_by_the_columns_of_its_view(engine: DuckDBEngine, lake: Lake) -> None:
    for table, row in ((RECORDS, (0, "a", "s")), (PAIRS, (0, 0))):
        engine.put("made", table.arrow([row]))
        with lake.writing(table.name) as draft:
            engine.write("from made", draft.file())
    shown = view_columns(engine, lake, PAIRS, [RECORDS, PAIRS])
    assert [column.name for column in shown] == ["left_id", "right_id", *SOURCES]
    assert all(column.description for column in shown)
    assert view_columns(engine, lake, RECORDS, [RECORDS, PAIRS]) == list(RECORDS.columns)


SOURCES = ["left_source", "right_source"]


def test_every_column_of_every_view_has_a_meaning() -> None:
    tables = described_tables()
    known = {name for described in tables.values() for name in described.columns} | set(OF_VIEWS)
    surviving = {"last_name_source", "last_name_record", "city_source", "city_record"}
    views = columns_of_views(tables.values())
    assert {c for columns in views.values() for c in columns} - known == surviving
