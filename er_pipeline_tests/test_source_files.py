import os
from pathlib import Path

import pytest

from er_pipeline.blocking.records.source_files import files_of, format_of
from er_pipeline.blocking.tables.errors import InputError


def names(folder: Path, path: str) -> list[str]:
    return [str(file.relative_to(folder)) for file in files_of(path, folder, "`path`").files]


def put(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def test_a_folder_means_its_files_but_hidden_ones(tmp_path: Path) -> None:
    put(tmp_path, "t/_SUCCESS", "t/.a.crc", "t/b=1/a.csv", "t/a.csv", "t/_tmp/a.csv")
    assert names(tmp_path, "t") == names(tmp_path, "t/") == ["t/a.csv", "t/b=1/a.csv"]
    assert names(tmp_path, "t/*") == ["t/a.csv", "t/b=1/a.csv"]


def test_a_file_whose_own_name_has_glob_characters_is_that_file(tmp_path: Path) -> None:
    put(tmp_path, "a[1].csv", "a1.csv", "a*.csv")
    assert names(tmp_path, "a[1].csv") == ["a[1].csv"]
    assert names(tmp_path, "a*.csv") == ["a*.csv"]
    assert names(tmp_path, "a?.csv") == ["a*.csv", "a1.csv"]


def test_a_folder_with_glob_characters_above_is_no_pattern(tmp_path: Path) -> None:
    put(tmp_path / "[x]", "p=1/a.csv", "p=2/a.csv")
    found = files_of("*/*.csv", tmp_path / "[x]", "`path`")
    assert [dict(folder) for folder in found.folders] == [{"p": "1"}, {"p": "2"}]


def test_folders_say_values_only_below_the_path(tmp_path: Path) -> None:
    put(tmp_path, "day=1/t/land=d%C3%BC/a.csv", "day=1/t/land=__HIVE_DEFAULT_PARTITION__/a.csv")
    found = files_of("day=1/t", tmp_path, "`path`")
    assert [dict(folder) for folder in found.folders] == [{"land": None}, {"land": "dü"}]
    assert files_of("day=1/t/*/a.csv", tmp_path, "`path`").folders == found.folders


@pytest.mark.parametrize(
    ("name", "file_format"),
    [("a.CSV", "csv"), ("a.b.tsv.gz", "csv"), ("a.pq", "parquet"), ("a.ndjson.zst", "json")],
)
def test_the_ending_names_the_format(name: str, file_format: str) -> None:
    assert format_of(Path(name)) == file_format


def test_an_ending_of_another_program_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"a\.xlsx: is a workbook; save its sheet as CSV UTF-8"):
        format_of(Path("a.xlsx"))


@pytest.mark.parametrize("path", ["p.csv", "*.csv"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, path: str) -> None:
    os.mkfifo(tmp_path / "p.csv")
    said = r"p\.csv: is a pipe, a device or a broken link; correct `path`"
    with pytest.raises(InputError, match=said):
        files_of(path, tmp_path, "`path`")
    (tmp_path / "p.csv").unlink()
    (tmp_path / "p.csv").symlink_to("p.csv")
    with pytest.raises(InputError, match=said):
        files_of(path, tmp_path, "`path`")
