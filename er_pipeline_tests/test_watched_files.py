import os
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.records.watched_files import Look, Seen, look_at_sources
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline_tests.small_spec import small_spec

T0 = 1_800_000_000.0


class Watched:
    """The files of a folder, looked at from time to time; the cursor is kept as Dagster does."""

    def __init__(self, folder: Path, **watch: Any) -> None:
        self.folder = folder
        settings = {"quiet_seconds": 300, **watch}
        self.spec: PipelineSpec = small_spec(
            sources=[{"path": "in_*.csv"}], schedule={"watch": settings}
        ).located_in(folder)
        self.cursor: str | None = None

    def write(self, name: str, text: str, at: float) -> None:
        (self.folder / name).write_text(text)
        os.utime(self.folder / name, (at, at))

    def look(self, at: float) -> Look:
        found = look_at_sources(self.spec, Seen.read(self.cursor), at)
        self.cursor = found.seen.cursor()
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    files = Watched(tmp_path)
    files.write("in_1.csv", "id\n1\n", T0 - 9_000)
    assert files.look(T0).changed == ()
    return files


def test_the_first_look_only_remembers(watched: Watched) -> None:
    found = watched.look(T0 + 9_000)
    assert (found.changed, found.why) == ((), "no file has changed")


def test_a_changed_file_starts_one_run_when_it_is_left_alone(watched: Watched) -> None:
    watched.write("in_1.csv", "id\n1\n2\n", T0 + 10)
    assert "is left alone for 300 s first" in watched.look(T0 + 60).why
    assert watched.look(T0 + 300).changed == ()
    found = watched.look(T0 + 360)
    assert [Path(path).name for path in found.changed] == ["in_1.csv"]
    assert watched.look(T0 + 420).changed == ()


def test_a_file_that_still_grows_is_waited_for(watched: Watched) -> None:
    for minute in range(1, 20):
        watched.write("in_1.csv", "id\n" + "1\n" * minute, T0 + 60 * minute)
        assert watched.look(T0 + 60 * minute).changed == ()
    assert watched.look(T0 + 60 * 19 + 299).changed == ()
    assert watched.look(T0 + 60 * 19 + 300).changed


def test_a_file_that_brings_an_old_time_along_is_waited_for(watched: Watched) -> None:
    watched.write("in_2.csv", "id\n", T0 - 99_000)  # as cp -p and rsync write
    assert watched.look(T0 + 60).changed == ()
    watched.write("in_2.csv", "id\n7\n", T0 - 99_000)
    assert watched.look(T0 + 400).changed == ()
    found = watched.look(T0 + 700)
    assert [Path(path).name for path in found.changed] == ["in_2.csv"]


def test_a_file_that_is_gone_counts_and_none_at_all_is_waited_for(watched: Watched) -> None:
    watched.write("in_2.csv", "id\n", T0)
    watched.look(T0 + 400)
    assert watched.look(T0 + 800).changed
    (watched.folder / "in_2.csv").unlink()
    watched.look(T0 + 900)
    found = watched.look(T0 + 1_200)
    assert [Path(path).name for path in found.changed] == ["in_2.csv"]
    (watched.folder / "in_1.csv").unlink()
    assert "not all files are there" in watched.look(T0 + 2_000).why


def test_a_change_back_asks_for_a_run_of_its_own(watched: Watched) -> None:
    keys = []
    for n, text in enumerate(("id\n2\n", "id\n1\n", "id\n2\n"), 1):
        watched.write("in_1.csv", text, T0 + 1_000 * n)
        watched.look(T0 + 1_000 * n + 300)
        found = watched.look(T0 + 1_000 * n + 600)
        assert found.changed
        keys.append(found.key)
    assert len(set(keys)) == 3


def test_where_content_is_compared_a_touched_file_starts_no_run(tmp_path: Path) -> None:
    files = Watched(tmp_path, compare="content", quiet_seconds=0)
    files.write("in_1.csv", "id\n1\n", T0 - 9_000)
    files.look(T0)
    files.write("in_1.csv", "id\n1\n", T0 + 10)
    files.look(T0 + 60)
    assert files.look(T0 + 120).why == "only times have changed, no content"
    files.write("in_1.csv", "id\n2\n", T0 + 130)
    files.look(T0 + 180)
    assert files.look(T0 + 240).changed


def test_a_cursor_that_cannot_be_read_is_none() -> None:
    assert [Seen.read(cursor) for cursor in (None, "", "{", '{"a": 1}', "7")] == [None] * 5
