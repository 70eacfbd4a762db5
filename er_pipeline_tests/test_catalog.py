import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.run_metrics import collect_run_metrics, note_run_metrics
from er_pipeline.blocking.tables.table import Table
from er_pipeline.catalog import publish_dataset
from er_pipeline.flow import flow
from er_pipeline.flow import run as run_flow
from er_pipeline_tests.conftest import Dataset, Rows, write_csv

ODD_IDS = ["it's", 'a"b', "🙂 1", " x", "select", "007"]
PEOPLE: Rows = [
    {"id": record_id, "last": "lee", "words": "a b", "person_id": "p"} for record_id in ODD_IDS
]


def run(people: Dataset) -> None:
    """Make every table of the dataset and publish the catalog, as the graph does."""
    lake = people.lake
    list(run_flow(flow(people.spec), lake, threads=2))
    figures = lake.facts("blocking_report")["run"]
    with DuckDBEngine(threads=2) as engine:
        note_run_metrics(lake, "run-1", "blocking_report", figures)
        collect_run_metrics(engine, lake)
    publish_dataset(lake, tables_of(people))


def tables_of(people: Dataset) -> list[Table]:
    return [table for step in flow(people.spec) for table in step.writes]


def catalog(people: Dataset) -> Path:
    return people.lake.root / "catalog.duckdb"


def ask(file: Path, sql: str) -> list[list[Any]]:
    """Query a catalog as a person does: in a process of its own."""
    code = (
        "import duckdb, json, sys; con = duckdb.connect(sys.argv[1], read_only=True);"
        "print(json.dumps(con.execute(sys.argv[2]).fetchall(), default=str))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(file), sql], check=True, capture_output=True, text=True
    )
    rows: list[list[Any]] = json.loads(answer.stdout)
    return rows


STRATEGIES = {"last": "last", "words": "tokens(words)"}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six people, published."""
    people = Dataset(
        tmp_path_factory.mktemp("people"),
        [PEOPLE],
        strategies=STRATEGIES,
        truth={"cluster_column": "person_id"},
    )
    run(people)
    return people


def test_the_views_have_the_columns_of_the_contract(people: Dataset) -> None:
    with duckdb.connect(str(catalog(people)), read_only=True) as con:
        described = con.execute(
            "select view_name, list(column_name order by column_index) from duckdb_views()"
            " join duckdb_columns() on table_name = view_name"
            " where duckdb_views.schema_name = 'people' group by 1"
        ).fetchall()
        types = dict(
            con.execute(
                "select column_name, column_type from (describe people.unified_pairs)"
            ).fetchall()
        )
        counts = {
            view: con.execute(f"select count(*) from people.{view}").fetchone()
            for view, _ in described
        }
    columns = dict(described)
    # "Other columns may follow" those of the contract.
    contract = {
        "cleaned_records": ["record_id", "source", "last", "words"],
        "blocks_last": ["block_key", "record_id", "source"],
        "blocks_words": ["block_key", "record_id", "source"],
        "filtered_blocks": ["strategy", "block_key", "block_size", "record_id", "source"],
        "dropped_blocks": ["strategy", "block_key", "block_size", "pairs", "reason"],
        "unified_pairs": ["left_id", "right_id", "strategies", "similarity"],
        "em_training_blocks": ["rule", "block_key", "record_id", "source"],
        "em_training_rules": ["rule", "expression", "source_columns", "pairs", "largest_block"],
        "run_metrics": ["run_id", "at", "table_name", "metric", "value"],
    }
    for view, wanted in contract.items():
        assert columns[view][: len(wanted)] == wanted
    assert types["strategies"] == "VARCHAR[]"
    assert types["left_id"] == "VARCHAR"
    assert "record_codes" not in columns
    assert counts["unified_pairs"] == counts["true_pairs"] == (15,)
    assert counts["blocks_words"] == (12,)


def test_ids_stand_as_the_user_wrote_them_and_strategies_by_name(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(PEOPLE[:3], strategies={"never": "left(last, 0)", **STRATEGIES})
    run(people)
    found = ask(
        catalog(people),
        "select left_id, right_id, strategies, left_source from people.unified_pairs order by all",
    )
    first, second, third = sorted(ODD_IDS[:3])
    assert found == [
        [first, second, ["last", "words"], "people"],
        [first, third, ["last", "words"], "people"],
        [second, third, ["last", "words"], "people"],
    ]


def test_two_sources_may_share_ids(dataset: Callable[..., Dataset]) -> None:
    both = dataset(PEOPLE[:2], PEOPLE[:2], strategies=STRATEGIES)
    run(both)
    found = ask(
        catalog(both),
        "select left_source, left_id, right_source, right_id from people.unified_pairs",
    )
    assert sorted(found) == sorted(
        ["source0", left, "source1", right] for left in ODD_IDS[:2] for right in ODD_IDS[:2]
    )


def test_the_catalog_is_readable_while_another_version_is_written(people: Dataset) -> None:
    count = "select count(*) from people.unified_pairs"
    with people.lake.writing("unified_pairs") as draft:
        draft.file().write_text("half a file")
        assert ask(catalog(people), count) == [[15]]
    # The new version is current now, but not published: the catalog shows what it showed.
    assert ask(catalog(people), count) == [[15]]


def test_an_open_connection_outlives_a_replacement_and_the_next_runs_writing(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES)
    run(people)
    count = "select count(*) from people.unified_pairs"
    opened = duckdb.connect(str(catalog(people)), read_only=True)
    try:
        assert opened.execute(count).fetchone() == (15,)
        write_csv(people.folder / "people.csv", PEOPLE[:4])
        run(people)
        assert ask(catalog(people), count) == [[6]]
        assert opened.execute(count).fetchone() == (15,)
        write_csv(people.folder / "people.csv", PEOPLE[:3])
        people.pair()  # one more run, before it publishes
        assert opened.execute(count).fetchone() == (15,)
        assert ask(catalog(people), count) == [[6]]
    finally:
        opened.close()


def test_tables_of_other_records_are_not_published(dataset: Callable[..., Dataset]) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES)
    people.pair()
    write_csv(people.folder / "people.csv", PEOPLE[:4])
    people.clean()
    shown = people.lake.published()
    with pytest.raises(LakeError, match="made from an older cleaned_records"):
        publish_dataset(people.lake, tables_of(people))
    assert people.lake.published() == shown


def test_datasets_of_one_lake_have_schemas_of_their_own(people: Dataset, tmp_path: Path) -> None:
    firms = Dataset(tmp_path, [PEOPLE[:2]], strategies=STRATEGIES)
    firms.spec = firms.spec.model_copy(update={"dataset": "firms"})
    firms.root = people.lake.root
    run(firms)
    assert ask(
        catalog(people),
        "select (select count(*) from people.unified_pairs),"
        " (select count(*) from firms.unified_pairs)",
    ) == [[15, 1]]
