import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.files import (
    clear_left,
    clear_scratch,
    files_of_mode,
    is_left,
    made_folder,
    point,
    scratch_folder,
    write_draft,
    write_whole,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_small_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "note.json"
    write_whole(file, json.dumps([1]))
    write_whole(file, json.dumps([1, 2]))
    assert json.loads(file.read_text()) == [1, 2]
    assert names(file.parent) == ["note.json"]


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "note.json"
    write_whole(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "\ud800")
    with pytest.raises(UnicodeEncodeError):
        write_draft(file, "\ud800")
    assert file.read_text() == "old"
    assert names(tmp_path) == ["note.json"]


def test_a_folder_in_the_place_of_a_file_is_kept_under_another_name(tmp_path: Path) -> None:
    (tmp_path / "note.json").mkdir()
    (tmp_path / "note.json" / "inside").write_text("of a user")
    write_whole(tmp_path / "note.json", "new")
    assert (tmp_path / "note.json").read_text() == "new"
    (aside,) = tmp_path.glob("note.json.*.aside")
    assert (aside / "inside").read_text() == "of a user"


def test_a_link_is_moved_in_one_step_whatever_stood_there(tmp_path: Path) -> None:
    link = tmp_path / "latest"
    for target in ("one", "two"):
        point(link, target)
        assert os.readlink(link) == target
    link.unlink()
    link.mkdir()  # a copy of the lake that followed its links
    point(link, "three")
    assert os.readlink(link) == "three"


def test_a_folder_is_held_as_long_as_it_is_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "draft"
    with made_folder(folder):
        assert not is_left(folder)
        clear_left([folder])
        assert folder.is_dir()
    assert is_left(folder)
    clear_left([folder])
    assert not folder.exists()


def test_what_a_killed_process_left_in_the_temporary_folder_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import os, signal\n"
        "from er_pipeline.blocking.tables.files import scratch_folder\n"
        "with scratch_folder() as folder:\n"
        "    (folder / 'records.csv').write_text('ann')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)})
    (left,) = tmp_path.iterdir()
    (tmp_path / "of another program").mkdir()
    with scratch_folder() as in_use:
        assert in_use.parent == tmp_path
        assert in_use.stat().st_mode & 0o777 == 0o700
        clear_scratch()
        assert names(tmp_path) == sorted([in_use.name, "of another program"])
    assert not left.exists()
    assert names(tmp_path) == ["of another program"]


@pytest.mark.parametrize(
    ("mode", "of_file", "of_folder"),
    [("600", 0o600, 0o700), ("640", 0o640, 0o750), ("664", 0o664, 0o775), (None, 0o644, 0o755)],
)
def test_files_hold_the_mode_at_most(
    tmp_path: Path, mode: str | None, of_file: int, of_folder: int
) -> None:
    before = os.umask(0o022)
    try:
        with files_of_mode(mode):
            (tmp_path / "folder").mkdir()
            (tmp_path / "file").write_text("")
        (tmp_path / "after").write_text("")
    finally:
        os.umask(before)
    found = [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "folder", "after")]
    assert found == [of_file, of_folder, 0o644]
