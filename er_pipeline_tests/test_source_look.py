import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from er_pipeline.blocking.records.source_look import age_text, look_at, source_sentence
from er_pipeline.blocking.spec.sources_section import Source

NIGHT = datetime(2026, 11, 27, 2, tzinfo=UTC)


def test_a_file_is_seen_with_its_size_and_age(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("id\n1\n")
    os.utime(file, (NIGHT.timestamp(), NIGHT.timestamp()))
    look = look_at(Source(path="people.csv"), tmp_path)
    assert (look.place, look.files, look.size, look.changed) == (str(file), 1, 5, NIGHT)
    said = source_sentence(look, 1234, NIGHT + timedelta(hours=3))
    assert said == f"1,234 records of {file}, last changed 3 hours before."


def test_a_query_is_seen_without_its_password() -> None:
    look = look_at(Source(name="a", url="postgresql://me:secret@db/x", query="from a"), Path())
    assert "secret" not in look.place
    assert look.changed is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59, "less than a minute"), (60, "1 minute"), (7_300, "2 hours"), (90_000, "1 day")],
)
def test_an_age_is_written_in_its_largest_unit(seconds: int, text: str) -> None:
    assert age_text(timedelta(seconds=seconds)) == text
