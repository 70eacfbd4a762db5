import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from er_pipeline.blocking.tables import in_force
from er_pipeline.blocking.tables.files import point, write_whole
from er_pipeline.blocking.tables.in_force import (
    IN_FORCE,
    PROMOTION,
    LearnedSet,
    finish_promotion,
    kept_in_force,
    note_in_force,
    promote,
    read_sets,
    version_in_force,
)

OLD = {"rules": "20260101T000000.1-a", "model": "20260102T000000.1-b"}
NEW = {"rules": "20260201T000000.1-c", "model": "20260201T000000.2-d"}
NEW_SET = LearnedSet(version="20260201T000000.0", since="20260202T000000.0", tables=NEW)


def written(folder: Path, tables: Mapping[str, str]) -> Path:
    """Let versions of tables lie in a dataset's folder, as the last ones written."""
    for table, version in tables.items():
        (folder / table / version).mkdir(parents=True)
        (folder / table / "latest").unlink(missing_ok=True)
        (folder / table / "latest").symlink_to(version)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a dataset that learned the new set first, but uses the old one."""
    written(tmp_path, NEW)
    written(tmp_path, OLD)
    note_in_force(tmp_path, OLD, "20260102T010000.0", 5)
    return tmp_path


def used(folder: Path) -> dict[str, str | None]:
    return {table: version_in_force(folder, table) for table in OLD}


def test_what_was_written_last_is_in_force(folder: Path) -> None:
    assert used(folder) == OLD
    assert version_in_force(folder, "none") is None
    assert read_sets(folder) == [
        {"version": "20260102T000000.1", "since": "20260102T010000.0", "tables": OLD}
    ]


def test_a_promoted_set_is_in_force_and_the_one_before_is_kept(folder: Path) -> None:
    promote(folder, NEW_SET, 5)
    assert used(folder) == NEW
    assert not (folder / PROMOTION).exists()
    assert [one["tables"] for one in read_sets(folder)] == [OLD, NEW]
    assert kept_in_force(folder) == {table: {OLD[table], NEW[table]} for table in OLD}
    promote(folder, {**NEW_SET, "version": "back", "tables": OLD}, 5)
    assert used(folder) == OLD
    assert [one["version"] for one in read_sets(folder)] == [NEW_SET["version"], "back"]


@pytest.mark.parametrize("killed_at", range(5))
def test_a_promotion_that_is_killed_puts_all_in_force_or_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    calls = 0

    def counted(function: Any) -> Any:
        def call(*arguments: Any) -> None:
            nonlocal calls
            calls += 1
            if calls > killed_at:  # two notes are written, two links moved
                raise KeyboardInterrupt
            function(*arguments)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(in_force, "point", counted(point))
        patched.setattr(in_force, "write_whole", counted(write_whole))
        with suppress(KeyboardInterrupt):
            promote(folder, NEW_SET, 5)
    left = used(folder)
    assert left == (NEW if killed_at else OLD)
    assert set(kept_in_force(folder)["rules"]) >= {OLD["rules"], str(left["rules"])}
    finish_promotion(folder)
    assert used(folder) == left
    assert read_sets(folder)[-1]["tables"] == left


def test_what_a_run_learned_after_a_killed_promotion_wins(folder: Path) -> None:
    note = {"set": NEW_SET, "instead_of": OLD, "most": 5}
    (folder / PROMOTION).write_text(json.dumps(note), "utf-8")
    assert used(folder) == NEW
    later = written(folder, {"rules": "20260301T000000.0-e"})
    assert used(later) == {**NEW, "rules": "20260301T000000.0-e"}


def test_so_many_sets_are_kept_and_no_set_twice(folder: Path) -> None:
    for month in range(3, 8):
        tables = {"rules": f"20260{month}01T000000.0-x"}
        for _ in range(2):
            note_in_force(folder, tables, f"20260{month}02T000000.0", 3)
    assert [one["version"][:6] for one in read_sets(folder)] == ["202605", "202606", "202607"]
    note_in_force(folder, tables, "20260801T000000.0", 1)
    assert [one["version"][:6] for one in read_sets(folder)] == ["202607"]


def test_where_nothing_stays_in_force_nothing_is_kept(folder: Path) -> None:
    note_in_force(folder, {}, "20260801T000000.0", 3)
    assert read_sets(folder) == []
    note_in_force(folder, {}, "20260801T000000.0", 3)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sets": 3}', '{"sets": [{"version": "1"}]}'])
def test_a_note_that_cannot_be_read_is_none(folder: Path, text: str) -> None:
    (folder / IN_FORCE).write_text(text, "utf-8")
    assert read_sets(folder) == []
    assert used(folder) == OLD
