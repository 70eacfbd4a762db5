import os
from importlib import metadata
from pathlib import Path

import pytest

from er_pipeline.blocking.tables.outside import (
    ABSENT,
    UNKNOWN,
    file_fingerprint,
    files_outside,
    library_versions,
    why_differs,
)


def test_a_fingerprint_follows_the_bytes_and_not_the_time(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("id\n1\n")
    before = file_fingerprint(file)
    os.utime(file, (1, 1))
    assert file_fingerprint(file) == before
    file.write_text("id\n2\n")  # as many bytes
    assert file_fingerprint(file) != before


def test_a_file_that_is_not_there_has_a_fingerprint_too(tmp_path: Path) -> None:
    assert file_fingerprint(tmp_path / "labels.jsonl") == ABSENT


def test_files_are_named_as_seen_from_the_declaration(tmp_path: Path) -> None:
    below, beside = tmp_path / "a" / "b.csv", tmp_path / "c.csv"
    below.parent.mkdir()
    below.write_text("1")
    beside.write_text("2")
    found = files_outside([below, beside], tmp_path / "a")
    assert list(found) == ["b.csv", str(beside)]


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        ({"a": "1"}, {"a": "1"}, None),
        ({}, {}, None),
        ({"a": "1"}, {"a": "2"}, "a has changed"),
        ({"a": "1"}, {"a": "1", "b": "1"}, "b is new"),
        ({"a": "1", "b": "1"}, {"a": "1"}, "b is gone"),
        ({"b": "1"}, {"a": "1"}, "a is new"),  # the same bytes under another name
        ({"a": UNKNOWN}, {"a": UNKNOWN}, "a may have changed: that shows only when it is read"),
    ],
)
def test_what_differs_is_named(
    before: dict[str, str], now: dict[str, str], reason: str | None
) -> None:
    assert why_differs(before, now) == reason


def test_libraries_are_those_that_shape_tables() -> None:
    found = library_versions()
    assert found["phonenumbers"] == metadata.version("phonenumbers")
    assert {"python", "duckdb", "splink", "numpy"} <= set(found)
    assert not {"dagster", "dagster-duckdb", "rich", "pandera", "pytest", "ruff"} & set(found)
