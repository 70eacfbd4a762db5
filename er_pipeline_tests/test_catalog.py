import json
import logging
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def run_twice(people: Dataset, folder: Path) -> Dataset:
    """Publish a second dataset, firms, in the lake of people, and give it."""
    folder.mkdir()
    firms = Dataset(folder, [PEOPLE[:2]], strategies=STRATEGIES)
    firms.spec = firms.spec.model_copy(update={"dataset": "firms"})
    firms.root = people.lake.root
    run(firms)
    return firms


@pytest.fixture(scope="module")
def kept_two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset, Path]:
    """Two datasets of one lake, published, and a copy of their folder."""
    folder = tmp_path_factory.mktemp("two")
    people = Dataset(folder, [PEOPLE], strategies=STRATEGIES)
    run(people)
    firms = run_twice(people, folder / "second")
    copy = tmp_path_factory.mktemp("copy") / "copy"
    return people, firms, Path(shutil.copytree(folder, copy, symlinks=True))


@pytest.fixture
def two(kept_two: tuple[Dataset, Dataset, Path]) -> tuple[Dataset, Dataset]:
    """Two datasets of one lake, published, as they were: people and firms."""
    people, firms, copy = kept_two
    shutil.rmtree(people.folder)
    shutil.copytree(copy, people.folder, symlinks=True)
    return Dataset.of(people.spec, people.root), Dataset.of(firms.spec, firms.root)


PAIRS_OF_PEOPLE = "select count(*) from people.unified_pairs"
PAIRS_OF_FIRMS = "select count(*) from firms.unified_pairs"


def test_a_neighbour_that_cannot_be_read_keeps_its_views_and_stops_nobody(
    two: tuple[Dataset, Dataset], caplog: pytest.LogCaptureFixture
) -> None:
    people, firms = two
    hidden = firms.lake.path("unified_pairs").rename(firms.folder / "hidden")
    for _ in range(3):
        write_csv(people.folder / "people.csv", PEOPLE[:4])
        with caplog.at_level(logging.WARNING):
            run(people)
        assert "views of dataset firms cannot be read" in caplog.text
        assert ask(catalog(people), PAIRS_OF_PEOPLE) == [[6]]
    hidden.rename(firms.lake.folder / "unified_pairs" / firms.lake.version("unified_pairs"))
    assert ask(catalog(people), PAIRS_OF_FIRMS) == [[1]]  # its views are what they were


def test_a_neighbour_whose_note_is_broken_is_still_shown(two: tuple[Dataset, Dataset]) -> None:
    people, firms = two
    (firms.lake.folder / "published.json").write_text("{")
    run(people)
    assert ask(catalog(people), PAIRS_OF_FIRMS) == [[1]]


@pytest.mark.parametrize(
    "name", ["main", "information_schema", "pg_catalog", "temp", "system", "People", "a b"]
)
def test_a_folder_of_any_name_beside_a_dataset_is_in_nobodys_way(
    dataset: Callable[..., Dataset], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES)
    run(people)
    note = {"at": "x", "tables": {"t": "v"}, "views": {"t": "select 1 as n"}}
    other = people.root / name
    other.mkdir()
    (other / "published.json").write_text(json.dumps(note))
    if name == "People":
        with pytest.raises(LakeError, match="'people' differs in case only from 'People'"):
            publish_dataset(people.lake, tables_of(people))
    else:
        run(people)
    assert ask(catalog(people), PAIRS_OF_PEOPLE) == [[15]]


def test_a_dataset_whose_folder_is_gone_is_shown_no_more(two: tuple[Dataset, Dataset]) -> None:
    people, firms = two
    shutil.rmtree(firms.lake.folder)
    run(people)
    schemas = ask(catalog(people), "select distinct schema_name from duckdb_views() order by 1")
    assert ["firms"] not in schemas
    assert ["people"] in schemas


@pytest.mark.parametrize("broken", [b"", b"no database", None])
def test_a_catalog_that_cannot_be_read_is_made_anew_with_all_datasets(
    two: tuple[Dataset, Dataset], broken: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    people, _ = two
    if broken is None:
        catalog(people).unlink()
        (catalog(people) / "of a user").mkdir(parents=True)
    else:
        catalog(people).write_bytes(broken)
    with caplog.at_level(logging.WARNING):
        publish_dataset(people.lake, tables_of(people))
    assert "catalog.duckdb" in caplog.text or broken == b""  # an empty file is an empty database
    assert ask(catalog(people), PAIRS_OF_PEOPLE) == [[15]]
    assert ask(catalog(people), PAIRS_OF_FIRMS) == [[1]]


def test_who_has_the_catalog_open_for_writing_keeps_nobody_from_publishing(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(PEOPLE, strategies=STRATEGIES)
    run(people)
    code = (
        "import duckdb, sys, time; con = duckdb.connect(sys.argv[1]);"
        "con.execute('create table mine as select 1'); print('open', flush=True); time.sleep(60)"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(catalog(people))], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    write_csv(people.folder / "people.csv", PEOPLE[:4])
    try:
        run(people)
    finally:
        writer.kill()  # it leaves a log
        writer.wait()
    assert ask(catalog(people), PAIRS_OF_PEOPLE) == [[6]]


def test_the_oldest_duckdb_that_is_allowed_can_read_the_catalog(people: Dataset) -> None:
    with duckdb.connect(str(catalog(people)), read_only=True) as con:
        (tags,) = con.execute(
            "select tags from duckdb_databases() where database_name = 'catalog'"
        ).fetchone() or ({},)
    assert tags["storage_version"].startswith("v1.4")


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """Let no file of this process grow further, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_leaves_the_catalog_as_it_was(two: tuple[Dataset, Dataset]) -> None:
    people, _ = two
    whole = catalog(people).stat().st_size
    shown = people.lake.published()
    before = {path for path in people.root.rglob("*")}
    for n_bytes in (6_000, 20_000, whole - 4_096, whole - 1):
        with (
            pytest.raises(LakeError, match=r"cannot be written .* it shows what it showed"),
            files_of_at_most(n_bytes),
        ):
            publish_dataset(people.lake, tables_of(people))
        assert people.lake.published() == shown
        assert ask(catalog(people), PAIRS_OF_PEOPLE) == [[15]]
        assert ask(catalog(people), PAIRS_OF_FIRMS) == [[1]]
        assert {path for path in people.root.rglob("*")} == before
    with files_of_at_most(2 * whole):
        publish_dataset(people.lake, tables_of(people))


def test_datasets_of_one_lake_have_schemas_of_their_own(people: Dataset, tmp_path: Path) -> None:
    run_twice(people, tmp_path / "second")
    assert ask(
        catalog(people),
        "select (select count(*) from people.unified_pairs),"
        " (select count(*) from firms.unified_pairs)",
    ) == [[15, 1]]
