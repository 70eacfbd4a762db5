import shutil
import threading
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import LakeError
from er_pipeline.blocking.tables.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", "people")


def write(lake: Lake, table: str, text: str) -> str:
    """Write a version of a table that holds a text; give the version's name."""
    with lake.writing(table, {"text": text}) as draft:
        draft.file().write_text(text)
    return lake.version(table)


def text_of(lake: Lake, table: str, version: str | None = None) -> str:
    return (lake.path(table, version) / "part-0.parquet").read_text()


def versions(lake: Lake, table: str) -> set[str]:
    return {path.name for path in (lake.folder / table).iterdir() if not path.is_symlink()}


def test_a_table_is_read_as_it_was_written_last(lake: Lake) -> None:
    write(lake, "pairs", "old")
    write(lake, "pairs", "new")
    assert text_of(lake, "pairs") == "new"
    assert lake.facts("pairs") == {"text": "new"}
    assert lake.has("pairs")
    assert lake.tables() == ["pairs"]


def test_who_only_looks_sees_the_lake_as_it_was_at_the_first_look(lake: Lake) -> None:
    write(lake, "pairs", "old")
    looked_at = lake.as_it_stands()
    assert looked_at.stamps(["pairs", "blocks"]) == lake.stamps(["pairs"])
    write(lake, "pairs", "new")
    write(lake, "blocks", "new")
    assert text_of(looked_at, "pairs") == "old"
    assert looked_at.facts("pairs") == {"text": "old"}
    assert looked_at.has("blocks")
    assert text_of(lake, "pairs") == "new"


def test_a_table_never_written_is_told_by_name(lake: Lake) -> None:
    assert not lake.has("pairs")
    assert lake.tables() == []
    for read in (lake.version, lake.path, lake.facts):
        with pytest.raises(LakeError, match=r"people/pairs is not in the lake .* materialize"):
            read("pairs")


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_version_and_nothing_else(
    lake: Lake, failure: type[BaseException]
) -> None:
    old = write(lake, "pairs", "old")

    def fail(half: Path) -> None:
        half.write_text("half")
        raise failure

    with pytest.raises(failure), lake.writing("pairs") as draft:
        fail(draft.file())
    assert text_of(lake, "pairs") == "old"
    assert lake.facts("pairs") == {"text": "old"}
    assert versions(lake, "pairs") == {old}


def test_facts_that_cannot_be_kept_leave_the_old_version(lake: Lake) -> None:
    write(lake, "pairs", "old")
    with pytest.raises(TypeError), lake.writing("pairs") as draft:
        draft.facts["bad"] = object()
    assert text_of(lake, "pairs") == "old"


def test_the_old_version_is_read_until_the_new_one_is_whole(lake: Lake) -> None:
    write(lake, "pairs", "old")
    with lake.writing("pairs") as draft:
        draft.file().write_text("new")
        assert text_of(lake, "pairs") == "old"
    assert text_of(lake, "pairs") == "new"


def test_whoever_has_resolved_a_version_goes_on_reading_it(lake: Lake) -> None:
    write(lake, "pairs", "old")
    opened = lake.path("pairs")
    write(lake, "pairs", "new")
    assert (opened / "part-0.parquet").read_text() == "old"


def test_a_reader_beside_a_writer_sees_one_version(lake: Lake) -> None:
    done = threading.Event()

    def write_many() -> None:
        with DuckDBEngine(threads=1) as engine:
            for i in range(1, 25):
                with lake.writing("pairs") as draft:
                    for part in ("a", "b", "c"):
                        engine.write(f"select {i} as version", draft.file(part))
        done.set()

    with DuckDBEngine(threads=1) as engine:
        with lake.writing("pairs") as draft:
            for part in ("a", "b", "c"):
                engine.write("select 0 as version", draft.file(part))
        writer = threading.Thread(target=write_many)
        writer.start()
        seen: list[int] = []
        while not done.is_set() or not seen:
            lake.open(engine, "pairs")
            n_rows, first, last = engine.row(
                "select count(*), min(version), max(version) from pairs"
            )
            assert (n_rows, first) == (3, last)
            seen.append(first)
        writer.join()
        lake.open(engine, "pairs")
        assert engine.row("select max(version) from pairs") == (24,)
    assert seen == sorted(seen)


def test_two_writers_of_one_table_do_not_mix(lake: Lake) -> None:
    with lake.writing("pairs", {"text": "slow"}) as slow:
        slow.file().write_text("slow")
        write(lake, "pairs", "quick")
        assert text_of(lake, "pairs") == "quick"
    assert text_of(lake, "pairs") == "slow"
    assert lake.facts("pairs") == {"text": "slow"}


def test_two_datasets_of_a_lake_do_not_meet(tmp_path: Path) -> None:
    people, firms = Lake(tmp_path, "people"), Lake(tmp_path, "firms")
    write(people, "pairs", "of people")
    write(firms, "pairs", "of firms")
    assert (text_of(people, "pairs"), text_of(firms, "pairs")) == ("of people", "of firms")


def test_a_lake_can_be_moved(lake: Lake, tmp_path: Path) -> None:
    write(lake, "pairs", "1")
    shutil.move(lake.root, tmp_path / "elsewhere")
    assert text_of(Lake(tmp_path / "elsewhere", "people"), "pairs") == "1"
