from pathlib import Path
from typing import Any

import duckdb
import pytest

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.errors import SinkError, SpecError
from er_pipeline.flow import flow
from er_pipeline.sinks.contents import contents_of
from er_pipeline.sinks.places import (
    check_places,
    is_current,
    place_lines,
    place_problems,
    sink_of,
    version_of,
    write_place,
)
from er_pipeline_tests.conftest import Dataset
from er_pipeline_tests.small_spec import small_spec
from er_pipeline_tests.test_shown_views import people as people
from er_pipeline_tests.test_shown_views import publish


def published_to(**place: Any) -> PipelineSpec:
    return small_spec(publish=[{"tables": ["unified_pairs"], **place}])


def test_a_place_gets_what_the_catalog_shows_once(people: Dataset, tmp_path: Path) -> None:
    publish(people, {})
    (place,) = published_to(parquet="out").publish
    assert write_place(people.spec, people.lake, place) == {"unified_pairs": 4}
    with duckdb.connect() as con:
        rows = con.execute(f"from '{tmp_path}/out/unified_pairs.parquet'").fetchall()
    assert ("0", "1", ["last"]) in [row[:3] for row in rows]
    assert is_current(people.spec, people.lake, place)
    assert write_place(people.spec, people.lake, place) is None
    assert write_place(people.spec, people.lake, place, again=True) == {"unified_pairs": 4}
    assert version_of(contents_of(people.lake, place.tables))


def test_a_place_that_cannot_be_looked_at_is_not_current(people: Dataset) -> None:
    publish(people, {})
    (place,) = published_to(database_env="NO_SUCH_VARIABLE").publish
    assert not is_current(people.spec, people.lake, place)
    with pytest.raises(SinkError, match="the environment variable NO_SUCH_VARIABLE is not set"):
        write_place(people.spec, people.lake, place)


def test_an_unknown_table_is_said_with_those_that_there_are() -> None:
    spec = published_to(parquet="out", tables=["cleaned_records", "unified_pair"])
    ((place, text),) = place_problems(spec, flow(spec))
    assert place == ("publish", 0, "tables", 1)
    assert "did you mean 'unified_pairs'?" in text
    assert "there are blocking_report, blocks_name" in text
    with pytest.raises(SpecError, match=r"publish\.0\.tables\.1: the dataset has no table"):
        check_places(spec, flow(spec))


@pytest.mark.filterwarnings("ignore:Query string argument")
def test_what_would_go_where_is_said_without_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_URL", "sqlite:///x.sqlite?password=hunter2")
    spec = small_spec(
        publish=[
            {"parquet": "/out", "tables": ["unified_pairs", "dropped_blocks"]},
            {"database_env": "DB_URL", "tables": ["unified_pairs"]},
            {"database_env": "NONE", "name": "other", "tables": ["unified_pairs"]},
        ]
    )
    first, second, third = place_lines(spec)
    assert first == "would publish unified_pairs, dropped_blocks to parquet in /out"
    assert second == f"would publish unified_pairs to sqlite:///{spec.folder}/x.sqlite"
    assert "other (the environment variable NONE is not set" in third


def test_a_ducklake_lies_where_the_declaration_does(tmp_path: Path) -> None:
    spec = published_to(ducklake="meta.ducklake").located_in(tmp_path)
    where = sink_of(spec, spec.publish[0]).where
    assert where == f"DuckLake {tmp_path}/meta.ducklake, schema people"


def test_a_sqlite_file_lies_where_the_declaration_does(tmp_path: Path) -> None:
    spec = published_to(database="sqlite:///crm.db").located_in(tmp_path)
    assert sink_of(spec, spec.publish[0]).where == f"sqlite:///{tmp_path}/crm.db"
