from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from er_pipeline.blocking.tables.shown_links import (
    drop_broken_links,
    drop_links,
    moment_shown,
    move_links,
    prepare_links,
    take_links_back,
    version_shown,
)


def write(folder: Path, version: str, *values: int) -> None:
    place = folder / "pairs" / version
    place.mkdir(parents=True)
    for i, value in enumerate(values):
        pq.write_table(pa.table({"value": [value]}), place / f"part-{i}.parquet")
    (place / "facts.json").write_text("{}")


def show(folder: Path, at: str, version: str) -> None:
    prepare_links(folder, at, {"pairs": version})
    move_links(folder, at, ["pairs"])


def test_a_reader_of_the_folder_finds_parquet_alone(tmp_path: Path) -> None:
    write(tmp_path, "v1", 1, 2)
    show(tmp_path, "m1", "v1")
    current = tmp_path / "pairs" / "current"
    assert sorted(file.name for file in current.iterdir()) == ["part-0.parquet", "part-1.parquet"]
    assert pq.read_table(current)["value"].to_pylist() == [1, 2]
    assert version_shown(tmp_path / "pairs") == (tmp_path / "pairs" / "v1").resolve()


def test_links_that_were_followed_once_stay_until_they_are_dropped(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        write(tmp_path, f"v{n}", n)
        show(tmp_path, f"m{n}", f"v{n}")
    first, second = (tmp_path / ".shown" / moment / "pairs" for moment in ("m1", "m2"))
    assert pq.read_table(first)["value"].to_pylist() == [1]
    drop_links(tmp_path, {"m2"})
    assert not first.exists()
    assert pq.read_table(second)["value"].to_pylist() == [2]
    assert moment_shown(tmp_path) == "m3", "what is shown is never dropped"


def test_what_was_prepared_is_taken_back_unless_it_is_shown(tmp_path: Path) -> None:
    write(tmp_path, "v1", 1)
    prepare_links(tmp_path, "m1", {"pairs": "v1"})
    take_links_back(tmp_path, "m1")
    assert not (tmp_path / ".shown" / "m1").exists()
    show(tmp_path, "m2", "v1")
    take_links_back(tmp_path, "m2")
    assert moment_shown(tmp_path) == "m2"
    assert version_shown(tmp_path / "pairs")


def test_links_to_files_that_are_gone_go_too(tmp_path: Path) -> None:
    write(tmp_path, "v1", 1)
    show(tmp_path, "m1", "v1")
    (tmp_path / "pairs" / "v1" / "part-0.parquet").unlink()
    drop_broken_links(tmp_path)
    assert version_shown(tmp_path / "pairs") is None
    assert not (tmp_path / "pairs" / "current").is_symlink()
    assert not (tmp_path / ".shown" / "m1").exists()
